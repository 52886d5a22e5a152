"""The columns on what people see of a change: pure functions of records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cvpire.metrics.difference import Difference
from eval.averages import cell, known_least, known_mean
from eval.looks import looks_of, versions_of
from eval.records import Record
from eval.yardsticks import JOD, SSIMULACRA2, YARDSTICKS, Looks, Yardstick

# Of the columns of `Seen.cells`.
SEEN_HEADS = ("dE00 p99.9", "dE00 blurred", "FLIP p99", "SSIMULACRA2 (least)", "JOD")


class Seen(NamedTuple):
    """What people see of the changes of several photos; means, unless it says otherwise.

    Photos that are too small for a yardstick are left out of its mean; NaN where all are. None
    where a yardstick's package was not installed.

    Attributes:
        delta_e_p999: see `cvpire.metrics.difference.Difference`, as the next two.
        delta_e_blurred: the largest CIEDE2000 of the blurred change, a blotch.
        flip_p99: each photo's 99th percentile of FLIP's map.
        ssimulacra2: 100 is the same.
        ssimulacra2_least: of the photo that fares worst.
        jod: 10 is the same.
    """

    delta_e_p999: float
    delta_e_blurred: float
    flip_p99: float
    ssimulacra2: float | None
    ssimulacra2_least: float | None
    jod: float | None

    def cells(self) -> tuple[str, ...]:
        """Under `SEEN_HEADS`."""
        return (
            cell(self.delta_e_p999, ".2f"),
            cell(self.delta_e_blurred, ".2f"),
            cell(self.flip_p99, ".3f"),
            _with_least(self.ssimulacra2, self.ssimulacra2_least),
            cell(self.jod, ".2f", absent=UNAVAILABLE),
        )


UNAVAILABLE = "unavailable"


def summarise(records: Sequence[Record]) -> Seen:
    """What is seen of the written files of one row of a table."""
    return summarise_values(
        [record.difference for record in records], [looks_of(record) for record in records]
    )


def summarise_values(differences: Sequence[Difference], looks: Sequence[Looks]) -> Seen:
    """The same of plain values.

    Args:
        differences: of each photo.
        looks: of the same photos.
    """
    similarities, quality = _values(looks, SSIMULACRA2), _values(looks, JOD)
    return Seen(
        delta_e_p999=known_mean([d.delta_e_p999 for d in differences]),
        delta_e_blurred=known_mean([d.delta_e_blurred for d in differences]),
        flip_p99=known_mean([d.flip_p99 for d in differences]),
        ssimulacra2=None if similarities is None else known_mean(similarities),
        ssimulacra2_least=None if similarities is None else known_least(similarities),
        jod=None if quality is None else known_mean(quality),
    )


def explain(records: Sequence[Record]) -> list[str]:
    """What a reader must know of these columns, a sentence each.

    Args:
        records: of the written files of a whole table.
    """
    versions = versions_of(records)
    scales = (f"{one.name}{_by(one.package, versions)}: {one.meaning}." for one in YARDSTICKS)
    lines = [
        "What people see, of the written files. dE00 p99.9: each photo's 99.9th percentile. dE00 "
        "blurred: its largest after the change was blurred by 2 pixels, a blotch. FLIP p99: 0.05 "
        f"is hard to find, 0.2 is seen. On white: {' '.join(scales)}"
    ]
    for yardstick in YARDSTICKS:
        values = [looks_of(record).get(yardstick.name) for record in records]
        if None in values:
            lines.append(
                f"{yardstick.name} is unavailable: the package {yardstick.package} was not "
                "installed (`pip install -r requirements-eval.txt`)."
            )
        elif small := sum(value is not None and math.isnan(value) for value in values):
            files = f"{small} file" if small == 1 else f"{small} files"
            lines.append(
                f"{yardstick.name} without {files} with a side below {yardstick.min_side} pixels."
            )
    unknown = sum(math.isnan(record.difference.flip_p99) for record in records)
    if unknown:
        files = f"{unknown} file" if unknown == 1 else f"{unknown} files"
        lines.append(f"FLIP without {files}: the package flip-evaluator was not installed.")
    return lines


def _by(package: str, versions: Mapping[str, str]) -> str:
    return f" (by {package} {versions[package]})" if package in versions else ""


def _values(looks: Sequence[Looks], yardstick: Yardstick) -> list[float] | None:
    """Of all photos; None if one lacks it: the mean of some must not stand for that of all."""
    known = [one[yardstick.name] for one in looks if yardstick.name in one]
    return known if len(known) == len(looks) else None


def _with_least(value: float | None, least: float | None) -> str:
    if value is None or least is None:
        return UNAVAILABLE
    return "n/a" if math.isnan(value) else f"{value:.1f} ({least:.0f})"
