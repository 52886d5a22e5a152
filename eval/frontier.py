"""What a run keeps against what people see of it: a row for each run, as a picture and as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from cvpire.transformations import CODECS_AND_SIZES, Transformation
from eval.averages import mean
from eval.damage import DAMAGES
from eval.records import Record
from eval.robustness_table import AS_WRITTEN, answers_of
from eval.seen import Seen, summarise


class FrontierRow(NamedTuple):
    """One run, or one plain damage, which is not rehearsed. Shares are in [0, 1].

    Attributes:
        name: of the run, or what the damage is.
        photos: how many.
        as_written: share of files for which the condition holds as they are; None for damage.
        kept: share of photo x transformation after which it holds; None for damage.
        kept_codecs: the same of codecs and sizes only.
        seen: what people see.
        seconds: a photo; None for damage.
    """

    name: str
    photos: int
    as_written: float | None
    kept: float | None
    kept_codecs: float | None
    seen: Seen
    seconds: float | None


def frontier(
    records: Mapping[str, Sequence[Record]],
    damaged: Mapping[str, Sequence[Record]],
    tried: Mapping[str, Transformation],
) -> list[FrontierRow]:
    """The rows, of records that were rehearsed and looked at.

    Args:
        records: of each run.
        damaged: of each plain damage.
        tried: the transformations that count, by name.
    """
    codecs = {name: one for name, one in tried.items() if name in CODECS_AND_SIZES}
    rows = [
        FrontierRow(
            name=run,
            photos=len(of_run),
            as_written=_share(of_run, [AS_WRITTEN]),
            kept=_share(of_run, tried),
            kept_codecs=_share(of_run, codecs),
            seen=summarise(of_run),
            seconds=mean([record.seconds for record in of_run]),
        )
        for run, of_run in records.items()
    ]
    for name, of_damage in damaged.items():
        title, photos, seen = DAMAGES[name].title, len(of_damage), summarise(of_damage)
        rows.append(FrontierRow(title, photos, None, None, None, seen, None))
    return rows


def to_csv(rows: Sequence[FrontierRow]) -> str:
    """Plain numbers; an empty cell where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ("name", "photos", "as_written", "kept", "kept_codecs", "seconds")
    writer.writerow([*names, *Seen._fields])
    for row in rows:
        values = [*(getattr(row, name) for name in names), *row.seen]
        writer.writerow(["" if value is None or value != value else value for value in values])
    return text.getvalue()


# Of `Seen`: what an axis shows, and whether less of it is better.
_AXES = (
    ("ssimulacra2", "SSIMULACRA2 (100: the same)", False),
    ("jod", "ColorVideoVDP, JOD (10: the same)", False),
    ("flip_p99", "FLIP, 99th percentile (0: the same)", True),
)


def draw(rows: Sequence[FrontierRow], path: Path) -> None:
    """The rows as points, the less visible, the further right; plain damage as lines. A PNG.

    Args:
        rows: of `frontier`.
        path: of the picture.
    """
    shown = [axis for axis in _AXES if all(_is_known(getattr(row.seen, axis[0])) for row in rows)]
    figure = Figure(figsize=(4.5 * max(1, len(shown)), 4.5), layout="constrained")
    panels = figure.subplots(1, max(1, len(shown)), sharey=True, squeeze=False)[0]
    for axes, (name, label, is_less_better) in zip(panels, shown, strict=False):
        for row in rows:
            x = getattr(row.seen, name)
            place: tuple[float, float]
            if row.kept is None:
                axes.axvline(x, color="tab:gray", linestyle=":")
                place = (x, 40.0)  # away from the runs
            else:
                axes.plot(x, 100.0 * row.kept, "o", color="tab:green")
                place = (x, 100.0 * row.kept)
            axes.annotate(
                row.name,
                place,
                xytext=(4, 4),
                textcoords="offset points",
                fontsize=8,
                rotation=90 if row.kept is None else 0,
            )
        axes.set_xlabel(label)
        axes.margins(x=0.2)  # room for the names
        if is_less_better:
            axes.invert_xaxis()
        axes.grid(alpha=0.3)
    panels[0].set_ylim(-3, 106)
    panels[0].set_ylabel("kept, % of photo x transformation")
    figure.savefig(path, dpi=110)


def _is_known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _share(records: Sequence[Record], tried: Sequence[str] | Mapping[str, object]) -> float | None:
    kept = [is_kept for name in tried for is_kept, _ in answers_of(records, name)]
    return sum(kept) / len(kept) if kept else None
