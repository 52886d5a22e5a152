"""How a report is made: the written file is compared with the photo, and the verdict found."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from cvpire.attacks.base import SAFETY_MARGIN
from cvpire.images.formats import FileFormat
from cvpire.images.photo import Photo
from cvpire.images.transparency import BACKGROUNDS, Background, composite
from cvpire.metrics.blotches import Blotch
from cvpire.metrics.difference import Difference, compare_and_locate, count_over_bound, worst
from cvpire.metrics.grades import grade_difference
from cvpire.metrics.references import measure_references
from cvpire.reports.report import OnBackground, Report, Verdict, versions
from cvpire.task import TOP_K, Task
from cvpire.watch import Watch


@dataclass(frozen=True, eq=False)
class Attempt:
    """One photo after the search.

    Attributes:
        changed: as handed to the encoder.
        data: the file's bytes.
        written: as read back from them.
        file_format: of these bytes.
        encoded: the original as read back from such a file; None of a lossless one.
        logits: (sights, classes) of `written`, float32 on the CPU.
        is_met: whether they meet the condition, one for each sight.
        is_needed: False where the file without a change meets it, and none was searched.
        steps: optimiser steps taken.
    """

    changed: Photo
    data: bytes
    written: Photo
    file_format: FileFormat
    encoded: Photo | None
    logits: Tensor
    is_met: tuple[bool, ...]
    is_needed: bool
    steps: int


def make_report(
    task: Task,
    index: int,
    attempt: Attempt,
    *,
    seconds: float,
    watch: Watch,
) -> Report:
    """The verdict and all figures of one photo: as changed, as written, and as read again.

    Args:
        task: of the photo's batch.
        index: its place there.
        attempt: what became of it.
        seconds: what it took.
        watch: asked between the encodings of a lossy file and as the figures are measured.
    """
    photo, classifier, run = task.photos[index], task.classifier, task.run
    target = int(task.targets[index])
    sights = _sights(task, index, attempt, watch)
    first = sights[0]
    difference = worst([sight.difference for sight in sights])
    encodings = [sight.encoding for sight in sights if sight.encoding is not None]
    blotches = [sight.strongest for sight in sights if sight.strongest is not None]
    strongest = max(blotches, key=lambda blotch: blotch.delta_e, default=None)
    verdict = _verdict(task, index, attempt)
    would_pass = ""
    if verdict is Verdict.NOT_PROTECTED:
        would_pass = _gentler_that_passes(task, index, attempt, watch)
    return Report(
        verdict=verdict,
        run=run.name,
        settings=run.settings,
        condition=repr(task.condition),
        classifier=classifier.spec.name,
        view=classifier.view,
        weights_sha256=classifier.spec.weights.sha256,
        label=classifier.prediction(task.before[index, 0], target),
        label_position=target,
        label_is_given=task.label_is_given,
        before=first.before,
        after=first.after,
        label_probability_after=first.label_probability_after,
        difference=difference,
        encoding=worst(encodings) if encodings else None,
        visibility=grade_difference(difference),
        strongest=strongest,
        references=measure_references(photo, strongest, watch),
        backgrounds=() if photo.alpha is None else sights,
        steps=attempt.steps,
        max_steps=run.search.most_steps,
        seed=task.seed,
        seconds=seconds,
        pixels_sha256=_pixels_sha256(photo),
        file_format=str(attempt.file_format),
        file_bytes=len(attempt.data),
        file_sha256=hashlib.sha256(attempt.data).hexdigest(),
        would_pass=would_pass,
        versions=versions(),
    )


def _sights(task: Task, index: int, attempt: Attempt, watch: Watch) -> tuple[OnBackground, ...]:
    """The figures on each background; of an opaque photo, on the first alone: all are alike."""
    photo, classifier, target = task.photos[index], task.classifier, int(task.targets[index])
    before, after = task.before[index], attempt.logits
    was_met = task.is_met(index, before, margin=0.0)
    limit = task.threshold_map_of(index).astype(np.float64) * task.run.magnitude
    # A codec's own losses know no bound: what counts is what was handed to it.
    over_bound = count_over_bound(photo.pixels, attempt.changed.pixels, limit)

    def compared(other: Photo, background: Background) -> tuple[Difference, Blotch | None]:
        original, changed = composite(photo, background), composite(other, background)
        return compare_and_locate(original.pixels, changed.pixels, limit, watch)

    def on(at: int, background: Background) -> OnBackground:
        difference, strongest = compared(attempt.written, background)
        difference = difference._replace(over_bound=over_bound)
        encoding = None
        if attempt.encoded is not None:
            encoding = compared(attempt.encoded, background)[0]._replace(over_bound=0)
        return OnBackground(
            background=background.name,
            is_met=attempt.is_met[at],
            was_met=was_met[at],
            before=classifier.predictions(before[at], TOP_K),
            after=classifier.predictions(after[at], TOP_K),
            label_probability_before=float(before[at].softmax(0)[target]),
            label_probability_after=float(after[at].softmax(0)[target]),
            difference=difference,
            encoding=encoding,
            visibility=grade_difference(difference),
            strongest=strongest,
        )

    return tuple(on(at, background) for at, background in enumerate(BACKGROUNDS[: len(before)]))


def _gentler_that_passes(task: Task, index: int, attempt: Attempt, watch: Watch) -> str:
    """The first format that loses less in which this photo is protected; "" where none is."""
    for gentler in attempt.file_format.gentler():
        watch.check()
        logits = task.logits(gentler.read_back(attempt.changed)[1])
        if all(task.is_met(index, logits, margin=SAFETY_MARGIN)):
            return str(gentler)
    return ""


def _verdict(task: Task, index: int, attempt: Attempt) -> Verdict:
    alpha = task.photos[index].alpha
    if not attempt.is_needed:
        return Verdict.NOT_NEEDED
    if all(attempt.is_met):
        return Verdict.PROTECTED
    if alpha is not None and not alpha.any():
        return Verdict.CLEAR
    if task.is_flat(index):
        return Verdict.FLAT
    return Verdict.NOT_PROTECTED


def _pixels_sha256(photo: Photo) -> str:
    digest = hashlib.sha256(repr(photo.pixels.shape).encode())
    digest.update(photo.pixels.tobytes())
    if photo.alpha is not None:
        digest.update(photo.alpha.tobytes())
    return digest.hexdigest()
