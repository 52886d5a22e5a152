"""Where each evaluation of photos begins: a folder for results, and the clean photos, judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cvpire.classifiers.classifier import Classifier
from cvpire.cli.console import printable
from cvpire.images.folder import others_phrase
from cvpire.reports.report import versions
from cvpire.runs import Run
from eval.dataset import Dataset, load_dataset
from eval.errors import EvaluationError
from eval.judge import load_judge
from eval.originals import judge_originals
from eval.output import check_out, sole_user
from eval.progress import ProgressCallback
from eval.records import Record, RecordStore


@dataclass(frozen=True, kw_only=True)
class PhotoOptions:
    """Which photos to evaluate, and by which classifier.

    Attributes:
        images: their folder.
        labels: a CSV, or None for the classifier's own first guesses.
        classifier: its name.
        view: of `cvpire.images.views.VIEWS`, or None for the classifier's own.
        limit: take only that many images, or None.
        seed: of whatever is random.
        out: the folder to write to.
    """

    images: Path
    labels: Path | None
    classifier: str
    view: str | None
    limit: int | None
    seed: int
    out: Path


@dataclass(frozen=True, eq=False)
class CleanPhotos:
    """The clean photos of an evaluation, judged.

    Attributes:
        options: which photos.
        classifier: that judges, and is attacked.
        dataset: where they come from.
        records: of the photos that could be judged, in the data set's order.
        unreadable: name -> why, of the others.
        store: of all records of the evaluation.
    """

    options: PhotoOptions
    classifier: Classifier
    dataset: Dataset
    records: tuple[Record, ...]
    unreadable: Mapping[str, str]
    store: RecordStore

    @property
    def right(self) -> tuple[Record, ...]:
        """Of the photos that the classifier gets right.

        Raises:
            EvaluationError: if there is none.
        """
        right = tuple(record for record in self.records if record.top1)
        if not right:
            raise EvaluationError(
                f"The classifier gets none of the {len(self.records)} images right when clean, so "
                "the table would be empty: check --labels and --classifier, or let `table1 "
                "--include-misclassified` take them in."
            )
        return right

    @property
    def facts(self) -> dict[str, object]:
        """For the caption of a table of the photos that the classifier gets right."""
        others = printable(others_phrase(self.dataset.others))
        return {
            "images": len(self.right),
            "folder": printable(self.options.images.resolve().name),
            "classifier": self.classifier.spec.name,
            "view": self.classifier.view,
            "seed": self.options.seed,
            **({"left out of the folder": others} if others else {}),
            **versions(),
        }


@contextmanager
def clean_photos(
    options: PhotoOptions,
    folders: Sequence[str],
    progress: ProgressCallback,
    *,
    runs: Sequence[Run] = (),
) -> Iterator[CleanPhotos]:
    """Judge the clean photos, as far as not yet done.

    While it is open, no other evaluation writes to the folder.

    Args:
        options: which photos.
        folders: names of the folders of written files, inside that of the results.
        progress: told after each photo.
        runs: that are to be done with the classifier.

    Raises:
        EvaluationError: if none can be judged, or a run cannot be done; what was finished is kept.
    """
    classifier = load_judge(options.classifier, options.view, runs)
    dataset = load_dataset(options.images, options.labels, classifier.labels, limit=options.limit)
    check_out(options.images, options.out, folders)
    with sole_user(options.out, folders):
        store = RecordStore(options.out / "records.jsonl")
        found = judge_originals(dataset, classifier, store, out=options.out, progress=progress)
        if not found.records:
            first = next(iter(found.unreadable.values()))
            raise EvaluationError(
                f"None of the {len(found.unreadable)} images can be looked at; the first: {first}"
            )
        yield CleanPhotos(options, classifier, dataset, found.records, found.unreadable, store)
