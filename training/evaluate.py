"""`python -m training.evaluate PHOTOS`: how often the embedded classifier is right.

PHOTOS is a zip or a folder with a folder for each class, or a folder with a `labels.csv`. Exit
codes: 0 measured, 1 some photos could not be read, 2 the command was wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cvpire.classifiers.classifier import Classifier, classify
from cvpire.classifiers.registry import CLASSIFIERS, load_classifier
from cvpire.errors import CvpireError, PhotoError
from cvpire.images.views import VIEWS
from eval.dataset import listing
from eval.errors import EvaluationError
from eval.progress import Progress, ProgressCallback, ProgressLine
from training.photos import LabelledPhoto, find_photos

_TOP_K = 5
_WORST = 5


class Answer(NamedTuple):
    """What a classifier made of one photo.

    Attributes:
        label: position of the true class.
        top1: whether it was the first guess.
        top5: whether it was among the first five.
        seconds: of the classification, reading left out.
    """

    label: int
    top1: bool
    top5: bool
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description="Measure a classifier's accuracy on labelled photos of any size.",
    )
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="a zip or a folder")
    parser.add_argument(
        "--classifier", default="scenes", metavar="NAME", help=", ".join(("auto", *CLASSIFIERS))
    )
    parser.add_argument("--view", choices=VIEWS, help="default: the classifier's own")
    options = parser.parse_args(arguments)
    line = ProgressLine(sys.stderr)
    try:
        classifier = load_classifier(options.classifier, view=options.view)
        found = find_photos(options.photos, classifier.labels)
        answers, unreadable = measure(classifier, found.photos, line)
    except CvpireError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("evaluate: interrupted.", file=sys.stderr)
        return 130
    finally:
        line.clear()
    print(f"{options.photos.name}, {classifier.spec.name}, view {classifier.view}")
    print(summary(answers, classifier.labels.names))
    if found.unknown_classes:
        print(
            f"evaluate: left out {len(found.unknown_classes)} folders that are no class of "
            f"{classifier.spec.name}: {listing(found.unknown_classes)}.",
            file=sys.stderr,
        )
    for reason in unreadable:
        print(f"evaluate: left out {reason}", file=sys.stderr)
    return 1 if unreadable else 0


def measure(
    classifier: Classifier, photos: Sequence[LabelledPhoto], progress: ProgressCallback
) -> tuple[list[Answer], list[str]]:
    """Classify photos one at a time, as the page does.

    Args:
        classifier: with its view.
        photos: labelled among its logits.
        progress: told after each.

    Returns:
        An answer for each photo that could be read, and why the others could not.

    Raises:
        EvaluationError: if none could be read.
    """
    answers, unreadable = [], []
    for done, photo in enumerate(photos):
        progress(Progress("Classifying", "", done, len(photos)))
        try:
            pixels = photo.read()
            started = time.perf_counter()
            logits = classify(pixels, classifier)
        except PhotoError as error:
            unreadable.append(f"{photo.name}: {error}")
            continue
        seconds = time.perf_counter() - started
        order = logits.topk(min(_TOP_K, len(logits))).indices.tolist()
        answers.append(Answer(photo.label, order[0] == photo.label, photo.label in order, seconds))
    if not answers:
        raise EvaluationError(f"None of the {len(photos)} photos could be read: {unreadable[0]}")
    return answers, unreadable


def summary(answers: Sequence[Answer], names: Sequence[str]) -> str:
    """The figures in words, a line each.

    Args:
        answers: at least one.
        names: of the classes, in the order of the logits.
    """
    by_class: dict[int, list[bool]] = {}
    for answer in answers:
        by_class.setdefault(answer.label, []).append(answer.top1)
    shares = {label: sum(right) / len(right) for label, right in by_class.items()}
    worst = sorted(shares, key=lambda label: (shares[label], names[label]))[:_WORST]
    milliseconds = sorted(answer.seconds * 1e3 for answer in answers)[len(answers) // 2]
    return "\n".join(
        (
            f"photos   {len(answers)} of {len(by_class)} classes",
            f"top-1    {sum(answer.top1 for answer in answers) / len(answers):.4f}",
            f"top-5    {sum(answer.top5 for answer in answers) / len(answers):.4f}",
            f"a photo  {milliseconds:.0f} ms (median, reading left out)",
            "weakest  " + ", ".join(f"{names[label]} {shares[label]:.2f}" for label in worst),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
