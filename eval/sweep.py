"""How a run's settings were chosen: Algorithm 1 on the same photos under a grid of m, alpha and
learning rate.

Nothing is written. A line of the table is one point of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from pathlib import Path

from cvpire.classifiers import Classifier, classify, load_classifier
from cvpire.photo import Photo, PhotoError, read_photo
from cvpire.protect import protect_batch
from cvpire.report import Report
from cvpire.runs import Run, find_run
from cvpire.searches import Algorithm1
from cvpire.weights import WeightsError
from eval.dataset import Item, load_dataset
from eval.errors import EvaluationError
from eval.judge import judge
from eval.progress import Progress, ProgressCallback

BATCH_SIZE = 4


@dataclass(frozen=True)
class SweepOptions:
    """What to try.

    Attributes:
        images: their folder.
        labels: a CSV, or None for the classifier's own first guesses.
        classifier: its name.
        view: of `cvpire.views.VIEWS`, or None for the classifier's own.
        run: the run whose condition and other settings are taken.
        magnitudes: values of m, in grey levels.
        l1_weights: values of alpha.
        learning_rates: in grey levels.
        max_steps: T.
        every: take each so many-th image only.
    """

    images: Path
    labels: Path | None
    classifier: str
    view: str | None
    run: str
    magnitudes: tuple[float, ...]
    l1_weights: tuple[float, ...]
    learning_rates: tuple[float, ...]
    max_steps: int
    every: int


def sweep(options: SweepOptions, progress: ProgressCallback) -> Iterator[str]:
    """Try each point of the grid on the images that the classifier gets right when clean.

    Args:
        options: what to try.
        progress: told after each batch.

    Yields:
        Lines of a Markdown table, as they are known.

    Raises:
        EvaluationError: if there is nothing to try, or an image cannot be read.
    """
    try:
        classifier = load_classifier(options.classifier, view=options.view)
        run = find_run(options.run)
        if not isinstance(run.search, Algorithm1):
            raise ValueError(f"{run.name} is no run of Algorithm 1: it has no alpha to try.")
        dataset = load_dataset(options.images, options.labels, classifier.labels)
        photos = list(_right_ones(dataset.items[:: options.every], classifier))
    except (ValueError, WeightsError) as error:
        raise EvaluationError(str(error)) from error
    if not photos:
        raise EvaluationError("The classifier gets none of the images right when clean.")
    yield f"| {run.name}: m | alpha | learning rate | success | SSIM | worst SSIM | steps | most |"
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|"
    grid = product(options.magnitudes, options.l1_weights, options.learning_rates)
    for magnitude, l1_weight, learning_rate in grid:
        search = Algorithm1(l1_weight, options.max_steps, learning_rate / 255)
        tried = replace(run, magnitude=magnitude / 255, search=search)
        name = f"m {magnitude:g}, alpha {l1_weight:g}, learning rate {learning_rate:g}"
        try:
            reports = list(_protect(photos, classifier, tried, name, progress))
        except ValueError as error:  # a setting that makes no sense
            raise EvaluationError(str(error)) from error
        yield f"| {magnitude:g} | {l1_weight:g} | {learning_rate:g} | {_cells(reports)} |"


def _right_ones(items: Sequence[Item], classifier: Classifier) -> Iterator[tuple[Photo, int]]:
    """The photos that the classifier gets right, with their labels' positions."""
    for item in items:
        try:
            photo = read_photo(item.path)
        except PhotoError as error:
            raise EvaluationError(str(error)) from error
        logits = classify(photo, classifier)
        label = int(logits.argmax()) if item.label is None else item.label
        if judge(logits, label).top1:
            yield photo, label


def _protect(
    photos: Sequence[tuple[Photo, int]],
    classifier: Classifier,
    run: Run,
    name: str,
    progress: ProgressCallback,
) -> Iterator[Report]:
    done = 0
    by_size = sorted(photos, key=_size)
    for _, group in groupby(by_size, key=_size):
        alike = list(group)
        for start in range(0, len(alike), BATCH_SIZE):
            progress(Progress("Trying", name, done, len(photos)))
            batch = alike[start : start + BATCH_SIZE]
            labels = [label for _, label in batch]
            for result in protect_batch([p for p, _ in batch], classifier, run, labels=labels):
                yield result.report
            done += len(batch)


def _size(photo: tuple[Photo, int]) -> tuple[int, ...]:
    return photo[0].pixels.shape


def _cells(reports: Sequence[Report]) -> str:
    similarities = [report.difference.ssim for report in reports]
    steps = [report.steps for report in reports]
    successes = sum(report.verdict.is_success for report in reports)
    return " | ".join(
        (
            f"{successes}/{len(reports)}",
            f"{math.fsum(similarities) / len(reports):.5f}",
            f"{min(similarities):.4f}",
            f"{sum(steps) / len(steps):.1f}",
            f"{max(steps)}",
        )
    )
