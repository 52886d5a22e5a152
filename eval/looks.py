"""The yardsticks of written files: measured once a file, kept in its record.

A part of its own, as the aesthetic scores are, so that what one of them lacks can be added to an
evaluation without protecting anything again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from cvpire.images.reading import read_photo
from cvpire.transparency import WHITE, composite
from eval.failures import photo_failure
from eval.progress import Progress, ProgressCallback
from eval.records import Record, RecordStore
from eval.yardsticks import YARDSTICKS, Yardstick

# Of a record's report: by a yardstick's name the value, null where the photo is too small, and the
# version of the package that gave it.
LOOKS = "yardsticks"

# One photo is at SSIMULACRA2 while another is at the JOD. More would hold many gigabytes where
# photos are large.
_WORKERS = 2


class Files(NamedTuple):
    """What a record's change is measured on; photos with transparency as they are seen on white.

    Attributes:
        clean: the photo before.
        written: the file after.
    """

    clean: Path
    written: Path


def look_at_all(
    records: Sequence[Record],
    files: Mapping[tuple[str, str], Files],
    store: RecordStore,
    progress: ProgressCallback,
) -> dict[str, str]:
    """Add the yardsticks that are installed to the records that lack them.

    A value of another version of its package is measured anew.

    Args:
        records: of written files.
        files: of each record, by its key.
        store: of the records, added to.
        progress: told after each file.

    Returns:
        Name -> why, of the images that could not be measured.

    Raises:
        EvaluationError: if a record cannot be written.
    """
    lacking = [(record, wanted) for record in records if (wanted := _wanted(record))]
    done, total = len(records) - len(lacking), len(records)
    failures: dict[str, str] = {}
    look = partial(_look, files)
    with (
        ThreadPoolExecutor(_WORKERS) as workers,
        # Closed on the way out, the files that nobody began are left alone.
        closing(workers.map(look, lacking)) as outcomes,
    ):
        for record, _ in lacking:
            progress(Progress("Looking as people do", record.run, done, total))
            done += 1
            found = next(outcomes)
            if isinstance(found, Exception):
                failures.setdefault(record.file, photo_failure(found, record.file))
            else:
                report = record.report or {}
                kept = {**report.get(LOOKS, {}), **found}
                store.append(replace(record, report={**report, LOOKS: kept}))
    progress(Progress("Looking as people do", "", total, total))
    return failures


def value_of(record: Record, yardstick: Yardstick) -> float | None:
    """What was found for a file: NaN for a photo that is too small, None if nobody measured it."""
    found = _kept(record).get(yardstick.name)
    if found is None:
        return None
    return math.nan if found["value"] is None else float(found["value"])


def versions_of(records: Sequence[Record]) -> dict[str, str]:
    """The packages, with their versions, that the records' values come from."""
    found: dict[str, set[str]] = {}
    for record in records:
        for yardstick in YARDSTICKS:
            if (one := _kept(record).get(yardstick.name)) is not None:
                found.setdefault(yardstick.package, set()).add(one["version"])
    return {package: " and ".join(sorted(numbers)) for package, numbers in found.items()}


def _kept(record: Record) -> Mapping[str, Any]:
    kept: Mapping[str, Any] = (record.report or {}).get(LOOKS, {})
    return kept


def _wanted(record: Record) -> list[Yardstick]:
    """The installed yardsticks whose value the record lacks."""
    kept = _kept(record)
    return [
        yardstick
        for yardstick in YARDSTICKS
        if yardstick.version is not None
        and kept.get(yardstick.name, {}).get("version") != yardstick.version
    ]


def _look(
    files: Mapping[tuple[str, str], Files], asked: tuple[Record, list[Yardstick]]
) -> dict[str, Any] | Exception:
    """The values of one file; the error, if it is this photo's or the program's."""
    record, wanted = asked
    try:
        clean, written = (
            composite(read_photo(path), WHITE).pixels for path in files[record.key]
        )
        values = {one: one.measure(clean, written) for one in wanted}
    except Exception as error:
        return error
    return {
        one.name: {"version": one.version, "value": None if math.isnan(value) else value}
        for one, value in values.items()
    }
