"""All figures of an outcome, and of a rehearsal, as tables in HTML; all that goes in is escaped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

import numpy as np

from cvpire.color.heatmap import heatmap
from cvpire.metrics.difference import Difference
from cvpire.rehearsal import Outcome as Rehearsed
from cvpire.reports.report import Report
from page.orders.many import Row
from page.orders.scoring import Score
from page.orders.single import Outcome


def scores(outcome: Outcome) -> str:
    """A table of all figures."""
    report = outcome.protected.report
    difference = report.difference
    what = "written file" if report.verdict.is_success else "best attempt (not offered)"
    seen = ", the worse on white and on black" if report.backgrounds else ""
    return _table(
        f"Original against the {what}{seen}",
        [
            *_visibility_rows(report),
            ("SSIM", _ssim(difference.ssim), "1 is equality" + _beside(report, _ssim_of)),
            (
                "Colour difference ΔE00, mean",
                f"{difference.delta_e_mean:.4f}",
                "an eye just sees about 1",
            ),
            (
                "ΔE00, 95th percentile",
                f"{difference.delta_e_p95:.3f}",
                "19 of 20 pixels are at or below",
            ),
            (
                "ΔE00, 99.9th percentile",
                f"{difference.delta_e_p999:.2f}",
                f"the strongest pixels{_beside(report, lambda d: f'{d.delta_e_p999:.2f}')}",
            ),
            ("ΔE00, maximum", f"{difference.delta_e_max:.2f}", ""),
            ("Largest change (L∞)", _levels(difference.linf), "of 255, in one channel"),
            ("Pixels changed", f"{difference.changed:.1%}", "by at least one grey level"),
            ("Pixels over their bound", f"{difference.over_bound:,}", "must be 0"),
            *_encoding_rows(report),
            *(row for score in outcome.scores for row in _aesthetic_rows(score)),
            ("Steps", f"{report.steps:,}", f"of at most {report.max_steps:,}"),
            ("Time", f"{report.seconds:.1f} s", "reading and writing left out"),
        ],
    )


def legend(report: Report) -> str:
    """The heat map's colour bar, with its ends in grey levels."""
    colours = heatmap(np.linspace(0.0, 1.0, 9, dtype=np.float32)[None])[0]
    stops = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in colours.tolist())
    most = report.settings["magnitude"] * 255.0
    return (
        f'<div class="legend"><div class="bar" style="background: linear-gradient(to right, '
        f'{stops})"></div><div class="ends"><span>0: even colour, no change</span>'
        f"<span>1: most varied colour, at most {_levels(round(most))}</span>"
        "</div></div>"
    )


def rehearsal(outcomes: Sequence[Rehearsed]) -> str:
    """A table for each classifier: what it sees after each thing that may happen to the file."""
    names = dict.fromkeys(outcome.classifier for outcome in outcomes)
    return "".join(
        _rehearsal_table([o for o in outcomes if o.classifier == name]) for name in names
    )


def _rehearsal_table(outcomes: Sequence[Rehearsed]) -> str:
    first = outcomes[0]
    lost = sum(outcome.protected.is_lost for outcome in outcomes)
    caption = (
        f"{first.classifier}{'' if first.is_attacked else ' (not attacked)'}: “{first.label}”: "
        f"{first.condition} in {lost} of {len(outcomes)}"
    )
    return _table(caption, map(_rehearsal_row, outcomes))


def _rehearsal_row(outcome: Rehearsed) -> tuple[str, str, str]:
    sight, control = outcome.protected, outcome.control
    title = outcome.transformation.title if outcome.transformation else "the file as it is"
    state = "✓ not recognised" if sight.is_lost else f"✗ recognised, {sight.probability:.1%}"
    where = f" on {sight.background}" if sight.background else ""
    note = f"first{where}: {sight.top[0].name} ({sight.top[0].probability:.0%})"
    if control is not None and outcome.transformation is not None:
        is_lost = control.is_lost
        alone = "not recognised either" if is_lost else f"recognised, {control.probability:.0%}"
        note += f"; the original so: {alone}"
    return title, state, note


def _visibility_rows(report: Report) -> list[tuple[str, str, str]]:
    """How visible the change is, and beside it what saving the original as a JPEG does alone."""
    seen, difference = report.visibility, report.difference
    grades = [(r.file_format, r.visibility.grade.value) for r in report.references]
    rows = [
        (
            "How visible the change is",
            seen.grade.value,
            f"{seen.grade.meaning}{_originals(grades)}",
        ),
        (
            "FLIP, 99th percentile",
            "unavailable" if seen.unavailable else f"{difference.flip_p99:.3f}",
            (seen.unavailable or "seen when flipping between the two")
            + _beside(report, lambda d: "" if math.isnan(d.flip_p99) else f"{d.flip_p99:.3f}"),
        ),
        (
            "ΔE00 of the blurred change, maximum",
            f"{difference.delta_e_blurred:.1f}",
            f"a patch of another colour{_beside(report, lambda d: f'{d.delta_e_blurred:.1f}')}",
        ),
    ]
    if report.strongest is not None:
        x, y, _ = report.strongest
        rows.append(("Strongest change at", f"x {x}, y {y}", "pixels from the upper left corner"))
    if report.references and not report.references[0].is_whole:
        first, last = report.references[0].columns
        note = "the JPEGs' figures are of these alone, to save time"
        rows.append(("Columns measured of the JPEGs", f"{first:,} to {last - 1:,}", note))
    return rows


def _beside(report: Report, figure: Callable[[Difference], str]) -> str:
    """A figure of what each JPEG alone does to the original, where it has one."""
    figures = ((r.file_format, figure(r.difference)) for r in report.references)
    return _originals([(name, value) for name, value in figures if value])


def _originals(values: Sequence[tuple[str, str]]) -> str:
    """By formats: "; the original as JPEG 75: 0.071, as JPEG 90: 0.039"; "" of none."""
    figures = ", ".join(f"as {name}: {value}" for name, value in values)
    return f"; the original {figures}" if figures else ""


def _ssim_of(difference: Difference) -> str:
    return "" if math.isnan(difference.ssim) else f"{difference.ssim:.4f}"


def _encoding_rows(report: Report) -> list[tuple[str, str, str]]:
    rows = [("File", f"{report.file_format}, {report.file_bytes / 1000:,.0f} kB", "")]
    if report.encoding is not None:
        alone = f"what {report.file_format} does by itself"
        rows += [
            ("SSIM of the original saved so", _ssim(report.encoding.ssim), alone),
            ("Mean ΔE00 of the original saved so", f"{report.encoding.delta_e_mean:.4f}", alone),
        ]
    return rows


def _aesthetic_rows(score: Score) -> list[tuple[str, str, str]]:
    if score.unavailable:
        return [(score.title, "unavailable", score.unavailable)]
    return [
        (f"{score.title}, before", f"{score.before:.2f}", "of the original"),
        (f"{score.title}, after", f"{score.after:.2f}", "of the protected photo"),
    ]


def _ssim(value: float) -> str:
    return "undefined below 11 pixels" if math.isnan(value) else f"{value:.5f}"


def _levels(count: int) -> str:
    return f"{count} grey level{'' if count == 1 else 's'}"


def _table(caption: str, rows: Iterable[tuple[str, str, str]]) -> str:
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td><td>{escape(note)}</td>'
        "</tr>"
        for name, value, note in rows
    )
    return (
        f'<table class="scores"><caption>{escape(caption)}</caption><tbody>{body}</tbody></table>'
    )


# Signs beside the words, so that no colour tells alone.
_SIGNS = {
    "waiting": "…",
    "in work": "▸",
    "protected": "✓",
    "not protected": "✗",
    "failed": "✗",
    "stopped": "■",
}


def many(rows: Sequence[Row]) -> str:
    """The rows in HTML, and a line that sums them up."""
    done = sum(row.state == "protected" for row in rows)
    tried = sum(row.state not in ("waiting", "in work") for row in rows)
    body = "".join(
        f'<tr class="{row.state.replace(" ", "-")}"><th scope="row">{escape(row.photo)}</th>'
        f'<td><span aria-hidden="true">{_SIGNS[row.state]}</span> {escape(row.state)}</td>'
        f"<td>{escape(row.words)}</td></tr>"
        for row in rows
    )
    return (
        f'<table class="scores many"><caption>{done} protected of {len(rows)}'
        f"{'' if tried == len(rows) else f', {len(rows) - tried} to do'}</caption>"
        f"<tbody>{body}</tbody></table>"
    )
