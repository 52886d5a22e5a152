"""The protected photos: each run on each photo, written, read back from the disk, and judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from cvpire.classifiers import Classifier, Labels
from cvpire.errors import PhotoError
from cvpire.formats import PNG, FileFormat
from cvpire.images.photo import write_bytes
from cvpire.images.reading import read_photo
from cvpire.protect import protect_batch
from cvpire.runs import Run
from cvpire.weights import file_sha256
from eval.errors import EvaluationError
from eval.judge import expect_settings, judge_written
from eval.progress import Progress, ProgressCallback
from eval.records import Record, RecordStore


class Batch(NamedTuple):
    """Photos of one size that are protected together, by their clean records."""

    originals: tuple[Record, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(original.file for original in self.originals)


def make_batches(originals: Sequence[Record], batch_size: int) -> tuple[Batch, ...]:
    """Put photos of one size together, each size in the given order.

    A photo's result may depend, in its last bits, on the photos beside it. So batches depend on the
    data set alone, never on what an interrupted evaluation has left to do.

    Args:
        originals: the clean photos.
        batch_size: the most photos in a batch.
    """
    by_size: dict[tuple[int, int], list[Record]] = {}
    for original in originals:
        by_size.setdefault(original.size, []).append(original)
    return tuple(
        Batch(tuple(group[start : start + batch_size]))
        for group in by_size.values()
        for start in range(0, len(group), batch_size)
    )


def written_path(out: Path, run: str, file: str, file_format: FileFormat = PNG) -> Path:
    """Where the protected file of an image lies."""
    return out / run / f"{Path(file).stem}{file_format.suffix}"


def protect_all(
    images: Path,
    batches: Sequence[Batch],
    runs: Sequence[Run],
    classifier: Classifier,
    store: RecordStore,
    *,
    seed: int,
    batch_size: int,
    out: Path,
    progress: ProgressCallback,
    file_format: FileFormat = PNG,
) -> None:
    """Protect what has no record yet. A batch that lacks any image is done again as a whole.

    Args:
        images: their folder.
        batches: see `make_batches`.
        runs: one after the other.
        classifier: to protect from; it also judges.
        store: of the records, added to.
        seed: of whatever is random.
        batch_size: for the records.
        out: a folder, with one for each run inside.
        progress: told after each batch.
        file_format: of the protected files.

    Raises:
        EvaluationError: if a record was made with other settings, or a file cannot be read or
            written.
    """
    total = len(runs) * sum(len(batch.files) for batch in batches)
    missing = []
    for run in runs:
        for batch in batches:
            all_settings = [
                _settings(o, run, classifier.labels, seed, batch_size, file_format)
                for o in batch.originals
            ]
            if not _is_done(batch, run, all_settings, store, out, file_format):
                missing.append((run, batch, all_settings))
    done = total - sum(len(batch.files) for _, batch, _ in missing)
    for run, batch, all_settings in missing:
        progress(Progress("Protecting", run.name, done, total))
        try:
            _protect(images, batch, run, all_settings, classifier, store, seed, out, file_format)
        except PhotoError as error:
            raise EvaluationError(str(error)) from error
        done += len(batch.files)
    progress(Progress("Protecting", "", done, total))


def _settings(
    original: Record,
    run: Run,
    classes: Labels,
    seed: int,
    batch_size: int,
    file_format: FileFormat,
) -> dict[str, Any]:
    """All that the outcome of a run on a photo depends on, but for the photos beside it."""
    return {
        **original.settings,
        "label": original.label_position,
        "run": run.settings,
        "condition": repr(run.condition(torch.tensor([original.label_position]), classes)),
        "seed": seed,
        "batch_size": batch_size,
        "file_format": str(file_format),
    }


def _is_done(
    batch: Batch,
    run: Run,
    all_settings: Sequence[dict[str, Any]],
    store: RecordStore,
    out: Path,
    file_format: FileFormat,
) -> bool:
    is_done = True
    for file, settings in zip(batch.files, all_settings, strict=True):
        record = store.find(run.name, file)
        if record is None:
            is_done = False
            continue
        expect_settings(record, settings, out)
        is_done &= record.batch == batch.files
        path = written_path(out, run.name, file, file_format)
        is_done &= _has_sha256(path, record.file_sha256)
    return is_done


def _has_sha256(path: Path, sha256: str) -> bool:
    try:
        return file_sha256(path) == sha256
    except OSError:
        return False


def _protect(
    images: Path,
    batch: Batch,
    run: Run,
    all_settings: Sequence[dict[str, Any]],
    classifier: Classifier,
    store: RecordStore,
    seed: int,
    out: Path,
    file_format: FileFormat,
) -> None:
    labels = [original.label_position for original in batch.originals]
    is_given = all(original.label_is_given for original in batch.originals)
    results = protect_batch(
        [read_photo(images / file) for file in batch.files],
        classifier,
        run,
        file_format=file_format,
        # Its own first guesses are those of the clean records, and its report says whose they are.
        labels=labels if is_given else None,
        seed=seed,
    )
    for original, settings, result in zip(batch.originals, all_settings, results, strict=True):
        path = written_path(out, run.name, original.file, file_format)
        write_bytes(path, result.data)
        top1, top5 = judge_written(
            path, result.report.file_sha256, classifier, original.label_position
        )
        store.append(
            original.of_run(
                run.name, settings, top1, top5, result.report.as_record(), batch=batch.files
            )
        )
