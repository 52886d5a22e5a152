"""What became of a photo: the verdict and every figure, on what a reader of the file gets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from cvpire.attack import SAFETY_MARGIN
from cvpire.classifiers import classify
from cvpire.formats import FileFormat
from cvpire.images.photo import Photo
from cvpire.metrics import compare
from cvpire.report import Report, Verdict, versions
from cvpire.tasks import Task

# Reports keep the five highest classes: what the paper's conditions look at.
TOP_K = 5


@dataclass(frozen=True, eq=False)
class Attempt:
    """One photo after the search.

    Attributes:
        changed: as handed to the encoder.
        data: the file's bytes.
        written: as read back from them.
        file_format: of these bytes.
        logits: (classes,) of `written`, float32 on the CPU.
        is_met: whether they meet the condition.
        steps: optimiser steps taken.
        stopped: whether somebody asked to stop.
    """

    changed: Photo
    data: bytes
    written: Photo
    file_format: FileFormat
    logits: Tensor
    is_met: bool
    steps: int
    stopped: bool


def make_report(
    task: Task,
    index: int,
    attempt: Attempt,
    *,
    seed: int,
    seconds: float,
    check: Callable[[], object],
) -> Report:
    """The verdict and all figures of one photo: as changed, as written, and as read again.

    Args:
        task: of the photo's batch.
        index: its place there.
        attempt: what became of it.
        seed: of whatever is random.
        seconds: what it took.
        check: called between the encodings of a lossy file; what it raises ends the work.
    """
    photo, classifier, run = task.photos[index], task.classifier, task.run
    file_format = attempt.file_format
    relative, target = task.map(index), int(task.targets[index])
    limit = relative.astype(np.float64) * run.magnitude
    handed_over = compare(photo.pixels, attempt.changed.pixels, limit)
    difference, encoding = handed_over, None
    if not file_format.is_lossless:
        difference = compare(photo.pixels, attempt.written.pixels, limit)
        difference = difference._replace(over_bound=handed_over.over_bound)
        encoding = compare(photo.pixels, file_format.read_back(photo)[1].pixels, limit)
        encoding = encoding._replace(over_bound=0)
    verdict = _verdict(
        is_met=attempt.is_met,
        is_changed=handed_over.linf > 0,
        is_flat=not bool(relative.any()),
        stopped=attempt.stopped,
    )
    would_pass = ""
    if verdict is Verdict.NOT_PROTECTED:
        would_pass = _gentler_that_passes(task, attempt, check)
    return Report(
        verdict=verdict,
        run=run.name,
        settings=run.settings,
        condition=repr(task.condition),
        classifier=classifier.spec.name,
        view=classifier.view,
        weights_sha256=classifier.spec.weights.sha256,
        label=classifier.prediction(task.before[index], target),
        label_is_given=task.label_is_given,
        before=classifier.predictions(task.before[index], TOP_K),
        after=classifier.predictions(attempt.logits, TOP_K),
        label_probability_after=float(attempt.logits.softmax(0)[target]),
        difference=difference,
        encoding=encoding,
        steps=attempt.steps,
        max_steps=run.search.most_steps,
        seed=seed,
        seconds=seconds,
        pixels_sha256=_pixels_sha256(photo),
        file_format=str(file_format),
        file_bytes=len(attempt.data),
        file_sha256=hashlib.sha256(attempt.data).hexdigest(),
        would_pass=would_pass,
        versions=versions(),
    )


def _gentler_that_passes(task: Task, attempt: Attempt, check: Callable[[], object]) -> str:
    """The first format that loses less in which this photo is protected; "" where none is."""
    for gentler in attempt.file_format.gentler():
        check()
        logits = classify(gentler.read_back(attempt.changed)[1], task.classifier)
        if bool(task.condition.is_met(logits[None], margin=SAFETY_MARGIN)):
            return str(gentler)
    return ""


def _verdict(*, is_met: bool, is_changed: bool, is_flat: bool, stopped: bool) -> Verdict:
    if is_met:
        return Verdict.PROTECTED if is_changed else Verdict.NOT_NEEDED
    if is_flat:
        return Verdict.FLAT
    return Verdict.STOPPED if stopped else Verdict.NOT_PROTECTED


def _pixels_sha256(photo: Photo) -> str:
    digest = hashlib.sha256(repr(photo.pixels.shape).encode())
    digest.update(photo.pixels.tobytes())
    if photo.alpha is not None:
        digest.update(photo.alpha.tobytes())
    return digest.hexdigest()
