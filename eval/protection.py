"""The protected photos: each run on each photo, written, read back from the disk, and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from cvpire.classifiers.classifier import Classifier
from cvpire.errors import PhotoError
from cvpire.images.formats import PNG, FileFormat
from cvpire.images.names import fitting_stem
from cvpire.images.photo import Photo, write_bytes
from cvpire.images.reading import read_photo
from cvpire.protection import protect_batch
from cvpire.reports.protected import Protected
from cvpire.runs import Run
from cvpire.weights.store import file_sha256
from eval.errors import EvaluationError
from eval.failures import expect_of_photo, photo_failure
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
    suffix = file_format.suffix
    return out / run / f"{fitting_stem(Path(file).stem, (suffix,))}{suffix}"


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
) -> dict[str, str]:
    """Protect what has no record yet. A batch that lacks any image is done again as a whole.

    A photo that fails has no record, and is tried again whenever the evaluation goes on. One that
    cannot be read is left out of its batch; where a batch fails, each of its photos is protected
    alone, so that the others are done. Their records say with whom they were protected.

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

    Returns:
        Name -> why, of the images that could not be protected or judged in one of the runs.

    Raises:
        EvaluationError: if a record was made with other settings, or a file cannot be written.
    """
    work = _Work(images, classifier, store, seed, batch_size, out, file_format)
    total = len(runs) * sum(len(batch.files) for batch in batches)
    missing = [(run, batch) for run in runs for batch in batches if not work.is_done(batch, run)]
    done = total - sum(len(batch.files) for _, batch in missing)
    failures: dict[str, str] = {}
    for run, batch in missing:
        progress(Progress("Protecting", run.name, done, total))
        for file, sentence in work.protect(batch, run).items():
            failures.setdefault(file, sentence)
        done += len(batch.files)
    progress(Progress("Protecting", "", done, total))
    return failures


@dataclass(frozen=True, eq=False)
class _Work:
    """What `protect_all` is asked, the photos and runs left out."""

    images: Path
    classifier: Classifier
    store: RecordStore
    seed: int
    batch_size: int
    out: Path
    file_format: FileFormat

    def is_done(self, batch: Batch, run: Run) -> bool:
        """Whether all photos of a batch were protected in it, and their files are there."""
        is_done = True
        for original in batch.originals:
            record = self.store.find(run.name, original.file)
            if record is None:
                is_done = False
                continue
            expect_settings(record, self._settings(original, run), self.out)
            is_done &= record.batch == batch.files
            is_done &= _has_sha256(self._path(original, run), record.file_sha256)
        return is_done

    def protect(self, batch: Batch, run: Run) -> dict[str, str]:
        """Protect the photos of a batch; name -> why, of those that failed."""
        photos: dict[str, Photo] = {}
        failures: dict[str, str] = {}
        for file in batch.files:
            try:
                photos[file] = read_photo(self.images / file)
            except Exception as error:
                failures[file] = photo_failure(error, file)
        readable = tuple(original for original in batch.originals if original.file in photos)
        return failures | (self._protect(Batch(readable), photos, run) if readable else {})

    def _protect(self, batch: Batch, photos: Mapping[str, Photo], run: Run) -> dict[str, str]:
        if self.is_done(batch, run):  # all but those that failed
            return {}
        labels = [original.label_position for original in batch.originals]
        is_given = all(original.label_is_given for original in batch.originals)
        try:
            results = protect_batch(
                [photos[file] for file in batch.files],
                self.classifier,
                run,
                file_format=self.file_format,
                # Its own first guesses are those of the clean records, and its report says whose
                # they are.
                labels=labels if is_given else None,
                seed=self.seed,
            )
        except Exception as error:
            expect_of_photo(error)
            if len(batch.originals) == 1:
                return {batch.files[0]: photo_failure(error, batch.files[0])}
            alone = [self._protect(Batch((one,)), photos, run) for one in batch.originals]
            return {file: sentence for one in alone for file, sentence in one.items()}
        failures: dict[str, str] = {}
        for original, result in zip(batch.originals, results, strict=True):
            try:
                self._keep(original, result, batch, run)
            except Exception as error:
                failures[original.file] = photo_failure(error, original.file)
        return failures

    def _keep(self, original: Record, result: Protected, batch: Batch, run: Run) -> None:
        """Write a photo, judge what is on the disk, and record it."""
        path = self._path(original, run)
        try:
            write_bytes(path, result.data)
        except PhotoError as error:  # the disk's trouble, so that of all photos
            raise EvaluationError(str(error)) from error
        top1, top5 = judge_written(
            path, result.report.file_sha256, self.classifier, original.label_position
        )
        report, settings = result.report.as_record(), self._settings(original, run)
        self.store.append(
            original.of_run(run.name, settings, top1, top5, report, batch=batch.files)
        )

    def _path(self, original: Record, run: Run) -> Path:
        return written_path(self.out, run.name, original.file, self.file_format)

    def _settings(self, original: Record, run: Run) -> dict[str, Any]:
        """All that the outcome of a run on a photo depends on, but for the photos beside it."""
        position = torch.tensor([original.label_position])
        return {
            **original.settings,
            "label": original.label_position,
            "run": run.settings,
            "condition": repr(run.condition(position, self.classifier.labels)),
            "seed": self.seed,
            "batch_size": self.batch_size,
            "file_format": str(self.file_format),
        }


def _has_sha256(path: Path, sha256: str) -> bool:
    try:
        return file_sha256(path) == sha256
    except OSError:
        return False
