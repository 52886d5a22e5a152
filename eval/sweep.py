"""How a run's settings were chosen: the same photos under a grid of m and, where the run is one of
Algorithm 1, of alpha and learning rate.

Nothing is written. A line of the table is one point of the grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from pathlib import Path
from typing import NamedTuple

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.classifiers.classifier import Classifier, classify_sights
from cvpire.classifiers.registry import load_classifier
from cvpire.errors import SettingsError
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo, read_written
from cvpire.images.transparency import WHITE, composite
from cvpire.protection import protect_batch
from cvpire.reports.report import Report
from cvpire.runs import Run, find_run
from eval.averages import cell, known_least, known_mean, mean
from eval.dataset import Item, load_dataset
from eval.errors import EvaluationError
from eval.failures import photo_failure
from eval.judge import judge
from eval.progress import Progress, ProgressCallback
from eval.seen import SEEN_HEADS, summarise_values
from eval.yardsticks import Looks, measure_pair

BATCH_SIZE = 4
DEFAULT_MAX_STEPS = 300


@dataclass(frozen=True)
class SweepOptions:
    """What to try.

    Attributes:
        images: their folder.
        labels: a CSV, or None for the classifier's own first guesses.
        classifier: its name.
        view: of `cvpire.images.views.VIEWS`, or None for the classifier's own.
        run: the run whose condition and other settings are taken.
        magnitudes: values of m, in grey levels.
        l1_weights: values of alpha, or None for the run's own.
        learning_rates: in grey levels, or None for the run's own.
        max_steps: T of Algorithm 1, or None for 300.
        every: take each so many-th image only.
    """

    images: Path
    labels: Path | None
    classifier: str
    view: str | None
    run: str
    magnitudes: tuple[float, ...]
    l1_weights: tuple[float, ...] | None
    learning_rates: tuple[float, ...] | None
    max_steps: int | None
    every: int


def sweep(
    options: SweepOptions, progress: ProgressCallback, on_failure: Callable[[str], object]
) -> Iterator[str]:
    """Try each point of the grid on the images that the classifier gets right when clean.

    Args:
        options: what to try.
        progress: told after each batch.
        on_failure: told of each image that is left out, in a sentence.

    Yields:
        Lines of a Markdown table, as they are known.

    Raises:
        CvpireError: if there is nothing to try, or a setting makes no sense.
    """
    classifier = load_classifier(options.classifier, view=options.view)
    run = find_run(options.run)
    run.check(classifier.labels)
    points = list(_grid(run, options))
    dataset = load_dataset(options.images, options.labels, classifier.labels)
    for sentence in dataset.refused.values():
        on_failure(sentence)
    photos = list(_right_ones(dataset.items[:: options.every], classifier, on_failure))
    if not photos:
        raise EvaluationError("The classifier gets none of the images right when clean.")
    measured = ("success", "SSIM", "worst SSIM", "dE00", *SEEN_HEADS, "steps", "most")
    yield f"| {run.name}: m | alpha | learning rate | {' | '.join(measured)} |"
    yield "|" + "---:|" * (3 + len(measured))
    for point in points:
        tried = list(_protect(photos, classifier, point, progress))
        settings = point.magnitude, point.l1_weight, point.learning_rate
        yield f"| {' | '.join(settings)} | {_cells(tried)} |"


class _Point(NamedTuple):
    """One point of the grid: the run that is tried, and its settings as they are shown."""

    run: Run
    magnitude: str
    l1_weight: str = "-"
    learning_rate: str = "-"

    def __str__(self) -> str:
        settings = f", alpha {self.l1_weight}, learning rate {self.learning_rate}"
        return f"m {self.magnitude}" + (settings if self.l1_weight != "-" else "")


class _Tried(NamedTuple):
    """A photo that was protected: its report, and the value of each yardstick (see `Looks`)."""

    report: Report
    looks: Looks


def _grid(run: Run, options: SweepOptions) -> Iterator[_Point]:
    for magnitude in options.magnitudes:
        tried, shown = replace(run, magnitude=magnitude / 255), f"{magnitude:g}"
        if isinstance(run.search, Algorithm1):
            for l1_weight, learning_rate in product(*_own_settings(run.search, options)):
                search = Algorithm1(
                    l1_weight, options.max_steps or DEFAULT_MAX_STEPS, learning_rate / 255
                )
                settings = f"{l1_weight:g}", f"{learning_rate:g}"
                yield _Point(replace(tried, search=search), shown, *settings)
        elif options.l1_weights or options.learning_rates or options.max_steps:
            raise SettingsError(
                f"{run.name} is no run of Algorithm 1: of the settings, only its magnitude can be "
                "tried."
            )
        else:
            yield _Point(tried, shown)


def _own_settings(
    search: Algorithm1, options: SweepOptions
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Values of alpha and of the learning rate, in grey levels: the search's own unless given."""
    return (
        options.l1_weights or (search.l1_weight,),
        options.learning_rates or (255.0 * search.learning_rate,),
    )


def _right_ones(
    items: Sequence[Item], classifier: Classifier, on_failure: Callable[[str], object]
) -> Iterator[tuple[Photo, int]]:
    """The photos that the classifier gets right, with their labels' positions."""
    for item in items:
        try:
            photo = read_photo(item.path)
            logits = classify_sights(photo, classifier)
        except Exception as error:
            on_failure(photo_failure(error, item.file))
            continue
        label = int(logits[0].argmax()) if item.label is None else item.label
        if judge(logits, label).top1:
            yield photo, label


def _protect(
    photos: Sequence[tuple[Photo, int]],
    classifier: Classifier,
    point: _Point,
    progress: ProgressCallback,
) -> Iterator[_Tried]:
    done = 0
    by_size = sorted(photos, key=_size)
    for _, group in groupby(by_size, key=_size):
        alike = list(group)
        for start in range(0, len(alike), BATCH_SIZE):
            progress(Progress("Trying", str(point), done, len(photos)))
            batch = alike[start : start + BATCH_SIZE]
            labels = [label for _, label in batch]
            clean = [photo for photo, _ in batch]
            results = protect_batch(clean, classifier, point.run, labels=labels)
            for photo, result in zip(clean, results, strict=True):
                written = read_written(result.data, photo)
                before, after = (composite(each, WHITE).pixels for each in (photo, written))
                yield _Tried(result.report, measure_pair(before, after))
            done += len(batch)


def _size(photo: tuple[Photo, int]) -> tuple[int, ...]:
    return photo[0].pixels.shape


def _cells(tried: Sequence[_Tried]) -> str:
    reports = [one.report for one in tried]
    similarities = [report.difference.ssim for report in reports]
    steps = [report.steps for report in reports]
    successes = sum(report.verdict.is_success for report in reports)
    seen = summarise_values([r.difference for r in reports], [one.looks for one in tried])
    return " | ".join(
        (
            f"{successes}/{len(reports)}",
            cell(known_mean(similarities), ".5f"),
            cell(known_least(similarities), ".4f"),
            f"{mean([report.difference.delta_e_mean for report in reports]):.4f}",
            *seen.cells(),
            f"{mean(steps):.1f}",
            f"{max(steps)}",
        )
    )
