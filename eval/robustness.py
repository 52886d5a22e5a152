"""What survives: each protected photo, and its original as a control, through all transformations.

A photo counts where a transformation does something to it. `kept` is the share of photo x
transformation after which the class is not among the classifier's five highest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cvpire.classifiers import Classifier
from cvpire.formats import FileFormat
from cvpire.photo import PhotoError, read_photo, write_bytes
from cvpire.protect import versions
from cvpire.rehearsal import Scene, rehearse
from cvpire.runs import Run
from eval.dataset import load_dataset
from eval.errors import EvaluationError
from eval.judge import load_judge
from eval.originals import judge_originals
from eval.output import check_out, sole_user
from eval.progress import Progress, ProgressCallback
from eval.protection import make_batches, protect_all, written_path
from eval.records import Record, RecordStore
from eval.robustness_table import AS_WRITTEN, REHEARSAL, markdown
from eval.table1 import select_runs


@dataclass(frozen=True)
class RobustnessOptions:
    """What to evaluate.

    Attributes:
        images: their folder.
        labels: a CSV, or None for the classifier's own first guesses.
        classifier: its name.
        view: of `cvpire.views.VIEWS`, or None for the classifier's own.
        runs: names separated by commas.
        limit: take only that many images, or None.
        seed: of whatever is random.
        file_format: of the protected files.
        out: the folder to write to.
    """

    images: Path
    labels: Path | None
    classifier: str
    view: str | None
    runs: str
    limit: int | None
    seed: int
    file_format: FileFormat
    out: Path


@dataclass(frozen=True)
class Robustness:
    """The result.

    Attributes:
        markdown: caption and tables.
        unreadable: name -> why, of images that could not be looked at.
    """

    markdown: str
    unreadable: Mapping[str, str]


def measure_robustness(options: RobustnessOptions, progress: ProgressCallback) -> Robustness:
    """Protect the images that the classifier gets right, rehearse each, and return the tables.

    Writes RUN/NAME, records.jsonl and robustness.md into the folder. Whatever stands there
    from an interrupted evaluation with the same options is taken over.

    Args:
        options: what to evaluate.
        progress: told as the work goes on.

    Raises:
        EvaluationError: if it cannot be measured; what was finished is kept.
    """
    runs = select_runs(options.runs)
    classifier = load_judge(options.classifier, options.view)
    dataset = load_dataset(options.images, options.labels, classifier.labels, limit=options.limit)
    check_out(options.images, options.out, [run.name for run in runs])
    with sole_user(options.out, [run.name for run in runs]):
        store = RecordStore(options.out / "records.jsonl")
        originals = judge_originals(dataset, classifier, store, out=options.out, progress=progress)
        chosen = [original for original in originals.records if original.top1]
        if not chosen:
            raise EvaluationError("The classifier gets none of the images right when clean.")
        protect_all(
            options.images,
            make_batches(chosen, 1),
            runs,
            classifier,
            store,
            seed=options.seed,
            batch_size=1,
            out=options.out,
            progress=progress,
            file_format=options.file_format,
        )
        _rehearse_all(options, runs, chosen, classifier, store, progress)
        store.tidy()
        text = markdown(
            {run.name: [_record(store, run, original) for original in chosen] for run in runs},
            {
                "images": len(chosen),
                "folder": options.images.resolve().name,
                "classifier": classifier.spec.name,
                "view": classifier.view,
                "seed": options.seed,
                "files": options.file_format,
                **versions(),
            },
        )
        try:
            write_bytes(options.out / "robustness.md", text.encode())
        except PhotoError as error:
            raise EvaluationError(str(error)) from error
    return Robustness(text, originals.unreadable)


def _rehearse_all(
    options: RobustnessOptions,
    runs: Sequence[Run],
    chosen: Sequence[Record],
    classifier: Classifier,
    store: RecordStore,
    progress: ProgressCallback,
) -> None:
    total, done = len(runs) * len(chosen), 0
    for run in runs:
        for original in chosen:
            progress(Progress("Rehearsing", run.name, done, total))
            done += 1
            record = _record(store, run, original)
            if record.report is None or REHEARSAL in record.report:
                continue
            try:
                outcomes = rehearse(
                    read_photo(
                        written_path(options.out, run.name, original.file, options.file_format)
                    ),
                    read_photo(options.images / original.file),
                    [Scene(classifier, original.label_position, is_attacked=True)],
                )
            except PhotoError as error:
                raise EvaluationError(str(error)) from error
            kept = {
                outcome.transformation.name if outcome.transformation else AS_WRITTEN: (
                    outcome.protected.is_lost,
                    outcome.control is not None and outcome.control.is_lost,
                )
                for outcome in outcomes
            }
            store.append(replace(record, report={**record.report, REHEARSAL: kept}))
    progress(Progress("Rehearsing", "", total, total))


def _record(store: RecordStore, run: Run, original: Record) -> Record:
    record = store.find(run.name, original.file)
    assert record is not None
    return record
