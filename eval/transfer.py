"""Transfer: what a protected photo does to a classifier that nobody attacked.

Each photo is protected from one classifier and shown to another. Its first guess is lost where it
differs from the one for the clean photo; beside it stands what blur, JPEG and noise of the same
SSIM do to the same photo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cvpire.classifiers.classifier import Classifier, classify
from cvpire.images.photo import Photo
from cvpire.images.transparency import WHITE, composite
from eval.controls import CONTROLS, control_of
from eval.errors import EvaluationError
from eval.judge import judge_settings, load_judge
from eval.output import Measured
from eval.progress import Progress, ProgressCallback
from eval.protected_photos import ProtectedOptions, ProtectedPhotos, protected_photos
from eval.transfer_table import TRANSFER, markdown


@dataclass(frozen=True, kw_only=True)
class TransferOptions(ProtectedOptions):
    """Which photos to protect, and whom to ask.

    Attributes:
        unseen: the name of the classifier that is not attacked.
    """

    unseen: str


def measure_transfer(options: TransferOptions, progress: ProgressCallback) -> Measured:
    """Protect the images that the classifier gets right, ask another, and return the table.

    Writes RUN/NAME.png, records.jsonl and transfer.md into the folder. Whatever stands there from
    an interrupted evaluation with the same options is taken over.

    Args:
        options: what to evaluate.
        progress: told as the work goes on.

    Raises:
        EvaluationError: if it cannot be measured; what was finished is kept.
    """
    attacked = load_judge(options.classifier, options.view, options.runs)
    # Both see the photo alike: what is asked for is another classifier, not another view.
    other = load_judge(options.unseen, attacked.view)
    if attacked.spec.name == other.spec.name:
        raise EvaluationError("The unseen classifier must be another than the attacked one.")
    for run in options.runs:
        if other.spec.name in run.search.ready_surrogates:
            raise EvaluationError(f"{run.name} attacks {other.spec.name} as well.")
    with protected_photos(options, progress) as photos:
        _ask_all(photos, other, progress)
        photos.look(progress)
        facts = {"not attacked": other.spec.name, **photos.facts}
        text = markdown(photos.records(), facts)
        return photos.write("transfer.md", text)


def _ask_all(photos: ProtectedPhotos, unseen: Classifier, progress: ProgressCallback) -> None:
    whom = judge_settings(unseen)
    total = len(photos.pairs)
    for done, (run, original) in enumerate(photos.pairs):
        progress(Progress(f"Asking {unseen.spec.name}", run.name, done, total))
        record = photos.record(run, original)
        asked = (record.report or {}).get(TRANSFER, {})
        if asked.get("unseen") != whom:
            with photos.attempt(original):
                # Of transparency, whoever reads photos for classifiers leaves what is seen on
                # white.
                clean, written = (composite(each, WHITE) for each in photos.read(run, original))
                answers = _ask(clean, written, record.difference.ssim, unseen)
                photos.note(record, TRANSFER, {"unseen": whom, **answers})
    progress(Progress(f"Asking {unseen.spec.name}", "", total, total))


def _ask(clean: Photo, written: Photo, similarity: float, unseen: Classifier) -> dict[str, Any]:
    first = _first(clean, unseen)
    controls = {}
    for name in CONTROLS:
        # A photo that is too small for SSIM has no control of the same one.
        control = None if math.isnan(similarity) else control_of(clean, name, similarity)
        if control is not None:
            damaged, found = control
            controls[name] = {"lost": _first(damaged, unseen) != first, "ssim": found}
    return {"lost": _first(written, unseen) != first, "controls": controls}


def _first(photo: Photo, classifier: Classifier) -> int:
    return int(classify(photo, classifier).argmax())
