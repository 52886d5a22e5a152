"""What one job does: read, protect, score. Knows nothing of the page's components."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cvpire.attacks.base import AttackStep
from cvpire.classifiers.registry import CLASSIFIERS, find_spec, shared_classifier
from cvpire.errors import PhotoError
from cvpire.images.formats import FileFormat
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.images.transparency import WHITE, composite
from cvpire.metrics.aesthetics import (
    AUTO,
    AestheticsUnavailable,
    Scorer,
    load_scorer,
    preferred_metric,
    weights_files,
)
from cvpire.protection import protect
from cvpire.rehearsal import Outcome as Rehearsed
from cvpire.rehearsal import Scene, find_scenes, rehearse
from cvpire.reports.protected import Protected
from cvpire.reports.target import Target
from cvpire.runs import find_run
from cvpire.weights.download import DownloadProgress
from cvpire.weights.store import FileState, file_sha256

# A search holds up to 29 float32 copies of a photo (the min runs; Algorithm 1: 15): 25 megapixels
# need some 9 GB, which leaves room on a machine with 16 GB, and few cameras make more.
MAX_PIXELS = 25_000_000

Tell = Callable[[float | None, str], object]
"""Told of progress: the share done in [0, 1], None where nobody knows, and what is being done."""


@dataclass(frozen=True)
class Order:
    """What a visitor asks for.

    Attributes:
        path: of the uploaded file.
        run: a run's name.
        classifier: a classifier's name, or "auto".
        view: how the classifier gets the photo to its size.
        metric: the aesthetic metric that scores both photos, "auto", or "" for none.
        file_format: of the protected file.
    """

    path: str
    run: str
    classifier: str
    view: str
    metric: str
    file_format: FileFormat


@dataclass(frozen=True)
class Aesthetics:
    """The scores of both photos, or why there are none.

    Attributes:
        title: of the metric, with its scale.
        before: the original's score.
        after: the written file's score.
        unavailable: why there is no score; "" where there is one.
    """

    title: str = "Aesthetic score"
    before: float = 0.0
    after: float = 0.0
    unavailable: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """All that a job found out.

    Attributes:
        photo: the original, as read.
        protected: the written file and its report.
        aesthetics: its scores.
    """

    photo: Photo
    protected: Protected
    aesthetics: Aesthetics


def carry_out(order: Order, tell: Tell, check: Callable[[], None]) -> Outcome:
    """Protect a photo.

    Args:
        order: what to do.
        tell: told of progress.
        check: called in each step; what it raises ends the work there.

    Returns:
        What came out.

    Raises:
        PhotoError: if the file is not a photo that can be read.
        ValueError: for unknown names, or a photo that is too large for the view.
        WeightsError: if the classifier's weights are not on this machine.
    """
    run = find_run(order.run)
    run.check(find_spec(order.classifier).read_labels())
    tell(None, "Reading the photo")
    photo = read_photo(order.path, max_pixels=MAX_PIXELS)
    check()
    tell(None, "Loading the classifier")
    classifier = shared_classifier(order.classifier, view=order.view)
    check()
    tell(None, "Measuring colour variance")
    protected = protect(
        photo,
        classifier,
        run,
        file_format=order.file_format,
        on_step=_reporter(tell, check),
        check=check,
    )
    check()
    return Outcome(photo, protected, _aesthetics(order, photo, protected, tell, check))


@dataclass(frozen=True)
class RehearsalOrder:
    """What there is to rehearse: kept by the server from the protection, never told by a browser.

    Attributes:
        original: path of the uploaded file.
        protected: path of the file that was made of it.
        target: what it is protected from.
    """

    original: str
    protected: str
    target: Target


def carry_out_rehearsal(
    order: RehearsalOrder, tell: Tell, check: Callable[[], None]
) -> list[Rehearsed]:
    """Look what a protected file survives.

    Args:
        order: what to look at.
        tell: told of progress.
        check: called after each transformation; what it raises ends the work there.

    Raises:
        PhotoError: if the files are gone, or are others now.
        SettingsError: if classifier or run are others than when the file was made.
        WeightsError: if a classifier's weights are not on this machine.
    """
    target = order.target
    tell(None, "Reading both photos")
    if not all(Path(path).is_file() for path in (order.original, order.protected)):
        raise PhotoError("The photo is no longer kept here: protect it again.")
    target.check_file(file_sha256(Path(order.protected)), Path(order.protected).name)
    original, protected = (
        read_photo(path, max_pixels=MAX_PIXELS) for path in (order.original, order.protected)
    )
    classifier = shared_classifier(target.classifier, view=target.view)
    run = target.find_run(classifier)
    others = [
        shared_classifier(spec.name, view=target.view)
        for spec in CLASSIFIERS.values()
        if spec.is_ready and spec.name != classifier.spec.name
    ]
    started = time.monotonic()

    def on_outcome(done: int, total: int) -> None:
        check()
        left = (time.monotonic() - started) / done * (total - done)
        tell(done / total, f"{done} of {total}, about {duration(left)} left")

    attacked = Scene(
        classifier, target.label_position, is_attacked=True, make_condition=run.condition
    )
    scenes = find_scenes(attacked, others, original)
    return rehearse(protected, original, scenes, on_outcome=on_outcome)


def _reporter(tell: Tell, check: Callable[[], None]) -> Callable[[AttackStep], None]:
    started, first, last = 0.0, 0, math.inf

    def report(step: AttackStep) -> None:
        nonlocal started, first, last
        check()
        now = time.monotonic()
        # Steps begin anew where a file that must fit a size needs another search.
        if step.step <= last:
            started, first = now, step.step
        last = step.step
        if step.step == step.max_steps:
            tell(None, f"Writing and checking the file after {step.step} steps")
            return
        words = f"Step {step.step} of at most {step.max_steps}"
        if step.step > first:
            left = (now - started) / (step.step - first) * (step.max_steps - step.step)
            words += f", at most {duration(left)} left"
        tell(step.step / step.max_steps, words)

    return report


def duration(seconds: float) -> str:
    """Seconds in words, rounded up: "8 s", "3 min"."""
    whole = int(seconds) + 1
    return f"{whole} s" if whole < 120 else f"{-(-whole // 60)} min"


@lru_cache(maxsize=2)
def _scorer(metric: str, made_of: tuple[FileState, ...]) -> Scorer:
    """A metric, loaded once for as long as the files of weights stay as they are."""
    return load_scorer(metric)


def _aesthetics(
    order: Order, photo: Photo, protected: Protected, tell: Tell, check: Callable[[], None]
) -> Aesthetics:
    if not order.metric:
        return Aesthetics(unavailable="not asked for")
    if not protected.report.verdict.is_success:
        return Aesthetics(unavailable="there is no protected photo")

    def tell_download(progress: DownloadProgress) -> None:
        check()
        share = progress.received / progress.total if progress.total else None
        tell(share, f"Downloading the aesthetic scorer, {progress.received / 1e6:.0f} MB so far")

    metric = preferred_metric() if order.metric == AUTO else order.metric
    try:
        if metric != preferred_metric():
            load_scorer(metric, allow_download=True, progress=tell_download)
        tell(None, "Scoring aesthetics")
        scorer = _scorer(metric, weights_files())
    except AestheticsUnavailable as reason:
        return Aesthetics(unavailable=str(reason))
    before, after = (
        scorer.score(composite(each, WHITE).pixels) for each in (photo, protected.photo)
    )
    return Aesthetics(scorer.title, before, after)
