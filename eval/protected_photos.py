"""The photos that a classifier gets right, protected, and what is asked of them afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cvpire.classifiers import Classifier
from cvpire.formats import PNG, FileFormat
from cvpire.photo import Photo, PhotoError, read_photo, write_bytes
from cvpire.report import versions
from cvpire.runs import Run
from eval.dataset import load_dataset
from eval.errors import EvaluationError
from eval.judge import load_judge
from eval.originals import judge_originals
from eval.output import check_out, sole_user
from eval.progress import ProgressCallback
from eval.protection import make_batches, protect_all, written_path
from eval.records import Record, RecordStore


@dataclass(frozen=True)
class PhotoOptions:
    """Which photos to protect, and how.

    Attributes:
        images: their folder.
        labels: a CSV, or None for the classifier's own first guesses.
        classifier: its name.
        view: of `cvpire.views.VIEWS`, or None for the classifier's own.
        runs: names separated by commas.
        limit: take only that many images, or None.
        seed: of whatever is random.
        out: the folder to write to.
        file_format: of the protected files.
    """

    images: Path
    labels: Path | None
    classifier: str
    view: str | None
    runs: str
    limit: int | None
    seed: int
    out: Path
    file_format: FileFormat = PNG


@dataclass(frozen=True)
class Measured:
    """An evaluation's result.

    Attributes:
        markdown: caption and tables.
        unreadable: name -> why, of images that could not be looked at.
    """

    markdown: str
    unreadable: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class ProtectedPhotos:
    """Protected photos on the disk, with their records.

    Attributes:
        options: how they were made.
        classifier: that was attacked.
        runs: in which each was protected.
        originals: the clean records of the photos that it gets right.
        unreadable: name -> why, of images that could not be looked at.
        store: of all records.
    """

    options: PhotoOptions
    classifier: Classifier
    runs: tuple[Run, ...]
    originals: tuple[Record, ...]
    unreadable: Mapping[str, str]
    store: RecordStore

    @property
    def facts(self) -> dict[str, object]:
        """For a table's caption."""
        return {
            "images": len(self.originals),
            "folder": self.options.images.resolve().name,
            "classifier": self.classifier.spec.name,
            "view": self.classifier.view,
            "seed": self.options.seed,
            "files": self.options.file_format,
            **versions(),
        }

    def record(self, run: Run, original: Record) -> Record:
        """The record of a photo in a run."""
        record = self.store.find(run.name, original.file)
        assert record is not None
        return record

    def records(self) -> dict[str, list[Record]]:
        """The records of each run, in the photos' order."""
        return {run.name: [self.record(run, o) for o in self.originals] for run in self.runs}

    def read(self, run: Run, original: Record) -> tuple[Photo, Photo]:
        """A clean photo and its protected file.

        Raises:
            EvaluationError: if one cannot be read.
        """
        options = self.options
        written = written_path(options.out, run.name, original.file, options.file_format)
        try:
            return read_photo(options.images / original.file), read_photo(written)
        except PhotoError as error:
            raise EvaluationError(str(error)) from error

    def note(self, record: Record, key: str, answers: object) -> None:
        """Keep what was asked of a protected photo, in its report."""
        report: dict[str, Any] = {**(record.report or {}), key: answers}
        self.store.append(replace(record, report=report))

    def write(self, name: str, text: str) -> Measured:
        """Write the tables into the folder, and put the records in order.

        Raises:
            EvaluationError: if it cannot be written.
        """
        self.store.tidy()
        try:
            write_bytes(self.options.out / name, text.encode())
        except PhotoError as error:
            raise EvaluationError(str(error)) from error
        return Measured(text, self.unreadable)


@contextmanager
def protected_photos(
    options: PhotoOptions, runs: Sequence[Run], progress: ProgressCallback
) -> Iterator[ProtectedPhotos]:
    """Protect, one at a time, the images that the classifier gets right, as far as not yet done.

    While it is open, no other evaluation writes to the folder.

    Raises:
        EvaluationError: if it cannot be done; what was finished is kept.
    """
    classifier = load_judge(options.classifier, options.view)
    dataset = load_dataset(options.images, options.labels, classifier.labels, limit=options.limit)
    folders = [run.name for run in runs]
    check_out(options.images, options.out, folders)
    with sole_user(options.out, folders):
        store = RecordStore(options.out / "records.jsonl")
        found = judge_originals(dataset, classifier, store, out=options.out, progress=progress)
        originals = tuple(original for original in found.records if original.top1)
        if not originals:
            raise EvaluationError("The classifier gets none of the images right when clean.")
        protect_all(
            options.images,
            make_batches(originals, 1),
            runs,
            classifier,
            store,
            seed=options.seed,
            batch_size=1,
            out=options.out,
            progress=progress,
            file_format=options.file_format,
        )
        yield ProtectedPhotos(options, classifier, tuple(runs), originals, found.unreadable, store)
