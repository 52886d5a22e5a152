"""The damaged photos of an evaluation: written beside the protected ones, and judged like them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from cvpire.classifiers.classifier import Classifier, classify
from cvpire.errors import PhotoError
from cvpire.images.encoders import on_white
from cvpire.images.photo import encode_png, write_bytes
from cvpire.images.reading import read_photo
from cvpire.metrics.difference import compare
from cvpire.reports.report import Verdict
from cvpire.runs import Run
from cvpire.weights.store import file_sha256
from eval.damage import DAMAGES, Damage, damaged
from eval.errors import EvaluationError
from eval.failures import photo_failure
from eval.judge import expect_settings, judge
from eval.progress import Progress, ProgressCallback
from eval.protection import written_path
from eval.records import Record, RecordStore

# Of a record's report: what its success was judged by. It is judged again where another is asked.
JUDGED_BY = "condition"


class Damaged(NamedTuple):
    """What came of damaging all photos.

    Attributes:
        done: names of the damage that every photo has a record of.
        missing: a sentence for each damage that is left out, on the photo that could not be had.
    """

    done: tuple[str, ...]
    missing: tuple[str, ...]


def damage_all(
    images: Path,
    originals: Sequence[Record],
    judged_by: Run,
    classifier: Classifier,
    store: RecordStore,
    *,
    out: Path,
    progress: ProgressCallback,
) -> Damaged:
    """Damage each photo in each way, write it as a PNG, and judge what was written.

    Args:
        images: their folder.
        originals: their clean records.
        judged_by: the run whose condition a success meets.
        classifier: the judge.
        store: of the records, added to.
        out: a folder, with one for each damage inside.
        progress: told after each photo.

    Raises:
        EvaluationError: if a record was made with other settings, or a file cannot be written.
    """
    work = _Work(images, judged_by, classifier, store, out)
    done: list[str] = []
    missing: list[str] = []
    total = len(DAMAGES) * len(originals)
    for number, damage in enumerate(DAMAGES.values()):
        for at, original in enumerate(originals):
            progress(Progress("Damaging", damage.name, number * len(originals) + at, total))
            try:
                work.do(damage, original)
            except Exception as error:
                sentence = photo_failure(error, original.file)
                # Every row of a table is of the same photos.
                missing.append(f"{damage.title} is not in the table: {sentence}")
                break
        else:
            done.append(damage.name)
    progress(Progress("Damaging", "", total, total))
    return Damaged(tuple(done), tuple(missing))


@dataclass(frozen=True, eq=False)
class _Work:
    """What `damage_all` is asked, the photos left out."""

    images: Path
    judged_by: Run
    classifier: Classifier
    store: RecordStore
    out: Path

    def do(self, damage: Damage, original: Record) -> None:
        """Damage a photo, as far as not yet done, and judge it by the condition."""
        path = written_path(self.out, damage.name, original.file)
        record = self.store.find(damage.name, original.file)
        if record is not None:
            expect_settings(record, self._settings(damage, original), self.out)
            if path.is_file() and file_sha256(path) == record.file_sha256:
                self._judge(record, path, original)
                return
        clean = on_white(read_photo(self.images / original.file))
        png = encode_png(damaged(damage, clean))
        try:
            write_bytes(path, png)
        except PhotoError as error:  # the disk's trouble, so that of all photos
            raise EvaluationError(str(error)) from error
        written = read_photo(path)
        unbounded = np.ones(written.pixels.shape[:2])
        difference = compare(clean.pixels, written.pixels, unbounded)._asdict()
        report: dict[str, Any] = {
            "difference": {k: None if math.isnan(v) else v for k, v in difference.items()},
            "steps": 0,
            "seconds": 0.0,
            "file_sha256": file_sha256(path),
            "verdict": Verdict.NOT_PROTECTED.value,
            JUDGED_BY: "",
        }
        settings = self._settings(damage, original)
        top1, top5 = judge(classify(written, self.classifier), original.label_position)
        new = original.of_run(damage.name, settings, top1, top5, report)
        self._judge(new, path, original)

    def _judge(self, record: Record, path: Path, original: Record) -> None:
        """Keep the record, judged by the run's condition, unless it was."""
        position = torch.tensor([original.label_position])
        condition = self.judged_by.condition(position, self.classifier.labels)
        report = record.report or {}
        if report[JUDGED_BY] == repr(condition):
            return
        logits = classify(read_photo(path), self.classifier)
        is_met = bool(condition.is_met(logits[None], margin=0.0))
        verdict = Verdict.PROTECTED if is_met else Verdict.NOT_PROTECTED
        new = {**report, JUDGED_BY: repr(condition), "verdict": verdict.value}
        self.store.append(replace(record, report=new))

    def _settings(self, damage: Damage, original: Record) -> dict[str, Any]:
        return {**original.settings, "label": original.label_position, "damage": damage.title}
