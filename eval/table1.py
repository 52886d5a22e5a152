"""Table 1 of the paper, measured: clean photos, protected photos, scores, table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvpire.reports.report import versions
from cvpire.runs import Run
from eval.clean_photos import CleanPhotos, PhotoOptions, clean_photos
from eval.damage import DAMAGES
from eval.damaged_photos import damage_all
from eval.failures import expect_some
from eval.looks import Files, look_at_all
from eval.output import Measured, write_tables
from eval.paper import ORIGINAL
from eval.progress import ProgressCallback
from eval.protection import make_batches, protect_all, written_path
from eval.records import Record, RecordStore
from eval.scores import Aesthetics, expect_aesthetics, find_aesthetics, score_all
from eval.table import Summary, markdown, to_csv


@dataclass(frozen=True, kw_only=True)
class Table1Options(PhotoOptions):
    """What to evaluate.

    Attributes:
        runs: one after the other.
        batch_size: the most photos that are protected together.
        aesthetics: a metric's name, "auto", or "no".
        aesthetics_files: weights of a pyiqa metric.
        include_misclassified: take in what the classifier gets wrong when clean.
    """

    runs: tuple[Run, ...]
    batch_size: int
    aesthetics: str
    aesthetics_files: Sequence[Path]
    include_misclassified: bool


def measure_table1(options: Table1Options, progress: ProgressCallback) -> Measured:
    """Protect the images in each run, judge the written files, and write the table.

    Writes RUN/NAME.png, DAMAGE/NAME.png, records.jsonl, table1.md and table1.csv into the folder.
    Whatever stands there from an interrupted evaluation with the same options is taken over.

    Args:
        options: what to evaluate.
        progress: told as the work goes on.

    Returns:
        The table.

    Raises:
        EvaluationError: if it cannot be measured; what was finished is kept.
    """
    expect_aesthetics(options.aesthetics)
    names = [run.name for run in options.runs]
    with clean_photos(options, [*names, *DAMAGES], progress, runs=options.runs) as clean:
        store = clean.store
        chosen = clean.records if options.include_misclassified else clean.right
        failures = protect_all(
            options.images,
            make_batches(chosen, options.batch_size),
            options.runs,
            clean.classifier,
            store,
            seed=options.seed,
            batch_size=options.batch_size,
            out=options.out,
            progress=progress,
        )
        chosen = expect_some(chosen, failures)
        damage = damage_all(
            options.images,
            chosen,
            options.runs[0],
            clean.classifier,
            store,
            out=options.out,
            progress=progress,
        )
        changed = [(run, one.file) for run in (*names, *damage.done) for one in chosen]
        files = {key: Files(options.images / key[1], _path(options, *key)) for key in changed}
        failures |= look_at_all(_collect(store, changed), files, store, progress)
        chosen = expect_some(chosen, failures)
        keys = [(run, o.file) for run in (ORIGINAL, *names, *damage.done) for o in chosen]
        aesthetics = find_aesthetics(options.aesthetics, options.aesthetics_files, progress)
        missing = damage.missing
        if aesthetics.scorer is not None:
            paths = {key: _path(options, *key) for key in keys}
            missing += score_all(_collect(store, keys), paths, aesthetics.scorer, store, progress)
        store.tidy()
        records = _collect(store, keys)
        unreadable = {**clean.unreadable, **failures}
        summary = _summarise(options, clean, unreadable, aesthetics)
        text = markdown(records, summary)
        write_tables(options.out, {"table1.md": text, "table1.csv": to_csv(records, summary)})
        return Measured(text, unreadable, missing)


def _path(options: Table1Options, run: str, file: str) -> Path:
    return options.images / file if run == ORIGINAL else written_path(options.out, run, file)


def _collect(store: RecordStore, keys: Sequence[tuple[str, str]]) -> list[Record]:
    return [record for key in keys if (record := store.find(*key)) is not None]


def _summarise(
    options: Table1Options,
    clean: CleanPhotos,
    unreadable: Mapping[str, str],
    aesthetics: Aesthetics,
) -> Summary:
    classifier, dataset = clean.classifier, clean.dataset
    return Summary(
        folder=options.images.resolve().name,
        classifier=classifier.spec.name,
        view=classifier.view,
        weights_sha256=classifier.spec.weights.sha256,
        labels_file=dataset.labels_file,
        seed=options.seed,
        batch_size=options.batch_size,
        includes_misclassified=options.include_misclassified,
        misclassified=tuple(o.file for o in clean.records if not o.top1),
        unlabelled=dataset.unlabelled,
        foreign=dataset.foreign,
        absent=dataset.absent,
        ambiguous=dataset.ambiguous,
        unreadable=unreadable,
        others=dataset.others,
        damage_judged_by=options.runs[0].name,
        metric=None if aesthetics.scorer is None else aesthetics.scorer.title,
        aesthetics_cell=aesthetics.cell,
        aesthetics_note=aesthetics.note,
        versions=versions(),
    )
