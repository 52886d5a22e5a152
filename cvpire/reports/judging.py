"""How a report is made: the written file is compared with the photo, and the verdict found."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cvpire.attacks.base import SAFETY_MARGIN
from cvpire.images.formats import FileFormat
from cvpire.images.photo import Photo
from cvpire.images.transparency import BACKGROUNDS, composite
from cvpire.metrics.blotches import Blotch
from cvpire.metrics.difference import Difference, compare_and_locate, count_over_bound, worst
from cvpire.metrics.grades import grade_difference
from cvpire.metrics.references import measure_references
from cvpire.reports.report import OnBackground, Report, Verdict, versions
from cvpire.task import Task
from cvpire.watch import Watch

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
    file_format = attempt.file_format
    target = int(task.targets[index])
    limit = task.threshold_map_of(index).astype(np.float64) * run.magnitude
    # A codec's own losses know no bound: what counts is what was handed to it.
    over_bound = count_over_bound(photo.pixels, attempt.changed.pixels, limit)
    differences, blotches = _differences(photo, attempt.written, limit, over_bound, watch)
    difference = worst(differences)
    strongest = max(filter(None, blotches), key=lambda blotch: blotch.delta_e, default=None)
    encodings: list[Difference] | None = None
    if attempt.encoded is not None:
        encodings, _ = _differences(photo, attempt.encoded, limit, 0, watch)
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
        before=classifier.predictions(task.before[index, 0], TOP_K),
        after=classifier.predictions(attempt.logits[0], TOP_K),
        label_probability_after=float(attempt.logits[0].softmax(0)[target]),
        difference=difference,
        encoding=None if encodings is None else worst(encodings),
        visibility=grade_difference(difference),
        strongest=strongest,
        references=measure_references(photo, strongest, watch),
        backgrounds=_on_backgrounds(task, index, attempt, differences, encodings, blotches),
        steps=attempt.steps,
        max_steps=run.search.most_steps,
        seed=task.seed,
        seconds=seconds,
        pixels_sha256=_pixels_sha256(photo),
        file_format=str(file_format),
        file_bytes=len(attempt.data),
        file_sha256=hashlib.sha256(attempt.data).hexdigest(),
        would_pass=would_pass,
        versions=versions(),
    )


def _differences(
    original: Photo,
    other: Photo,
    limit: NDArray[np.float64],
    over_bound: int,
    watch: Watch,
) -> tuple[list[Difference], list[Blotch | None]]:
    """Between all that is seen of two photos; one where the original is opaque."""
    backgrounds = BACKGROUNDS[:1] if original.alpha is None else BACKGROUNDS
    found = [
        compare_and_locate(
            composite(original, background).pixels,
            composite(other, background).pixels,
            limit,
            watch,
        )
        for background in backgrounds
    ]
    differences = [difference._replace(over_bound=over_bound) for difference, _ in found]
    return differences, [blotch for _, blotch in found]


def _on_backgrounds(
    task: Task,
    index: int,
    attempt: Attempt,
    differences: list[Difference],
    encodings: list[Difference] | None,
    blotches: list[Blotch | None],
) -> tuple[OnBackground, ...]:
    """The figures on each background; none for an opaque photo."""
    if task.alpha is None:
        return ()
    classifier, target = task.classifier, int(task.targets[index])
    return tuple(
        OnBackground(
            background=background.name,
            is_met=attempt.is_met[at],
            was_met=task.is_met(index, task.before[index], margin=0.0)[at],
            before=classifier.predictions(task.before[index, at], TOP_K),
            after=classifier.predictions(attempt.logits[at], TOP_K),
            label_probability_before=float(task.before[index, at].softmax(0)[target]),
            label_probability_after=float(attempt.logits[at].softmax(0)[target]),
            difference=differences[at],
            encoding=None if encodings is None else encodings[at],
            visibility=grade_difference(differences[at]),
            strongest=blotches[at],
        )
        for at, background in enumerate(BACKGROUNDS)
    )


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
