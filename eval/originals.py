"""The clean photos: what the classifier makes of each, before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cvpire.classifiers.classifier import Classifier, classify_sights
from cvpire.images.reading import read_photo
from cvpire.weights.store import file_sha256
from eval.dataset import Dataset, Item
from eval.failures import photo_failure
from eval.judge import expect_settings, judge, judge_settings
from eval.paper import ORIGINAL
from eval.progress import Progress, ProgressCallback
from eval.records import Record, RecordStore


class Originals(NamedTuple):
    """The clean photos of a data set.

    Attributes:
        records: of those that could be judged, in the data set's order.
        unreadable: name -> why, of the others.
    """

    records: tuple[Record, ...]
    unreadable: Mapping[str, str]


def judge_originals(
    dataset: Dataset,
    classifier: Classifier,
    store: RecordStore,
    *,
    out: Path,
    progress: ProgressCallback,
) -> Originals:
    """Judge each clean photo, or take its record.

    Args:
        dataset: the images.
        classifier: the judge.
        store: of the records.
        out: of the evaluation, for messages.
        progress: told after each image.

    Raises:
        EvaluationError: if a record was made with other settings, or cannot be written.
    """
    records: list[Record] = []
    unreadable: dict[str, str] = dict(dataset.refused)
    for done, item in enumerate(dataset.items):
        progress(Progress("Looking at the clean photos", "", done, len(dataset.items)))
        # A file that cannot be hashed cannot be read either; read_photo has the better words.
        try:
            digest = file_sha256(item.path) if item.path.is_file() else ""
        except OSError:
            digest = ""
        own = {**judge_settings(classifier), "label": item.label, "input_sha256": digest}
        record = store.find(ORIGINAL, item.file)
        if record is not None:
            expect_settings(record, own, out)
        else:
            try:
                record = _judge(item, classifier, own)
            except Exception as error:
                unreadable[item.file] = photo_failure(error, item.file)
                continue
            store.append(record)
        records.append(record)
    progress(Progress("Looking at the clean photos", "", len(dataset.items), len(dataset.items)))
    return Originals(tuple(records), unreadable)


def _judge(item: Item, classifier: Classifier, settings: dict[str, Any]) -> Record:
    photo = read_photo(item.path)
    logits = classify_sights(photo, classifier)
    label = int(logits[0].argmax()) if item.label is None else item.label
    top1, top5 = judge(logits, label)
    return Record(
        run=ORIGINAL,
        file=item.file,
        settings=settings,
        size=(photo.height, photo.width),
        label=classifier.labels.indices[label],
        label_position=label,
        label_name=classifier.labels.names[label],
        label_is_given=item.label is not None,
        top1=top1,
        top5=top5,
    )
