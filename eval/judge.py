"""Judging a file on disk: whether a classifier finds the true class in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from cvpire.classifiers.classifier import Classifier, classify_sights
from cvpire.classifiers.registry import load_classifier
from cvpire.errors import CvpireError
from cvpire.images.reading import read_photo
from cvpire.reports.report import versions
from cvpire.runs import Run
from cvpire.weights.store import file_sha256
from eval.errors import EvaluationError
from eval.records import Record


class Judgement(NamedTuple):
    """Whether the true class is the first, and among the first five."""

    top1: bool
    top5: bool


def judge(logits: Tensor, label: int) -> Judgement:
    """Judge one photo by the position of its true class, which is found where any sight shows it.

    The class has as many above it as have larger logits: as the runs' conditions count.

    Args:
        logits: (sights, classes), of all that is seen of the photo, or (classes,) of one sight.
        label: position of the class.
    """
    above = int((logits > logits[..., label : label + 1]).sum(dim=-1).min())
    return Judgement(above < 1, above < 5)


def load_judge(name: str, view: str | None, runs: Sequence[Run] = ()) -> Classifier:
    """The classifier that is asked and that judges.

    Args:
        name: of the classifier.
        view: one of `VIEWS`; None for the classifier's own.
        runs: that are to be done with it.

    Raises:
        EvaluationError: for an unknown name or view, weights that are not there, or a run that
            cannot be done with its classes.
    """
    try:
        classifier = load_classifier(name, view=view)
        for run in runs:
            run.check(classifier.labels)
        return classifier
    except CvpireError as error:
        raise EvaluationError(str(error)) from error


def judge_settings(classifier: Classifier) -> dict[str, Any]:
    """What all outcomes depend on, as far as it is the classifier's and the code's."""
    return {
        "classifier": classifier.spec.name,
        "view": classifier.view,
        "weights_sha256": classifier.spec.weights.sha256,
        "versions": versions(),
    }


def judge_written(path: Path, sha256: str, classifier: Classifier, label: int) -> Judgement:
    """Judge a written file, as its reader gets it.

    Raises:
        EvaluationError: if the file is not what was written, or is gone.
        PhotoError: if it holds what was written, and that cannot be judged.
    """
    try:
        if file_sha256(path) != sha256:
            raise EvaluationError(
                f"{path} does not hold what was written to it a moment ago: another program has "
                "changed it, or the disk is damaged."
            )
    except OSError as error:
        raise EvaluationError(f"The written file {path} cannot be read again: {error}") from error
    return judge(classify_sights(read_photo(path), classifier), label)


def expect_settings(record: Record, settings: dict[str, Any], out: Path) -> None:
    """Refuse to go on where a record was made with other settings.

    Raises:
        EvaluationError: naming the first setting that differs.
    """
    before, now = _flat(record.settings), _flat(settings)
    for name in dict.fromkeys((*now, *before)):
        if before.get(name) != now.get(name):
            raise EvaluationError(
                f"{out} holds results of another evaluation ({record.run}, {record.file}: {name} "
                f"was {_short(before.get(name))} and is {_short(now.get(name))} now): choose "
                "another --out."
            )


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _short(value: object) -> str:
    text = str(value)
    return f"{text[:12]}..." if len(text) > 40 else text
