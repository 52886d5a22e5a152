"""The photos that a classifier gets right, protected, and what is asked of them afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from cvpire.classifiers import Classifier
from cvpire.errors import PhotoError
from cvpire.formats import PNG, FileFormat
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.runs import Run
from eval.clean_photos import PhotoOptions, clean_photos
from eval.errors import EvaluationError
from eval.output import Measured, write_tables
from eval.progress import ProgressCallback
from eval.protection import make_batches, protect_all, written_path
from eval.records import Record, RecordStore


@dataclass(frozen=True, kw_only=True)
class ProtectedOptions(PhotoOptions):
    """Which photos to protect, and how.

    Attributes:
        runs: one after the other.
        file_format: of the protected files.
    """

    runs: tuple[Run, ...]
    file_format: FileFormat = PNG


@dataclass(frozen=True, eq=False)
class ProtectedPhotos:
    """Protected photos on the disk, with their records.

    Attributes:
        options: how they were made.
        classifier: that was attacked.
        originals: the clean records of the photos that it gets right.
        unreadable: name -> why, of images that could not be looked at.
        facts: for a table's caption.
        store: of all records.
    """

    options: ProtectedOptions
    classifier: Classifier
    originals: tuple[Record, ...]
    unreadable: Mapping[str, str]
    facts: Mapping[str, object]
    store: RecordStore

    @property
    def pairs(self) -> list[tuple[Run, Record]]:
        """Each run with the clean record of each photo."""
        return [(run, original) for run in self.options.runs for original in self.originals]

    def record(self, run: Run, original: Record) -> Record:
        """The record of a photo in a run."""
        record = self.store.find(run.name, original.file)
        assert record is not None
        return record

    def records(self) -> dict[str, list[Record]]:
        """The records of each run, in the photos' order."""
        return {
            run.name: [self.record(run, original) for original in self.originals]
            for run in self.options.runs
        }

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
        write_tables(self.options.out, {name: text})
        return Measured(text, self.unreadable)


@contextmanager
def protected_photos(
    options: ProtectedOptions, progress: ProgressCallback
) -> Iterator[ProtectedPhotos]:
    """Protect, one at a time, the images that the classifier gets right, as far as not yet done.

    While it is open, no other evaluation writes to the folder.

    Raises:
        EvaluationError: if it cannot be done; what was finished is kept.
    """
    names = [run.name for run in options.runs]
    with clean_photos(options, names, progress, runs=options.runs) as clean:
        originals = clean.right
        protect_all(
            options.images,
            make_batches(originals, 1),
            options.runs,
            clean.classifier,
            clean.store,
            seed=options.seed,
            batch_size=1,
            out=options.out,
            progress=progress,
            file_format=options.file_format,
        )
        facts = {**clean.facts, "files": options.file_format}
        yield ProtectedPhotos(
            options, clean.classifier, originals, clean.unreadable, facts, clean.store
        )
