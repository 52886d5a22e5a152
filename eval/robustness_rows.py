"""What a run keeps and what people see of it: a row for each run and each plain damage.

Pure functions of records. Table, CSV and picture all show these rows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cvpire.edits.posting import CODECS_AND_SIZES, Transformation
from eval.averages import known_least, known_mean, mean, plain
from eval.damage import DAMAGES
from eval.records import Record
from eval.seen import Seen, summarise

# Of a record's report: the condition that it was judged by, its words, and under "kept" of each
# transformation whether the condition holds, and whether it does for the original.
REHEARSAL = "rehearsal"

# The key of the file as it is, without a transformation.
AS_WRITTEN = "as written"


class RobustnessRow(NamedTuple):
    """A run, or a plain damage: that is not rehearsed, and has no steps. Shares are in [0, 1].

    All but the shares, `ssim_least` and `over_bound` are means over the photos.

    Attributes:
        name: of the run, or what the damage is.
        photos: how many.
        ssim: between the clean photo and the file; NaN where all are too small.
        ssim_least: of the photo that fares worst.
        delta_e_mean: see `cvpire.metrics.difference.Difference`, as the next two and `linf`.
        delta_e_p95: 95th percentile.
        delta_e_max: the largest.
        seen: what people see.
        linf: in levels.
        over_bound: channels beyond the bound in all photos; None for damage.
        as_written: share of files for which the condition holds as they are.
        kept: share of photo x transformation after which it holds; None for damage, or where
            nothing was tried, as the next three.
        kept_codecs: the same of codecs and sizes only.
        control: the same of the originals.
        all_kept: share of files for which it holds as they are and after all transformations.
        steps: of the search; None for damage.
        seconds: a photo; None for damage.
    """

    name: str
    photos: int
    ssim: float
    ssim_least: float
    delta_e_mean: float
    delta_e_p95: float
    delta_e_max: float
    seen: Seen
    linf: float
    over_bound: int | None
    as_written: float | None
    kept: float | None
    kept_codecs: float | None
    control: float | None
    all_kept: float | None
    steps: float | None
    seconds: float | None


def make_rows(
    records: Mapping[str, Sequence[Record]],
    damaged: Mapping[str, Sequence[Record]],
    tried: Mapping[str, Transformation],
) -> list[RobustnessRow]:
    """The rows of all runs, then of all plain damage.

    Args:
        records: the rehearsed records of each run.
        damaged: the records of each plain damage.
        tried: the transformations that count, by name.
    """
    runs = [_run_row(name, of_run, tried) for name, of_run in records.items()]
    return runs + [_damage_row(name, of_damage) for name, of_damage in damaged.items()]


def to_csv(rows: Sequence[RobustnessRow]) -> str:
    """A line for each row: plain numbers; an empty cell where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [name for name in RobustnessRow._fields if name != "seen"]
    writer.writerow([*names, *Seen._fields])
    for row in rows:
        values = [*(getattr(row, name) for name in names), *row.seen]
        writer.writerow([plain(value) for value in values])
    return text.getvalue()


def answers_of(records: Sequence[Record], transformation: str) -> list[tuple[bool, bool]]:
    """For the photos to which it does something: whether the class is lost, and in the control."""
    answers = []
    for record in records:
        if (answer := _rehearsal(record).get(transformation)) is not None:
            is_kept, in_control = answer
            answers.append((is_kept, in_control))
    return answers


def _run_row(name: str, records: Sequence[Record], tried: Iterable[str]) -> RobustnessRow:
    shown = {AS_WRITTEN, *tried}
    whole = [
        all(is_kept for one, (is_kept, _) in _rehearsal(record).items() if one in shown)
        for record in records
    ]
    answers = [answer for one in tried for answer in answers_of(records, one)]
    of_codecs = [
        answer for one in tried if one in CODECS_AND_SIZES for answer in answers_of(records, one)
    ]
    return _seen_row(name, records)._replace(
        over_bound=sum(record.difference.over_bound for record in records),
        as_written=_share([is_kept for is_kept, _ in answers_of(records, AS_WRITTEN)]),
        kept=_share([is_kept for is_kept, _ in answers]),
        kept_codecs=_share([is_kept for is_kept, _ in of_codecs]),
        control=_share([in_control for _, in_control in answers]),
        all_kept=_share(whole),
        steps=mean([record.steps for record in records]),
        seconds=mean([record.seconds for record in records]),
    )


def _damage_row(name: str, records: Sequence[Record]) -> RobustnessRow:
    success = _share([record.is_success for record in records])
    return _seen_row(DAMAGES[name].title, records)._replace(as_written=success)


def _seen_row(name: str, records: Sequence[Record]) -> RobustnessRow:
    """The row with what can be seen of the files alone."""
    differences = [record.difference for record in records]
    similarities = [difference.ssim for difference in differences]
    return RobustnessRow(
        name=name,
        photos=len(records),
        ssim=known_mean(similarities),
        ssim_least=known_least(similarities),
        delta_e_mean=mean([d.delta_e_mean for d in differences]),
        delta_e_p95=mean([d.delta_e_p95 for d in differences]),
        delta_e_max=mean([d.delta_e_max for d in differences]),
        seen=summarise(records),
        linf=mean([d.linf for d in differences]),
        over_bound=None,
        as_written=None,
        kept=None,
        kept_codecs=None,
        control=None,
        all_kept=None,
        steps=None,
        seconds=None,
    )


def _rehearsal(record: Record) -> Mapping[str, tuple[bool, bool]]:
    found: Mapping[str, tuple[bool, bool]] = (record.report or {})[REHEARSAL]["kept"]
    return found


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None
