"""The comparison with peers as a table, as CSV and drawn: pure functions of the records."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from eval.averages import cell, known_mean, mean
from eval.methods import Method
from eval.records import Record
from eval.seen import SEEN_HEADS, Seen, summarise

# Of a record's report: values of pyiqa's metrics that compare two photos.
PERCEPTUAL = "perceptual"


class PeerRow(NamedTuple):
    """One method over all photos; means, unless it says otherwise.

    Attributes:
        method: its name.
        title: with its settings.
        is_ours: whether it is of this project.
        images: how many there are.
        success: share whose written file meets the condition.
        ssim: see `cvpire.metrics.difference.Difference`, as the next three; photos that failed
            included. NaN if no photo is large enough.
        delta_e_mean: CIEDE2000.
        delta_e_p95: each photo's 95th percentile.
        delta_e_max: each photo's largest.
        delta_e_p999: see `eval.seen.Seen`, as the five below.
        delta_e_blurred: a blotch.
        flip_p99: of FLIP's map.
        ssimulacra2: 100 is the same.
        ssimulacra2_least: of the photo that fares worst.
        jod: 10 is the same.
        linf: each photo's largest change, in grey levels.
        over_bound: pixels beyond their bound, a sum; None for methods that keep none.
        forwards: passes through the classifier for a photo.
        backwards: those that gradients came back from.
        seconds: for a photo, the map included.
        perceptual: values of pyiqa's metrics, by name, as far as asked for.
    """

    method: str
    title: str
    is_ours: bool
    images: int
    success: float
    ssim: float
    delta_e_mean: float
    delta_e_p95: float
    delta_e_max: float
    delta_e_p999: float
    delta_e_blurred: float
    flip_p99: float
    ssimulacra2: float | None
    ssimulacra2_least: float | None
    jod: float | None
    linf: float
    over_bound: int | None
    forwards: float
    backwards: float
    seconds: float
    perceptual: Mapping[str, float]


def make_row(method: Method, records: Sequence[Record], perceptual: Sequence[str]) -> PeerRow:
    """One method's row from its records."""
    differences = [record.difference for record in records]
    reports = [record.report or {} for record in records]
    seen = summarise(records)

    return PeerRow(
        method=method.name,
        title=method.title,
        is_ours=method.is_ours,
        images=len(records),
        success=mean([record.is_success for record in records]),
        ssim=known_mean([difference.ssim for difference in differences]),
        delta_e_mean=mean([difference.delta_e_mean for difference in differences]),
        delta_e_p95=mean([difference.delta_e_p95 for difference in differences]),
        delta_e_max=mean([difference.delta_e_max for difference in differences]),
        **seen._asdict(),
        linf=mean([difference.linf for difference in differences]),
        over_bound=sum(d.over_bound for d in differences) if method.is_ours else None,
        forwards=mean([report["forwards"] for report in reports]),
        backwards=mean([report["backwards"] for report in reports]),
        seconds=mean([record.seconds for record in records]),
        perceptual={
            name: mean([report[PERCEPTUAL][name] for report in reports]) for name in perceptual
        },
    )


def markdown(rows: Sequence[PeerRow], facts: Mapping[str, object], explained: Sequence[str]) -> str:
    """Caption and table, as Markdown.

    Args:
        rows: of all methods.
        facts: for the caption.
        explained: sentences on the columns of what people see.
    """
    lines = [
        "- " + ", ".join(f"{name} {value}" for name, value in facts.items()) + ".",
        "- Means over all photos that the classifier gets right when clean, one at a time, whether "
        "or not a method succeeded. Judged: the written PNG, read back; ours must meet the "
        "condition by the safety margin, the others at all.",
        *(f"- {sentence}" for sentence in explained),
        "",
        "| method | success | SSIM | dE00 mean | dE00 p95 | dE00 max | "
        + "".join(f"{name} | " for name in (*SEEN_HEADS, "L-inf", "over bound"))
        + "".join(f"{name} | " for name in rows[0].perceptual)
        + "forward | backward | seconds |",
        "|---|" + "---:|" * (10 + len(SEEN_HEADS) + len(rows[0].perceptual)),
    ]
    for row in rows:
        over = "-" if row.over_bound is None else str(row.over_bound)
        lines.append(
            f"| {row.title if row.is_ours else f'{row.method}: {row.title}'} | {row.success:.1%} | "
            f"{cell(row.ssim, '.5f')} | {row.delta_e_mean:.4f} | {row.delta_e_p95:.3f} | "
            f"{row.delta_e_max:.2f} | "
            + "".join(f"{shown} | " for shown in (*_seen(row).cells(), f"{row.linf:.1f}", over))
            + "".join(f"{value:.6f} | " for value in row.perceptual.values())
            + f"{row.forwards:.1f} | {row.backwards:.1f} | {row.seconds:.2f} |"
        )
    return "\n".join(lines) + "\n"


def _seen(row: PeerRow) -> Seen:
    return Seen(**{name: getattr(row, name) for name in Seen._fields})


def to_csv(rows: Sequence[PeerRow]) -> str:
    """The table as CSV: plain numbers; an empty cell where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*PeerRow._fields[:-1], *rows[0].perceptual])
    for row in rows:
        plain = ["" if value is None or value != value else value for value in row[:-1]]
        writer.writerow([*plain, *row.perceptual.values()])
    return text.getvalue()


def draw(rows: Sequence[PeerRow], path: Path) -> None:
    """What is seen against success, and against seconds, as a PNG."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for row in rows:
        style = {"color": "tab:green" if row.is_ours else "tab:gray", "marker": "o"}
        for axes, x in ((left, 100.0 * row.success), (right, row.seconds)):
            axes.plot(x, row.delta_e_mean, **style)
            axes.annotate(
                row.method,
                (x, row.delta_e_mean),
                xytext=(4, 4),
                textcoords="offset points",
                fontsize=8,
            )
    left.set_xlabel("success, %")
    left.set_ylabel("mean CIEDE2000 (lower is less visible)")
    right.set_xlabel("seconds a photo")
    right.set_xscale("log")
    if any(row.delta_e_mean > 0.0 for row in rows):
        left.set_yscale("log")
    for axes in (left, right):
        axes.margins(x=0.15)  # room for the names
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
