"""Aesthetic scores of clean and protected photos, from the files on disk.

A part of its own, so that scores can be added to an evaluation without protecting anything again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from cvpire.errors import CvpireError
from cvpire.images.reading import read_photo
from cvpire.images.transparency import WHITE, composite
from cvpire.metrics.aesthetics import (
    AUTO,
    AestheticsUnavailable,
    Scorer,
    expect_metric,
    load_scorer,
)
from cvpire.weights.download import DownloadProgress
from eval.errors import EvaluationError
from eval.failures import photo_failure
from eval.progress import Progress, ProgressCallback
from eval.records import Record, RecordStore, Score

# Instead of a metric's name, where no scores are wanted.
NONE = "no"


class Aesthetics(NamedTuple):
    """What the aesthetics column is to hold.

    Attributes:
        scorer: the metric, or None.
        cell: what stands in the column where there is no metric.
        note: one sentence for the table's caption.
    """

    scorer: Scorer | None
    cell: str
    note: str


def expect_aesthetics(metric: str) -> None:
    """Check a metric's name before long work.

    Raises:
        EvaluationError: for an unknown one.
    """
    if metric == NONE:
        return
    try:
        expect_metric(metric)
    except CvpireError as error:
        raise EvaluationError(str(error)) from error


def find_aesthetics(metric: str, files: Sequence[Path], progress: ProgressCallback) -> Aesthetics:
    """Load the metric as far as that was asked for and is possible.

    Args:
        metric: its name, "auto", or `NONE`. Only who names NIMA has it downloaded.
        files: of a pyiqa metric.
        progress: told of a download.
    """
    if metric == NONE:
        return Aesthetics(None, "-", "Aesthetic scores were not asked for.")
    try:
        scorer = load_scorer(
            metric,
            files=files,
            allow_download=metric != AUTO,
            progress=lambda step: progress(_megabytes(step)),
        )
    except AestheticsUnavailable as error:
        reason = str(error).rstrip(".")
        return Aesthetics(None, "unavailable", f"The aesthetic score is unavailable: {reason}.")
    return Aesthetics(scorer, "-", f"Aesthetics: {scorer.title}, of the files on disk.")


def _megabytes(step: DownloadProgress) -> Progress:
    received, total = round(step.received / 1e6), round((step.total or step.received) / 1e6)
    return Progress("Downloading the aesthetic metric", "", received, total, "MB")


def score_all(
    records: Sequence[Record],
    paths: Mapping[tuple[str, str], Path],
    scorer: Scorer,
    store: RecordStore,
    progress: ProgressCallback,
) -> tuple[str, ...]:
    """Add the metric's score to the records that lack it.

    Args:
        records: of clean and of protected photos.
        paths: the file of each record, by its key.
        scorer: the metric.
        store: of the records, added to.
        progress: told after each image.

    Returns:
        A sentence for each file that could not be scored.
    """
    failures = []
    missing = [
        record
        for record in records
        if record.aesthetics is None or record.aesthetics.metric != scorer.title
    ]
    done = len(records) - len(missing)
    for record in missing:
        progress(Progress("Scoring aesthetics", record.run, done, len(records)))
        try:
            photo = read_photo(paths[record.key])
            score = Score(scorer.title, scorer.score(composite(photo, WHITE).pixels))
            store.append(replace(record, aesthetics=score))
        except Exception as error:
            sentence = photo_failure(error, paths[record.key].name)
            failures.append(f"Without an aesthetic score in {record.run}: {sentence}")
        done += 1
    progress(Progress("Scoring aesthetics", "", done, len(records)))
    return tuple(failures)
