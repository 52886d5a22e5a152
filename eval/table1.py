"""Table 1 of the paper, measured: clean photos, protected photos, scores, table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvpire.classifiers import Classifier
from cvpire.photo import PhotoError, write_bytes
from cvpire.report import versions
from cvpire.runs import RUNS, Run, find_run
from eval.dataset import Dataset, load_dataset
from eval.errors import EvaluationError
from eval.judge import load_judge
from eval.originals import Originals, judge_originals
from eval.output import check_out, sole_user
from eval.paper import ORIGINAL, PAPER_TABLE1
from eval.progress import ProgressCallback
from eval.protection import make_batches, protect_all, written_path
from eval.records import Record, RecordStore
from eval.scores import Aesthetics, expect_aesthetics, find_aesthetics, score_all
from eval.table import Summary, markdown, to_csv

ALL_RUNS = "all"


@dataclass(frozen=True)
class Table1Options:
    """What to evaluate.

    Attributes:
        images: their folder.
        labels: a CSV, or None for the classifier's own first guesses.
        classifier: its name.
        view: of `cvpire.views.VIEWS`, or None for the classifier's own.
        runs: names separated by commas, or "all" for the paper's.
        limit: take only that many images, or None.
        batch_size: the most photos that are protected together.
        seed: of the starting noise.
        aesthetics: a metric's name, "auto", or "no".
        aesthetics_files: weights of a pyiqa metric.
        include_misclassified: take in what the classifier gets wrong when clean.
        out: the folder to write to.
    """

    images: Path
    labels: Path | None
    classifier: str
    view: str | None
    runs: str
    limit: int | None
    batch_size: int
    seed: int
    aesthetics: str
    aesthetics_files: Sequence[Path]
    include_misclassified: bool
    out: Path


@dataclass(frozen=True)
class Table1:
    """The result.

    Attributes:
        markdown: caption and table.
        unreadable: name -> why, of images that could not be looked at.
    """

    markdown: str
    unreadable: Mapping[str, str]


def measure_table1(options: Table1Options, progress: ProgressCallback) -> Table1:
    """Protect the images in each run, judge the written files, and write the table.

    Writes RUN/NAME.png, records.jsonl, table1.md and table1.csv into the folder. Whatever stands
    there from an interrupted evaluation with the same options is taken over.

    Args:
        options: what to evaluate.
        progress: told as the work goes on.

    Returns:
        The table.

    Raises:
        EvaluationError: if it cannot be measured; what was finished is kept.
    """
    runs = select_runs(options.runs)
    expect_aesthetics(options.aesthetics)
    classifier = load_judge(options.classifier, options.view)
    dataset = load_dataset(options.images, options.labels, classifier.labels, limit=options.limit)
    check_out(options.images, options.out, [run.name for run in runs])
    with sole_user(options.out, [run.name for run in runs]):
        store = RecordStore(options.out / "records.jsonl")
        originals = judge_originals(dataset, classifier, store, out=options.out, progress=progress)
        chosen = [o for o in originals.records if o.top1 or options.include_misclassified]
        if not chosen:
            raise EvaluationError(_nothing_left(originals))
        protect_all(
            options.images,
            make_batches(chosen, options.batch_size),
            runs,
            classifier,
            store,
            seed=options.seed,
            batch_size=options.batch_size,
            out=options.out,
            progress=progress,
        )
        keys = [(run, o.file) for run in (ORIGINAL, *(r.name for r in runs)) for o in chosen]
        aesthetics = find_aesthetics(options.aesthetics, options.aesthetics_files, progress)
        if aesthetics.scorer is not None:
            paths = {key: _path(options, *key) for key in keys}
            score_all(_collect(store, keys), paths, aesthetics.scorer, store, progress)
        store.tidy()
        records = _collect(store, keys)
        summary = _summarise(options, dataset, classifier, originals, aesthetics)
        text = markdown(records, summary)
        try:
            write_bytes(options.out / "table1.md", text.encode())
            write_bytes(options.out / "table1.csv", to_csv(records, summary).encode())
        except PhotoError as error:
            raise EvaluationError(str(error)) from error
    return Table1(text, originals.unreadable)


def select_runs(names: str) -> list[Run]:
    """The runs of a list of names, in the registry's order; "all" for those of the paper.

    Raises:
        EvaluationError: for an unknown name, or none.
    """
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    if ALL_RUNS in wanted:
        wanted = (wanted - {ALL_RUNS}) | (PAPER_TABLE1.keys() & RUNS.keys())
    if not wanted:
        raise EvaluationError(f"--runs names no run; the known ones are {', '.join(RUNS)}.")
    try:
        found = {find_run(name).name for name in sorted(wanted)}
    except ValueError as error:
        raise EvaluationError(str(error)) from error
    return [run for name, run in RUNS.items() if name in found]


def _nothing_left(originals: Originals) -> str:
    if originals.records:
        return (
            f"The classifier gets none of the {len(originals.records)} images right when clean, so "
            "the table would be empty: check --labels and --classifier, or ask for "
            "--include-misclassified."
        )
    reason = next(iter(originals.unreadable.values()))
    return f"None of the {len(originals.unreadable)} images can be looked at; the first: {reason}"


def _path(options: Table1Options, run: str, file: str) -> Path:
    return options.images / file if run == ORIGINAL else written_path(options.out, run, file)


def _collect(store: RecordStore, keys: Sequence[tuple[str, str]]) -> list[Record]:
    return [record for key in keys if (record := store.find(*key)) is not None]


def _summarise(
    options: Table1Options,
    dataset: Dataset,
    classifier: Classifier,
    originals: Originals,
    aesthetics: Aesthetics,
) -> Summary:
    return Summary(
        folder=options.images.resolve().name,
        classifier=classifier.spec.name,
        view=classifier.view,
        weights_sha256=classifier.spec.weights.sha256,
        labels_file=dataset.labels_file,
        seed=options.seed,
        batch_size=options.batch_size,
        includes_misclassified=options.include_misclassified,
        misclassified=tuple(o.file for o in originals.records if not o.top1),
        unlabelled=dataset.unlabelled,
        foreign=dataset.foreign,
        absent=dataset.absent,
        unreadable=originals.unreadable,
        metric=None if aesthetics.scorer is None else aesthetics.scorer.title,
        aesthetics_cell=aesthetics.cell,
        aesthetics_note=aesthetics.note,
        versions=versions(),
    )
