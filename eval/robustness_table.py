"""The tables of what survives, and a picture: pure functions of the records."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from cvpire.transformations import TRANSFORMATIONS
from eval.records import Record

# Of a record's report: the condition that it was judged by, its words, and under "kept" of each
# transformation whether the condition holds, and whether it does for the original.
REHEARSAL = "rehearsal"

# The key of the file as it is, without a transformation.
AS_WRITTEN = "as written"


def markdown(records: Mapping[str, Sequence[Record]], facts: Mapping[str, object]) -> str:
    """Caption, a table of the runs, and one of the transformations.

    Args:
        records: the rehearsed records of each run.
        facts: for the caption.
    """
    judged_by = {run: _words(of_run) for run, of_run in records.items()}
    controls = _controls(records)
    lines = [
        "- " + ", ".join(f"{name} {value}" for name, value in facts.items()) + ".",
        "- Means over the photos that the classifier gets right when clean. kept: share of photo x "
        "transformation after which the run's own condition holds; control: the same of the "
        "original photos.",
        "- Judged by: " + "; ".join(f"{run}, {words}" for run, words in judged_by.items()) + ".",
        "",
        "| run | SSIM | SSIM, least | dE00 mean | dE00 p95 | L-inf | over bound | as written | "
        "kept | control | all kept | steps | seconds |",
        "|---|" + "---:|" * 12,
        *(_run_row(name, of_run) for name, of_run in records.items()),
        "",
        f"| after | photos | {' | '.join(_control_titles(controls))} | {' | '.join(records)} |",
        "|---|---:|" + "---:|" * (len(controls) + len(records)),
    ]
    for name, transformation in TRANSFORMATIONS.items():
        kept = {run: _answers(of_run, name) for run, of_run in records.items()}
        first = next(iter(kept.values()))
        if not first:
            continue
        cells = [
            *(_share([held for _, held in kept[run]]) for run in controls.values()),
            *(_share([is_kept for is_kept, _ in answers]) for answers in kept.values()),
        ]
        lines.append(f"| {transformation.title} | {len(first)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw(records: Mapping[str, Sequence[Record]], path: Path) -> None:
    """How often each run's condition holds, after each transformation, as a PNG.

    Args:
        records: as of `markdown`.
        path: of the picture.
    """
    some = next(iter(records.values()))
    controls = _controls(records)
    names = [name for name in TRANSFORMATIONS if _answers(some, name)]
    series = {
        run: [[is_kept for is_kept, _ in _answers(of_run, name)] for name in names]
        for run, of_run in records.items()
    }
    for title, run in zip(_control_titles(controls), controls.values(), strict=True):
        series[f"the original, as a {title}"] = [
            [held for _, held in _answers(records[run], name)] for name in names
        ]
    figure = Figure(figsize=(8, 1.5 + 0.28 * len(names)), layout="constrained")
    axes = figure.subplots()
    rows = range(len(names))
    for (label, answers), marker in zip(series.items(), itertools.cycle("o^sDv"), strict=False):
        shares = [100.0 * sum(found) / len(found) for found in answers]
        axes.plot(shares, rows, marker, label=label, alpha=0.8)
    axes.set_yticks(rows, [TRANSFORMATIONS[name].title for name in names])
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


def _run_row(name: str, records: Sequence[Record]) -> str:
    differences = [record.difference for record in records]
    answers = [
        answer for transformation in TRANSFORMATIONS for answer in _answers(records, transformation)
    ]
    whole = [all(is_kept for is_kept, _ in _rehearsal(r).values()) for r in records]

    def mean(values: Sequence[float]) -> float:
        return math.fsum(values) / len(values)

    return (
        f"| {name} | {mean([d.ssim for d in differences]):.4f} | "
        f"{min(d.ssim for d in differences):.4f} | "
        f"{mean([d.delta_e_mean for d in differences]):.3f} | "
        f"{mean([d.delta_e_p95 for d in differences]):.2f} | "
        f"{mean([d.linf for d in differences]):.1f} | {sum(d.over_bound for d in differences)} | "
        f"{_share([is_kept for is_kept, _ in _answers(records, AS_WRITTEN)])} | "
        f"{_share([is_kept for is_kept, _ in answers])} | "
        f"{_share([in_control for _, in_control in answers])} | {_share(whole)} | "
        f"{mean([record.steps for record in records]):.0f} | "
        f"{mean([record.seconds for record in records]):.1f} |"
    )


def _rehearsal(record: Record) -> Mapping[str, tuple[bool, bool]]:
    found: Mapping[str, tuple[bool, bool]] = (record.report or {})[REHEARSAL]["kept"]
    return found


def _answers(records: Sequence[Record], transformation: str) -> list[tuple[bool, bool]]:
    """For the photos to which it does something: whether the class is lost, and in the control."""
    answers = []
    for record in records:
        if (answer := _rehearsal(record).get(transformation)) is not None:
            is_kept, in_control = answer
            answers.append((is_kept, in_control))
    return answers


def _share(values: Sequence[bool]) -> str:
    return f"{sum(values) / len(values):.1%}" if values else "-"
