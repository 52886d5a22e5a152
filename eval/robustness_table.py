"""The tables of what survives, and a picture: pure functions of the records."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from cvpire.transformations import CODECS_AND_SIZES, Transformation
from eval.averages import cell, known_least, known_mean, mean
from eval.damage import DAMAGES
from eval.records import Record
from eval.seen import SEEN_HEADS, explain, summarise

# Of a record's report: the condition that it was judged by, its words, and under "kept" of each
# transformation whether the condition holds, and whether it does for the original.
REHEARSAL = "rehearsal"

# The key of the file as it is, without a transformation.
AS_WRITTEN = "as written"


def markdown(
    records: Mapping[str, Sequence[Record]],
    damaged: Mapping[str, Sequence[Record]],
    tried: Mapping[str, Transformation],
    facts: Mapping[str, object],
) -> str:
    """Caption, a table of the runs and of plain damage, and one of the transformations.

    Args:
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
        *(_run_row(name, of_run, tried) for name, of_run in records.items()),
        *(_damage_row(name, of_damage) for name, of_damage in damaged.items()),
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


def _run_row(name: str, records: Sequence[Record], tried: Mapping[str, Transformation]) -> str:
    answers = [answer for one in tried for answer in answers_of(records, one)]
    by_platforms = [
        answer for one in tried if one in CODECS_AND_SIZES for answer in answers_of(records, one)
    ]
    shown = {AS_WRITTEN, *tried}
    whole = [
        all(is_kept for one, (is_kept, _) in _rehearsal(record).items() if one in shown)
        for record in records
    ]
    cells = (
        *_seen_cells(records),
        f"{sum(record.difference.over_bound for record in records)}",
        _share([is_kept for is_kept, _ in answers_of(records, AS_WRITTEN)]),
        _share([is_kept for is_kept, _ in answers]),
        _share([is_kept for is_kept, _ in by_platforms]),
        _share([in_control for _, in_control in answers]),
        _share(whole),
        f"{mean([record.steps for record in records]):.0f}",
        f"{mean([record.seconds for record in records]):.1f}",
    )
    return f"| {name} | " + " | ".join(cells) + " |"


def _damage_row(name: str, records: Sequence[Record]) -> str:
    success = _share([record.is_success for record in records])
    cells = (*_seen_cells(records), "-", success, *("-",) * 6)
    return f"| {DAMAGES[name].title} | " + " | ".join(cells) + " |"


def _seen_cells(records: Sequence[Record]) -> tuple[str, ...]:
    """From SSIM to L-inf."""
    differences = [record.difference for record in records]
    similarities = [difference.ssim for difference in differences]
    similarity = cell(known_mean(similarities), ".4f")
    least = cell(known_least(similarities), ".4f")
    colors = (
        f"{mean([d.delta_e_mean for d in differences]):.3f}",
        f"{mean([d.delta_e_p95 for d in differences]):.2f}",
        f"{mean([d.delta_e_max for d in differences]):.1f}",
    )
    return (
        similarity if similarity == "n/a" else f"{similarity} ({least})",
        " / ".join(colors),
        *summarise(records).cells(),
        f"{mean([d.linf for d in differences]):.1f}",
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


def _rehearsal(record: Record) -> Mapping[str, tuple[bool, bool]]:
    found: Mapping[str, tuple[bool, bool]] = (record.report or {})[REHEARSAL]["kept"]
    return found


def answers_of(records: Sequence[Record], transformation: str) -> list[tuple[bool, bool]]:
    """For the photos to which it does something: whether the class is lost, and in the control."""
    answers = []
    for record in records:
        if (answer := _rehearsal(record).get(transformation)) is not None:
            is_kept, in_control = answer
            answers.append((is_kept, in_control))
    return answers


def _share(values: Sequence[bool]) -> str:
    return f"{sum(values) / len(values):.1%}" if values else "-"
