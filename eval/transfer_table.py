"""The table of transfer: a pure function of the records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from eval.averages import cell, known_least, known_mean, mean
from eval.controls import CONTROLS
from eval.records import Record
from eval.seen import SEEN_HEADS, explain, summarise

# Of a record's report: what a classifier that was not attacked made of the photo and its controls.
TRANSFER = "transfer"


def markdown(records: Mapping[str, Sequence[Record]], facts: Mapping[str, object]) -> str:
    """Caption and table.

    Args:
        records: of each run, with what was asked.
        facts: for the caption.
    """
    lines = [
        "- " + ", ".join(f"{name} {value}" for name, value in facts.items()) + ".",
        "- Means over the photos that the attacked classifier gets right when clean. lost: share "
        "of photos whose first guess, by the classifier that was not attacked, is another than for "
        "the clean photo; beside it the same after plain damage that is as near to each protected "
        "photo's SSIM as can be, and not below it, with the SSIM that came of it.",
        *(f"- {line}" for line in explain([one for group in records.values() for one in group])),
        "",
        "| run | SSIM | SSIM, least | dE00 mean | "
        + " | ".join(SEEN_HEADS)
        + " | L-inf | over bound | attacked: kept | unseen: lost | "
        + " | ".join(f"{name} alone" for name in CONTROLS)
        + " | seconds |",
        "|---|" + "---:|" * (8 + len(SEEN_HEADS) + len(CONTROLS)),
        *(_row(name, of_run) for name, of_run in records.items()),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, records: Sequence[Record]) -> str:
    differences = [record.difference for record in records]
    answers = [(record.report or {})[TRANSFER] for record in records]

    cells = [
        cell(known_mean([d.ssim for d in differences]), ".4f"),
        cell(known_least([d.ssim for d in differences]), ".4f"),
        f"{mean([d.delta_e_mean for d in differences]):.3f}",
        *summarise(records).cells(),
        f"{mean([d.linf for d in differences]):.1f}",
        f"{sum(d.over_bound for d in differences)}",
        f"{mean([record.is_success for record in records]):.1%}",
        f"{mean([answer['lost'] for answer in answers]):.1%}",
        *(_control([answer["controls"].get(name) for answer in answers]) for name in CONTROLS),
        f"{mean([record.seconds for record in records]):.1f}",
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


def _control(answers: Sequence[Mapping[str, float] | None]) -> str:
    """The share lost and the mean SSIM; of how many photos, where some had no such control."""
    found = [answer for answer in answers if answer is not None]
    if not found:
        return "-"
    lost, ssim = (
        math.fsum(answer[key] for answer in found) / len(found) for key in ("lost", "ssim")
    )
    some = "" if len(found) == len(answers) else f", {len(found)} photos"
    return f"{lost:.1%} ({ssim:.4f}{some})"
