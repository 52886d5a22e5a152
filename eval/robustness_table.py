"""The tables of what survives, and a picture: pure functions of the records."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from cvpire.edits.posting import Transformation
from eval.averages import cell
from eval.damage import DAMAGES
from eval.records import Record
from eval.robustness_rows import REHEARSAL, RobustnessRow, answers_of
from eval.seen import SEEN_HEADS, explain


def markdown(
    rows: Sequence[RobustnessRow],
    records: Mapping[str, Sequence[Record]],
    damaged: Mapping[str, Sequence[Record]],
    tried: Mapping[str, Transformation],
    facts: Mapping[str, object],
) -> str:
    """Caption, a table of the runs and of plain damage, and one of the transformations.

    Args:
        rows: of the same records.
        records: the rehearsed records of each run.
        damaged: the records of each plain damage.
        tried: the transformations to show, by name.
        facts: for the caption.
    """
    judged_by = {run: _words(of_run) for run, of_run in records.items()}
    controls = _controls(records)
    lines = [
        "- " + ", ".join(f"{name} {value}" for name, value in facts.items()) + ".",
        "- Means over the photos that the classifier gets right when clean. kept: share of photo x "
        "transformation after which the run's own condition holds, of all that were tried and of "
        "codecs and sizes only; control: the same of the original photos.",
        "- Judged by: " + "; ".join(f"{run}, {words}" for run, words in judged_by.items()) + ".",
        *_damage_lines(damaged, next(iter(records))),
        *(f"- {line}" for line in explain(_all(records) + _all(damaged))),
        "",
        "| " + " | ".join(_HEADS) + " |",
        "|---|" + "---:|" * (len(_HEADS) - 1),
        *(f"| {row.name} | {' | '.join(_cells(row))} |" for row in rows),
        "",
        f"| after | photos | {' | '.join(_control_titles(controls))} | {' | '.join(records)} |",
        "|---|---:|" + "---:|" * (len(controls) + len(records)),
    ]
    for name, transformation in tried.items():
        kept = {run: answers_of(of_run, name) for run, of_run in records.items()}
        first = next(iter(kept.values()))
        if not first:
            continue
        cells = [
            *(_share([held for _, held in kept[run]]) for run in controls.values()),
            *(_share([is_kept for is_kept, _ in answers]) for answers in kept.values()),
        ]
        lines.append(f"| {transformation.title} | {len(first)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw(
    records: Mapping[str, Sequence[Record]], tried: Mapping[str, Transformation], path: Path
) -> None:
    """How often each run's condition holds, after each transformation, as a PNG.

    Args:
        records: as of `markdown`.
        tried: as of `markdown`.
        path: of the picture.
    """
    some = next(iter(records.values()))
    controls = _controls(records)
    names = [name for name in tried if answers_of(some, name)]
    series = {
        run: [[is_kept for is_kept, _ in answers_of(of_run, name)] for name in names]
        for run, of_run in records.items()
    }
    for title, run in zip(_control_titles(controls), controls.values(), strict=True):
        series[f"the original, as a {title}"] = [
            [held for _, held in answers_of(records[run], name)] for name in names
        ]
    figure = Figure(figsize=(8, 1.5 + 0.28 * len(names)), layout="constrained")
    axes = figure.subplots()
    rows = range(len(names))
    for (label, answers), marker in zip(series.items(), itertools.cycle("o^sDv"), strict=False):
        shares = [100.0 * sum(found) / len(found) for found in answers]
        axes.plot(shares, rows, marker, label=label, alpha=0.8)
    axes.set_yticks(rows, [tried[name].title for name in names])
    axes.invert_yaxis()
    axes.set_xlim(-3, 103)
    axes.set_xlabel("photos for which the run's condition holds, %")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=2)
    figure.savefig(path, dpi=100)


def _controls(records: Mapping[str, Sequence[Record]]) -> dict[str, str]:
    """The words of each condition, with the first run that has it: a control is judged as the
    run is.
    """
    controls: dict[str, str] = {}
    for run, of_run in records.items():
        controls.setdefault(_words(of_run), run)
    return controls


def _control_titles(controls: Mapping[str, str]) -> list[str]:
    """Heads of the controls' columns: with the condition where there are several."""
    return ["control"] if len(controls) == 1 else [f"control ({words})" for words in controls]


def _words(records: Sequence[Record]) -> str:
    """What a run's photos were judged by, for people."""
    return str((records[0].report or {})[REHEARSAL]["words"])


_HEADS = (
    "run",
    "SSIM (least)",
    "dE00 mean / p95 / max",
    *SEEN_HEADS,
    "L-inf",
    "over bound",
    "as written",
    "kept",
    "kept (codecs, sizes)",
    "control",
    "all kept",
    "steps",
    "seconds",
)


def _cells(row: RobustnessRow) -> tuple[str, ...]:
    """Under all heads but the first."""
    similarity, least = cell(row.ssim, ".4f"), cell(row.ssim_least, ".4f")
    return (
        similarity if similarity == "n/a" else f"{similarity} ({least})",
        f"{row.delta_e_mean:.3f} / {row.delta_e_p95:.2f} / {row.delta_e_max:.1f}",
        *row.seen.cells(),
        f"{row.linf:.1f}",
        cell(row.over_bound, "d"),
        cell(row.as_written, ".1%"),
        cell(row.kept, ".1%"),
        cell(row.kept_codecs, ".1%"),
        cell(row.control, ".1%"),
        cell(row.all_kept, ".1%"),
        cell(row.steps, ".0f"),
        cell(row.seconds, ".1f"),
    )


def _damage_lines(damaged: Mapping[str, Sequence[Record]], run: str) -> list[str]:
    if not damaged:
        return []
    titles = "; ".join(DAMAGES[name].title for name in damaged)
    return [
        f"- Plain damage, made without a classifier: {titles}. As written, it is judged by the "
        f"condition of {run}; it is not rehearsed."
    ]


def _all(records: Mapping[str, Sequence[Record]]) -> list[Record]:
    return [record for group in records.values() for record in group]


def _share(values: Sequence[bool]) -> str:
    return f"{sum(values) / len(values):.1%}" if values else "-"
