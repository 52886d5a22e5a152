"""The damaged photos of an evaluation: written beside the protected ones, and judged like them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cvpire.classifiers import Classifier, classify_sights
from cvpire.encoders import on_white
from cvpire.errors import PhotoError
from cvpire.images.photo import encode_png, write_bytes
from cvpire.images.reading import read_photo
from cvpire.metrics import compare
from cvpire.report import Verdict
from cvpire.runs import Run
from cvpire.weights import file_sha256
from eval.damage import DAMAGES, Damage, damaged
from eval.errors import EvaluationError
from eval.failures import photo_failure
from eval.judge import expect_settings, judge
from eval.progress import Progress, ProgressCallback
from eval.protection import written_path
from eval.records import Record, RecordStore

# Of a record's report: what its success was judged by. It is judged again where another is asked.
JUDGED_BY = "condition"


@dataclass(frozen=True, eq=False)
class DamagedPhotos:
    """The damage that could be done to all photos.

    Attributes:
        records: by the damage's name, of all photos in their order.
        missing: a sentence for each damage that is left out, with the photo that could not be had.
    """

    records: dict[str, list[Record]]
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
) -> DamagedPhotos:
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
    found: dict[str, list[Record]] = {}
    missing: list[str] = []
    total, done = len(DAMAGES) * len(originals), 0
    for damage in DAMAGES.values():
        records = []
        for original in originals:
            progress(Progress("Damaging", damage.name, done, total))
            done += 1
            try:
                records.append(work.record(damage, original))
            except Exception as error:
                sentence = photo_failure(error, original.file)
                missing.append(f"{damage.title} is not in the table: {sentence}")
                done += len(originals) - len(records) - 1
                break
        else:
            found[damage.name] = records
    progress(Progress("Damaging", "", total, total))
    return DamagedPhotos(found, tuple(missing))


@dataclass(frozen=True, eq=False)
class _Work:
    """What `damage_all` is asked, the photos left out."""

    images: Path
    judged_by: Run
    classifier: Classifier
    store: RecordStore
    out: Path

    def record(self, damage: Damage, original: Record) -> Record:
        """The record of a photo in a damage: the one that is there, or a new one."""
        path = written_path(self.out, damage.name, original.file)
        record = self.store.find(damage.name, original.file)
        if record is not None:
            expect_settings(record, self._settings(damage, original), self.out)
            if path.is_file() and file_sha256(path) == record.file_sha256:
                return self._judged(record, path, original)
        clean = on_white(read_photo(self.images / original.file))
        try:
            write_bytes(path, encode_png(damaged(damage, clean)))
        except PhotoError as error:
            # The disk's trouble is that of all photos; damage that cannot be done is this one's.
            if isinstance(error.__cause__, OSError):
                raise EvaluationError(str(error)) from error
            raise
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
        new = original.of_run(damage.name, self._settings(damage, original), False, False, report)
        return self._judged(new, path, original)

    def _judged(self, record: Record, path: Path, original: Record) -> Record:
        """The record, judged by the run's condition; kept if that is news."""
        label = original.label_position
        condition = self.judged_by.condition(torch.tensor([label]), self.classifier.labels)
        report = record.report or {}
        if report[JUDGED_BY] == repr(condition):
            return record
        logits = classify_sights(read_photo(path), self.classifier)
        top1, top5 = judge(logits, label)
        is_met = bool(condition.is_met(logits, margin=0.0).all())
        verdict = Verdict.PROTECTED if is_met else Verdict.NOT_PROTECTED
        judged = record.of_run(
            record.run,
            record.settings,
            top1,
            top5,
            {**report, JUDGED_BY: repr(condition), "verdict": verdict.value},
        )
        self.store.append(judged)
        return judged

    def _settings(self, damage: Damage, original: Record) -> dict[str, Any]:
        return {**original.settings, "label": original.label_position, "damage": damage.title}
