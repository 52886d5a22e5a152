"""Transfer: what a protected photo does to a classifier that nobody attacked.

Each photo is protected from one classifier and shown to another. Its first guess is lost where it
differs from the one for the clean photo; beside it stands what blur, JPEG and noise of the same
SSIM do to the same photo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cvpire.classifiers import Classifier
from cvpire.photo import Photo, PhotoError, read_photo, write_bytes
from cvpire.protect import classify, versions
from eval.controls import CONTROLS, control_of
from eval.dataset import load_dataset
from eval.errors import EvaluationError
from eval.judge import load_judge
from eval.originals import judge_originals
from eval.output import check_out, sole_user
from eval.progress import Progress, ProgressCallback
from eval.protection import make_batches, protect_all, written_path
from eval.records import Record, RecordStore
from eval.table1 import select_runs
from eval.transfer_table import TRANSFER, markdown


@dataclass(frozen=True)
class TransferOptions:
    """What to evaluate.

    Attributes:
        images: their folder.
        labels: a CSV, or None for the classifier's own first guesses.
        classifier: that is attacked.
        view: of `cvpire.views.VIEWS`, or None for the classifier's own.
        unseen: the classifier that is not.
        runs: names separated by commas.
        limit: take only that many images, or None.
        seed: of whatever is random.
        out: the folder to write to.
    """

    images: Path
    labels: Path | None
    classifier: str
    view: str | None
    unseen: str
    runs: str
    limit: int | None
    seed: int
    out: Path


@dataclass(frozen=True)
class Transfer:
    """The result.

    Attributes:
        markdown: caption and table.
        unreadable: name -> why, of images that could not be looked at.
    """

    markdown: str
    unreadable: Mapping[str, str]


def measure_transfer(options: TransferOptions, progress: ProgressCallback) -> Transfer:
    """Protect the images that the classifier gets right, ask the other, and return the table.

    Writes RUN/NAME.png, records.jsonl and transfer.md into the folder. Whatever stands there from
    an interrupted evaluation with the same options is taken over.

    Args:
        options: what to evaluate.
        progress: told as the work goes on.

    Raises:
        EvaluationError: if it cannot be measured; what was finished is kept.
    """
    runs = select_runs(options.runs)
    classifier = load_judge(options.classifier, options.view)
    unseen = load_judge(options.unseen, options.view)
    if unseen.spec.name == classifier.spec.name:
        raise EvaluationError("The unseen classifier must be another than the attacked one.")
    for run in runs:
        if unseen.spec.name in run.attacked_besides:
            raise EvaluationError(f"{run.name} attacks {unseen.spec.name} as well.")
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
        )
        records = {
            run.name: _ask_all(options, run.name, chosen, unseen, store, progress) for run in runs
        }
        store.tidy()
        text = markdown(
            records,
            {
                "images": len(chosen),
                "folder": options.images.resolve().name,
                "attacked": classifier.spec.name,
                "not attacked": unseen.spec.name,
                "view": classifier.view,
                "seed": options.seed,
                **versions(),
            },
        )
        try:
            write_bytes(options.out / "transfer.md", text.encode())
        except PhotoError as error:
            raise EvaluationError(str(error)) from error
    return Transfer(text, originals.unreadable)


def _ask_all(
    options: TransferOptions,
    run: str,
    chosen: list[Record],
    unseen: Classifier,
    store: RecordStore,
    progress: ProgressCallback,
) -> list[Record]:
    """The run's records, each with what the unseen classifier makes of photo and controls."""
    records = []
    for done, original in enumerate(chosen):
        progress(Progress(f"Asking {unseen.spec.name}", run, done, len(chosen)))
        record = store.find(run, original.file)
        assert record is not None and record.report is not None
        if record.report.get(TRANSFER, {}).get("unseen") != unseen.spec.name:
            try:
                clean = read_photo(options.images / original.file)
                written = read_photo(written_path(options.out, run, original.file))
            except PhotoError as error:
                raise EvaluationError(str(error)) from error
            answers = _ask(clean, written, record.difference.ssim, unseen)
            record = replace(record, report={**record.report, TRANSFER: answers})
            store.append(record)
        records.append(record)
    progress(Progress(f"Asking {unseen.spec.name}", run, len(chosen), len(chosen)))
    return records


def _ask(clean: Photo, written: Photo, similarity: float, unseen: Classifier) -> dict[str, Any]:
    first = _first(clean, unseen)
    photos = {name: control_of(clean, name, similarity) for name in CONTROLS}
    return {
        "unseen": unseen.spec.name,
        "lost": _first(written, unseen) != first,
        "controls": {name: _first(photo, unseen) != first for name, photo in photos.items()},
    }


def _first(photo: Photo, classifier: Classifier) -> int:
    return int(classify(photo, classifier).argmax())
