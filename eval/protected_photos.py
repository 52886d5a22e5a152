"""The photos that a classifier gets right, protected, and what is asked of them afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from cvpire.classifiers.classifier import Classifier
from cvpire.images.formats import PNG, FileFormat
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.runs import Run
from eval.clean_photos import PhotoOptions, clean_photos
from eval.damage import DAMAGES
from eval.damaged_photos import Damaged, damage_all
from eval.failures import expect_some, photo_failure
from eval.looks import Files, look_at_all
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
        protected: the clean records of the photos that it gets right and that were protected.
        unreadable: name -> why, of images that could not be looked at or protected.
        clean_facts: for a table's caption, without the number of photos.
        store: of all records.
        damage: names of the plain damage that was done to all photos beside it.
        missing: a sentence for each damage that could not be done.
        failures: name -> why, of protected photos that could not be asked; filled by `attempt`.
    """

    options: ProtectedOptions
    classifier: Classifier
    protected: tuple[Record, ...]
    unreadable: Mapping[str, str]
    clean_facts: Mapping[str, object]
    store: RecordStore
    damage: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def originals(self) -> tuple[Record, ...]:
        """The clean records of the photos of the tables.

        Raises:
            EvaluationError: if none is left.
        """
        return expect_some(self.protected, self.failures)

    @property
    def facts(self) -> dict[str, object]:
        """For a table's caption."""
        return {
            **self.clean_facts,
            "images": len(self.originals),
            "files": self.options.file_format,
        }

    @property
    def pairs(self) -> list[tuple[Run, Record]]:
        """Each run with the clean record of each photo."""
        return [(run, original) for run in self.options.runs for original in self.protected]

    @contextmanager
    def attempt(self, original: Record) -> Iterator[None]:
        """What fails in here is this photo's: it is left out of the tables, and told of.

        Raises:
            CvpireError: for trouble that is not one photo's, see `eval.failures`.
        """
        try:
            yield
        except Exception as error:
            self.failures.setdefault(original.file, photo_failure(error, original.file))

    def record(self, run: Run, original: Record) -> Record:
        """The record of a photo in a run."""
        return self._found(run.name, original)

    def records(self) -> dict[str, list[Record]]:
        """The records of each run, in the photos' order."""
        return {
            run.name: [self.record(run, original) for original in self.originals]
            for run in self.options.runs
        }

    def damaged(self) -> dict[str, list[Record]]:
        """The records of each damage, in the photos' order."""
        return {
            name: [self._found(name, original) for original in self.originals]
            for name in self.damage
        }

    def look(self, progress: ProgressCallback) -> None:
        """Measure what people see of all written files, as far as not yet done.

        Raises:
            EvaluationError: if a record cannot be written.
        """
        options = self.options
        files: dict[tuple[str, str], Files] = {}
        for original in self.protected:
            clean = options.images / original.file
            for run in options.runs:
                written = written_path(options.out, run.name, original.file, options.file_format)
                files[run.name, original.file] = Files(clean, written)
            for name in self.damage:
                written = written_path(options.out, name, original.file)
                files[name, original.file] = Files(clean, written)
        records = [record for key in files if (record := self.store.find(*key)) is not None]
        for file, sentence in look_at_all(records, files, self.store, progress).items():
            self.failures.setdefault(file, sentence)

    def read(self, run: Run, original: Record) -> tuple[Photo, Photo]:
        """A clean photo and its protected file.

        Raises:
            PhotoError: if one cannot be read.
        """
        options = self.options
        written = written_path(options.out, run.name, original.file, options.file_format)
        return read_photo(options.images / original.file), read_photo(written)

    def note(self, record: Record, key: str, answers: object) -> None:
        """Keep what was asked of a protected photo, in its report."""
        report: dict[str, Any] = {**(record.report or {}), key: answers}
        self.store.append(replace(record, report=report))

    def write(self, name: str, text: str, besides: Mapping[str, str] | None = None) -> Measured:
        """Write the tables into the folder, and put the records in order.

        Args:
            name: of the file with the tables.
            text: caption and tables, as Markdown.
            besides: other files' text, by their names.

        Raises:
            EvaluationError: if it cannot be written.
        """
        self.store.tidy()
        write_tables(self.options.out, {name: text, **(besides or {})})
        unreadable = {**self.unreadable, **self.failures}
        return Measured(text, unreadable, self.missing)

    def _found(self, name: str, original: Record) -> Record:
        record = self.store.find(name, original.file)
        assert record is not None
        return record


@contextmanager
def protected_photos(
    options: ProtectedOptions, progress: ProgressCallback, *, with_damage: bool = False
) -> Iterator[ProtectedPhotos]:
    """Protect, one at a time, the images that the classifier gets right, as far as not yet done.

    While it is open, no other evaluation writes to the folder.

    Args:
        options: which photos, and how.
        progress: told after each photo.
        with_damage: also do plain damage to each photo, judged by the first run's condition.

    Raises:
        EvaluationError: if it cannot be done; what was finished is kept.
    """
    names = [*(run.name for run in options.runs), *(DAMAGES if with_damage else ())]
    with clean_photos(options, names, progress, runs=options.runs) as clean:
        originals = clean.right
        failures = protect_all(
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
        protected = expect_some(originals, failures)
        damage = Damaged((), ())
        if with_damage:
            damage = damage_all(
                options.images,
                protected,
                options.runs[0],
                clean.classifier,
                clean.store,
                out=options.out,
                progress=progress,
            )
        yield ProtectedPhotos(
            options,
            clean.classifier,
            protected,
            {**clean.unreadable, **failures},
            clean.facts,
            clean.store,
            damage.done,
            damage.missing,
        )
