"""The whole way: photo, map, attack, file, verdict.

What counts is the written file. Every figure of a report is computed on the pixels that a reader
of the encoded bytes gets, by the float32 classifier on that one photo. Where the file is lossy, the
search itself looks at decoded files only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cvpire.attack import SAFETY_MARGIN, AttackResult, StepCallback
from cvpire.classifiers import Classifier, classify
from cvpire.errors import OutOfMemoryError
from cvpire.formats import PNG, FileFormat
from cvpire.images.photo import Photo
from cvpire.judging import Attempt, make_report
from cvpire.report import Report
from cvpire.runs import Run
from cvpire.searches import Reader
from cvpire.tasks import make_task
from cvpire.tensors import to_photo
from cvpire.threshold import epsilon_map
from cvpire.through_file import search_through


@dataclass(frozen=True, eq=False)
class Protected:
    """A photo that went the whole way.

    Attributes:
        photo: as read back from `data`.
        data: the bytes of the file, without metadata; what the report speaks of.
        file_format: of these bytes; its quality is known, whatever was asked for.
        threshold_map: (H, W) float32 in [0, 1].
        report: verdict and figures. Unless `report.verdict.is_success`, the photo is *not*
            protected, only the best attempt.
    """

    photo: Photo
    data: bytes
    file_format: FileFormat
    threshold_map: NDArray[np.float32]
    report: Report


def protect(
    photo: Photo,
    classifier: Classifier,
    run: Run,
    *,
    file_format: FileFormat = PNG,
    label: int | None = None,
    seed: int = 0,
    on_step: StepCallback | None = None,
    check: Callable[[], object] = lambda: None,
) -> Protected:
    """Protect one photo from a classifier.

    Args:
        photo: as `read_photo` gives it.
        classifier: to protect from, with its view of the photo.
        run: what is to be reached and how.
        file_format: of the file; of a lossy one, the decoded file is what must be protected.
        label: position of the true class among the classifier's logits; by default the
            classifier's own first guess.
        seed: of whatever is random.
        on_step: told after each forward pass; a true answer stops the work.
        check: called between the encodings of a lossy file; what it raises ends the work.

    Returns:
        The written file's bytes and what became of it.

    Raises:
        ValueError: for a photo that is too large for the classifier's view, the memory or the
            file, or whose transparency the file cannot hold (`PhotoError`), or an unknown label.
    """
    labels = None if label is None else [label]
    return protect_batch(
        [photo],
        classifier,
        run,
        file_format=file_format,
        labels=labels,
        seed=seed,
        on_step=on_step,
        check=check,
    )[0]


def protect_batch(
    photos: Sequence[Photo],
    classifier: Classifier,
    run: Run,
    *,
    file_format: FileFormat = PNG,
    labels: Sequence[int] | None = None,
    seed: int = 0,
    on_step: StepCallback | None = None,
    check: Callable[[], object] = lambda: None,
) -> list[Protected]:
    """Protect several photos of one size together; each stops by itself.

    Args:
        photos: of equal height and width.
        classifier: see `protect`.
        run: see `protect`.
        file_format: see `protect`. Lossy files are made one after the other.
        labels: positions of the true classes, one for each photo, or None.
        seed: see `protect`.
        on_step: see `protect`; its tensors have one entry for each photo in work.
        check: see `protect`.

    Returns:
        One result for each photo, in order.

    Raises:
        ValueError: see `protect`; also for photos of different sizes.
    """
    sizes = {photo.pixels.shape for photo in photos}
    if len(sizes) != 1:
        raise ValueError(f"expected photos of one size, got {len(sizes)} sizes: {sorted(sizes)}")
    if labels is not None and len(labels) != len(photos):
        raise ValueError(f"expected {len(photos)} labels, got {list(labels)}")
    for photo in photos:
        file_format.check(photo)
    run = run.against(classifier.spec.name)
    count = len(photos) if file_format.is_lossless else 1
    with _memory_errors():
        return [
            protected
            for start in range(0, len(photos), count)
            for protected in _protect_batch(
                photos[start : start + count],
                classifier,
                run,
                file_format,
                None if labels is None else labels[start : start + count],
                seed,
                on_step,
                check,
            )
        ]


def _protect_batch(
    photos: Sequence[Photo],
    classifier: Classifier,
    run: Run,
    file_format: FileFormat,
    labels: Sequence[int] | None,
    seed: int,
    on_step: StepCallback | None,
    check: Callable[[], object],
) -> list[Protected]:
    started = time.monotonic()
    task = make_task(photos, classifier, run, labels)
    bound = epsilon_map(task.relative, run.magnitude)
    present = run.condition(task.targets.to(task.images.device), classifier.labels)

    def find(read: Reader | None = None) -> tuple[AttackResult, list[Photo]]:
        result = run.search.find(classifier, task.images, bound, present, seed, on_step, read)
        changed = [to_photo(result.images[row : row + 1]).pixels for row in range(len(photos))]
        return result, [p.with_pixels(pixels) for p, pixels in zip(photos, changed, strict=True)]

    if file_format.is_lossless:
        result, changed = find()
    else:
        result, changed, file_format = search_through(find, task, file_format, check)
    attempts = []
    for index, photo in enumerate(changed):
        data, written = file_format.read_back(photo)
        logits = classify(written, classifier)
        # A change that just crossed the line, without the attack's margin, may be back on the other
        # side on another machine.
        margin = 0.0 if result.success[index] else SAFETY_MARGIN
        is_met = bool(
            task.condition.select(torch.tensor([index])).is_met(logits[None], margin=margin)
        )
        steps = int(result.steps[index])
        attempts.append(
            Attempt(photo, data, written, file_format, logits, is_met, steps, result.stopped)
        )
    seconds = (time.monotonic() - started) / len(photos)
    return [
        Protected(
            attempt.written,
            attempt.data,
            file_format,
            task.map(index),
            make_report(task, index, attempt, seed=seed, seconds=seconds, check=check),
        )
        for index, attempt in enumerate(attempts)
    ]


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Say what a user can do about a failed allocation, which torch reports in several ways."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        raise OutOfMemoryError(
            "This photo needs more memory than this machine has free: make it smaller and try "
            "again."
        ) from error
