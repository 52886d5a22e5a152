"""Tables as pure functions of records: the same records, the same characters."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cvpire.cli.console import printable
from cvpire.images.folder import others_sentence
from eval.averages import cell, mean, plain
from eval.damage import DAMAGES
from eval.paper import ORIGINAL, PAPER_NOTE, PAPER_TABLE1, PaperRow
from eval.records import Record
from eval.seen import SEEN_HEADS, explain, summarise


class Row(NamedTuple):
    """One run, or one kind of plain damage, over all images; means, unless it says otherwise.

    Attributes:
        run: its name; of damage, with its settings.
        images: how many there are.
        top1: share whose file the classifier still gives the true class.
        top5: share whose true class is still among its five highest.
        aesthetics: the metric's score; None where an image has none.
        ssim: see `cvpire.metrics.difference.Difference`, as the four below; None if no image is
            large enough.
        success: share that meets the run's condition; None for the clean photos, as all below.
        delta_e_mean: CIEDE2000.
        delta_e_p95: each image's 95th percentile.
        delta_e_p999: see `eval.seen.Seen`, as the five below.
        delta_e_blurred: a blotch.
        flip_p99: of FLIP's map.
        ssimulacra2: 100 is the same.
        ssimulacra2_least: of the image that fares worst.
        jod: 10 is the same.
        linf_mean: each image's largest change, in grey levels.
        linf_max: the largest of these.
        changed: share of the pixels.
        over_bound: pixels beyond their bound, a sum; None for damage, which keeps none.
        steps: of the optimiser; None for damage.
        seconds: for an image; None for damage.
    """

    run: str
    images: int
    top1: float
    top5: float
    aesthetics: float | None
    ssim: float | None
    success: float | None = None
    delta_e_mean: float | None = None
    delta_e_p95: float | None = None
    delta_e_p999: float | None = None
    delta_e_blurred: float | None = None
    flip_p99: float | None = None
    ssimulacra2: float | None = None
    ssimulacra2_least: float | None = None
    jod: float | None = None
    linf_mean: float | None = None
    linf_max: int | None = None
    changed: float | None = None
    over_bound: int | None = None
    steps: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Summary:
    """What a table's caption says besides the records.

    Attributes:
        folder: the images' folder, its name only.
        classifier: its name.
        view: its view of a photo.
        weights_sha256: of its weights.
        labels_file: see `eval.dataset.Dataset`.
        seed: of whatever is random.
        batch_size: the most photos that were protected together.
        includes_misclassified: whether images that the classifier gets wrong are in the table.
        misclassified: names of images that the classifier gets wrong when clean.
        unlabelled: see `eval.dataset.Dataset`.
        foreign: see `eval.dataset.Dataset`.
        absent: see `eval.dataset.Dataset`.
        unreadable: name -> why, of images that could not be looked at.
        metric: of the aesthetics column; None where there is none.
        aesthetics_cell: what stands there then.
        aesthetics_note: one sentence on it.
        versions: of what computed the figures.
        ambiguous: see `eval.dataset.Dataset`.
        others: see `eval.dataset.Dataset`.
        damage_judged_by: the run whose condition plain damage is judged by.
    """

    folder: str
    classifier: str
    view: str
    weights_sha256: str
    labels_file: str | None
    seed: int
    batch_size: int
    includes_misclassified: bool
    misclassified: tuple[str, ...]
    unlabelled: tuple[str, ...]
    foreign: tuple[str, ...]
    absent: tuple[str, ...]
    unreadable: Mapping[str, str]
    metric: str | None
    aesthetics_cell: str
    aesthetics_note: str
    versions: Mapping[str, str]
    ambiguous: tuple[str, ...] = ()
    others: Mapping[str, int] = field(default_factory=dict)
    damage_judged_by: str = ""


def make_rows(records: Sequence[Record], *, metric: str | None) -> tuple[Row, ...]:
    """One row for each run, in the order in which the runs come.

    Args:
        records: of the same images in each run, the clean photos ("Original") included.
        metric: the aesthetic metric; scores of another one are not taken.
    """
    return tuple(_make_row(run, group, metric) for run, group in _by_run(records).items())


def markdown(records: Sequence[Record], summary: Summary) -> str:
    """The caption and the table, as Markdown."""
    rows = make_rows(records, metric=summary.metric)
    by_run = _by_run(records)
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---|" + "---:|" * (len(_COLUMNS) - 1)]
    for row, (run, group) in zip(rows, by_run.items(), strict=True):
        cells = (row.run, *_measured_cells(row, summary.aesthetics_cell), *_paper_cells(row.run))
        seen = ("-",) * len(SEEN_HEADS) if run == ORIGINAL else summarise(group).cells()
        lines.append("| " + " | ".join((*cells, *_cost_cells(row, seen))) + " |")
    return "\n".join((*caption(records, summary), "", *lines)) + "\n"


def to_csv(records: Sequence[Record], summary: Summary) -> str:
    """The table as CSV: plain numbers, six digits; an empty cell where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*Row._fields, *(f"paper_{name}" for name in PaperRow._fields)))
    for row in make_rows(records, metric=summary.metric):
        paper: Sequence[float | None] = PAPER_TABLE1.get(row.run, (None,) * len(PaperRow._fields))
        writer.writerow([plain(value) for value in (*row, *paper)])
    return text.getvalue()


def caption(records: Sequence[Record], summary: Summary) -> list[str]:
    """What a reader must know of the figures, a line each."""
    images = sum(record.run == ORIGINAL for record in records)
    labels = (
        "Labels: the classifier's own first guess for each clean photo (no label file was given), "
        "so that Original is 1.00 by definition."
        if summary.labels_file is None
        else f"Labels: `{printable(summary.labels_file)}`."
    )
    lines = [
        f"{_count(images, 'image')} of `{printable(summary.folder)}`, classifier "
        f"`{summary.classifier}` "
        f"(weights sha256 {summary.weights_sha256[:12]}), view `{summary.view}`, seed "
        f"{summary.seed}, batches of up to {summary.batch_size}. {labels}",
        "Means over all images of the table, whether or not they could be protected. Top-1, Top-5 "
        "and success: the written files, read back, as shares. L-inf in grey levels: mean / "
        "largest. Over bound: pixels, a sum.",
        *_misclassified_lines(summary),
        *_names_line(
            "Left out, because the label file has no label for it", summary.unlabelled, "image"
        ),
        *_names_line(
            "Left out, because the classifier does not know its class", summary.foreign, "image"
        ),
        *_names_line("Named in the label file but not in the folder", summary.absent, "file"),
        *_names_line(
            "Left out, because a name in the label file fits it and another image alike but for "
            "the way in which accents are written",
            summary.ambiguous,
            "image",
        ),
        *filter(None, [printable(others_sentence(summary.others))]),
    ]
    if summary.unreadable:
        reasons = printable(" ".join(summary.unreadable.values()))
        lines.append(
            f"Left out, because it could not be looked at: "
            f"{_count(len(summary.unreadable), 'image')}. {reasons}"
        )
    failures: dict[str, list[str]] = {}
    for record in records:
        if record.run not in (ORIGINAL, *DAMAGES) and not record.is_success:
            failures.setdefault(record.run, []).append(record.file)
    for run, files in failures.items():
        lines += _names_line(f"Not protected in {run}", files, "image")
    small = sum(math.isnan(_ssim(record)) for record in records)
    if small:
        lines.append(f"SSIM without {_count(small, 'file')} with a side below 11 pixels.")
    changed = [record for record in records if record.run != ORIGINAL]
    if any(record.run in DAMAGES for record in changed):
        titles = "; ".join(DAMAGES[run].title for run in _by_run(changed) if run in DAMAGES)
        lines.append(
            f"Plain damage, made without a classifier: {titles}. Its success is judged by the "
            f"condition of {summary.damage_judged_by}."
        )
    lines += explain(changed)
    versions = ", ".join(f"{name} {number}" for name, number in summary.versions.items())
    lines += [f"{summary.aesthetics_note} {PAPER_NOTE}", f"Computed with {versions}."]
    return [f"- {line}" for line in lines]


_COLUMNS = (
    "run",
    "Top-1",
    "Top-5",
    "aesthetics",
    "SSIM",
    "paper: Top-1",
    "paper: Top-5",
    "paper: aesthetics",
    "paper: SSIM",
    "success",
    "dE00 mean",
    "dE00 p95",
    *SEEN_HEADS,
    "L-inf",
    "changed",
    "over bound",
    "steps",
    "seconds",
)


def _by_run(records: Sequence[Record]) -> dict[str, list[Record]]:
    by_run: dict[str, list[Record]] = {}
    for record in records:
        by_run.setdefault(record.run, []).append(record)
    return by_run


def _make_row(run: str, records: Sequence[Record], metric: str | None) -> Row:
    scores = [
        record.aesthetics.score
        for record in records
        if record.aesthetics is not None and record.aesthetics.metric == metric
    ]
    similarities = [value for value in map(_ssim, records) if not math.isnan(value)]
    clean = Row(
        run=DAMAGES[run].title if run in DAMAGES else run,
        images=len(records),
        top1=mean([record.top1 for record in records]),
        top5=mean([record.top5 for record in records]),
        # The mean of some images must not stand beside the mean of all.
        aesthetics=mean(scores) if len(scores) == len(records) else None,
        ssim=mean(similarities) if similarities else None,
    )
    if run == ORIGINAL:
        return clean
    differences = [record.difference for record in records]
    seen = clean._replace(
        success=mean([record.is_success for record in records]),
        delta_e_mean=mean([difference.delta_e_mean for difference in differences]),
        delta_e_p95=mean([difference.delta_e_p95 for difference in differences]),
        linf_mean=mean([difference.linf for difference in differences]),
        linf_max=max(difference.linf for difference in differences),
        changed=mean([difference.changed for difference in differences]),
        **summarise(records)._asdict(),
    )
    if run in DAMAGES:
        return seen
    return seen._replace(
        over_bound=sum(difference.over_bound for difference in differences),
        steps=mean([record.steps for record in records]),
        seconds=mean([record.seconds for record in records]),
    )


def _ssim(record: Record) -> float:
    return 1.0 if record.run == ORIGINAL else record.difference.ssim


def _measured_cells(row: Row, aesthetics_cell: str) -> tuple[str, ...]:
    return (
        f"{row.top1:.2f}",
        f"{row.top5:.2f}",
        aesthetics_cell if row.aesthetics is None else f"{row.aesthetics:.2f}",
        cell(row.ssim, ".4f"),
    )


def _paper_cells(run: str) -> tuple[str, ...]:
    paper = PAPER_TABLE1.get(run)
    if paper is None:
        return ("-",) * len(PaperRow._fields)
    return (
        f"{paper.top1:.2f}",
        f"{paper.top5:.2f}",
        f"{paper.aesthetics:.2f}",
        f"{paper.ssim:.4f}",
    )


def _cost_cells(row: Row, seen: Sequence[str]) -> tuple[str, ...]:
    linf = "-" if row.linf_mean is None else f"{row.linf_mean:.1f} / {row.linf_max}"
    return (
        cell(row.success, ".1%"),
        cell(row.delta_e_mean, ".3f"),
        cell(row.delta_e_p95, ".3f"),
        *seen,
        linf,
        cell(row.changed, ".1%"),
        cell(row.over_bound, "d"),
        cell(row.steps, ".1f"),
        cell(row.seconds, ".2f"),
    )


def _misclassified_lines(summary: Summary) -> list[str]:
    if summary.includes_misclassified:
        return _names_line(
            "Included, although the classifier gets it wrong when clean",
            summary.misclassified,
            "image",
        )
    return _names_line(
        "Left out, because the classifier gets it wrong when clean", summary.misclassified, "image"
    )


def _names_line(what: str, names: Sequence[str], noun: str) -> list[str]:
    listed = printable(", ".join(names))
    return [f"{what}: {_count(len(names), noun)} ({listed})."] if names else []


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
