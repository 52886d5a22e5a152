"""The yardsticks of written files: measured once a file, kept in its record.

A part of its own, as the aesthetic scores are, so that what one of them lacks can be added to an
evaluation without protecting anything again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from cvpire.images.reading import read_photo
from cvpire.images.transparency import WHITE, composite
from eval.failures import photo_failure
from eval.progress import Progress, ProgressCallback
from eval.records import Record, RecordStore
from eval.yardsticks import Looks, Yardstick, installed_yardsticks, measure_pair

# Of a record's report: by a yardstick's name the value, null where the photo is too small, and the
# package that gave it, with its version.
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
    with ThreadPoolExecutor(_WORKERS) as workers:
        outcomes = [workers.submit(_look, files[one.key], wanted) for one, wanted in lacking]
        try:
            for (record, _), outcome in zip(lacking, outcomes, strict=True):
                progress(Progress("Looking as people do", record.run, done, total))
                done += 1
                try:
                    found = outcome.result()
                except Exception as error:
                    failures.setdefault(record.file, photo_failure(error, record.file))
                    continue
                report = record.report or {}
                kept = {**report.get(LOOKS, {}), **found}
                store.append(replace(record, report={**report, LOOKS: kept}))
        finally:
            # Whoever ends the work does not wait for what nobody began.
            for outcome in outcomes:
                outcome.cancel()
    progress(Progress("Looking as people do", "", total, total))
    return failures


def looks_of(record: Record) -> Looks:
    """What was found for a file."""
    return {
        name: math.nan if found["value"] is None else float(found["value"])
        for name, found in _kept(record).items()
    }


def versions_of(records: Sequence[Record]) -> dict[str, str]:
    """The packages, with their versions, that the records' values come from."""
    found: dict[str, set[str]] = {}
    for record in records:
        for one in _kept(record).values():
            found.setdefault(one["package"], set()).add(one["version"])
    return {package: " and ".join(sorted(numbers)) for package, numbers in found.items()}


def _kept(record: Record) -> Mapping[str, Any]:
    kept: Mapping[str, Any] = (record.report or {}).get(LOOKS, {})
    return kept


def _wanted(record: Record) -> list[Yardstick]:
    """The installed yardsticks whose value the record lacks."""
    kept = _kept(record)
    return [
        yardstick
        for yardstick in installed_yardsticks()
        if kept.get(yardstick.name, {}).get("version") != yardstick.version
    ]


def _look(files: Files, wanted: Sequence[Yardstick]) -> dict[str, Any]:
    clean, written = (composite(read_photo(path), WHITE).pixels for path in files)
    values = measure_pair(clean, written, wanted)
    return {
        one.name: {
            "package": one.package,
            "version": one.version,
            "value": None if math.isnan(values[one.name]) else values[one.name],
        }
        for one in wanted
    }
