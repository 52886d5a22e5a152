"""Records: what is known about one image in one run, a JSON line each, kept across a kill.

A line is appended, and is on the disk, before work goes on. The last line of an image and run is
the one that counts. A torn last line is dropped, as if its image had not been looked at.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from cvpire.errors import PhotoError
from cvpire.images.photo import write_bytes
from cvpire.metrics.difference import Difference
from cvpire.reports.report import Verdict
from eval.errors import EvaluationError
from eval.paper import ORIGINAL


class Score(NamedTuple):
    """An aesthetic score, with the metric whose scale it is on."""

    metric: str
    score: float


@dataclass(frozen=True)
class Record:
    """One image in one run.

    Attributes:
        run: its name, or "Original" for the clean photo.
        file: the image's name in its folder.
        settings: all that the outcome depends on; a record of other settings does not count.
        size: height and width of the photo, in pixels.
        label: the true class, as an index of the classifier's taxonomy.
        label_position: the same among the classifier's logits.
        label_name: its name.
        label_is_given: False where it is the classifier's own first guess.
        top1: whether the classifier gives the label to the file on disk.
        top5: whether the label is among its five highest.
        batch: the images that were protected together, which may change the last bits of a result;
            empty for a clean photo.
        aesthetics: of the file on disk, or None where nobody asked.
        report: `Report.as_record()`; None for a clean photo.
    """

    run: str
    file: str
    settings: dict[str, Any]
    size: tuple[int, int]
    label: int
    label_position: int
    label_name: str
    label_is_given: bool
    top1: bool
    top5: bool
    batch: tuple[str, ...] = ()
    aesthetics: Score | None = None
    report: dict[str, Any] | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What there is one record of."""
        return self.run, self.file

    @property
    def difference(self) -> Difference:
        """Between the clean photo and the written file; what cannot be computed is NaN."""
        values: dict[str, Any] = dict(self._reported()["difference"])
        for name, value in values.items():
            values[name] = float("nan") if value is None else value
        return Difference(**values)

    @property
    def is_success(self) -> bool:
        """Whether the written file meets the run's condition."""
        return Verdict(self._reported()["verdict"]).is_success

    @property
    def steps(self) -> int:
        """Optimiser steps taken."""
        return int(self._reported()["steps"])

    @property
    def seconds(self) -> float:
        """A share of its batch's."""
        return float(self._reported()["seconds"])

    @property
    def file_sha256(self) -> str:
        """Of the written file."""
        return str(self._reported()["file_sha256"])

    def of_run(
        self,
        run: str,
        settings: dict[str, Any],
        top1: bool,
        top5: bool,
        report: dict[str, Any],
        *,
        batch: tuple[str, ...] = (),
    ) -> Record:
        """The record of a run on the photo that this clean record is of."""
        return replace(
            self,
            run=run,
            settings=settings,
            top1=top1,
            top5=top5,
            batch=batch,
            aesthetics=None,
            report=report,
        )

    def to_line(self) -> str:
        """One line of JSON, without its end."""
        content = asdict(self)
        content["aesthetics"] = None if self.aesthetics is None else self.aesthetics._asdict()
        line = json.dumps(content, allow_nan=False, ensure_ascii=False)
        # A file's name may hold bytes that are not UTF-8, which JSON can only escape.
        return line if _is_utf8(line) else json.dumps(content, allow_nan=False)

    @classmethod
    def from_line(cls, line: str) -> Record:
        """The record of a line.

        Raises:
            ValueError: if the line is not one.
        """
        content = json.loads(line)
        try:
            content["size"] = tuple(content["size"])
            content["batch"] = tuple(content["batch"])
            if content["aesthetics"] is not None:
                content["aesthetics"] = Score(**content["aesthetics"])
            record = cls(**content)
            if record.run != ORIGINAL:
                _ = record.difference, record.is_success, record.steps, record.seconds
                _ = record.file_sha256
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a record: {error}") from error
        return record

    def _reported(self) -> dict[str, Any]:
        if self.report is None:
            raise ValueError(f"the clean photo {self.file} has no report")
        return self.report


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class RecordStore:
    """The records of a folder. One process at a time may hold it (see `eval.output`).

    Args:
        path: of the file of lines; made at the first record.

    Raises:
        EvaluationError: if the file is not one of records, or cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: dict[tuple[str, str], Record] = {}
        try:
            content = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise self._unusable("read", error) from error
        *lines, torn = content.split(b"\n")
        for number, line in enumerate(lines, start=1):
            try:
                record = Record.from_line(line.decode())
            except ValueError as error:
                raise EvaluationError(
                    f"Line {number} of {path} is not a record of this evaluation: choose another "
                    "--out."
                ) from error
            self._records[record.key] = record
        if torn:
            # A further line must not be glued to it.
            self._write(b"".join(line + b"\n" for line in lines))

    def find(self, run: str, file: str) -> Record | None:
        """The record of an image in a run, if there is one."""
        return self._records.get((run, file))

    def append(self, record: Record) -> None:
        """Keep a record, in place of an older one of that image and run.

        Raises:
            EvaluationError: if the file cannot be written.
        """
        try:
            with self._path.open("ab") as file:
                file.write(record.to_line().encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unusable("written", error) from error
        self._records[record.key] = record

    def tidy(self) -> None:
        """Leave one line for each image and run, in an order that does not tell of interruptions.

        Raises:
            EvaluationError: if the file cannot be written.
        """
        records = sorted(self._records.values(), key=lambda r: (r.run != ORIGINAL, r.key))
        self._write(b"".join(record.to_line().encode() + b"\n" for record in records))

    def _write(self, content: bytes) -> None:
        try:
            write_bytes(self._path, content)
        except PhotoError as error:
            raise EvaluationError(str(error)) from error

    def _unusable(self, what: str, error: OSError) -> EvaluationError:
        return EvaluationError(
            f"{self._path} cannot be {what} ({error.strerror}): make room or choose another --out."
        )
