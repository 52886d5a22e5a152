"""What is known about a protected photo: the verdict, in words too, and every figure."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import Enum
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cvpire
from cvpire.classifiers.classifier import Prediction
from cvpire.images.transparency import BACKGROUNDS
from cvpire.metrics.blotches import Blotch
from cvpire.metrics.difference import Difference
from cvpire.metrics.flip import has_flip
from cvpire.metrics.grades import Visibility
from cvpire.metrics.references import Reference


class Verdict(Enum):
    """What became of a photo."""

    PROTECTED = "protected"
    NOT_NEEDED = "not needed"
    NOT_PROTECTED = "not protected"
    FLAT = "flat"
    CLEAR = "clear"

    @property
    def is_success(self) -> bool:
        """Whether the written file meets the run's condition."""
        return self in (Verdict.PROTECTED, Verdict.NOT_NEEDED)


@dataclass(frozen=True)
class OnBackground:
    """What is known about a photo with transparency on one background.

    Attributes:
        background: "white" or "black".
        is_met: whether the run's condition holds for the written file there.
        was_met: whether it held for the original there.
        before: the classifier's five highest classes for the original there, best first.
        after: the same for the written file.
        label_probability_before: of the class to get away from, for the original.
        label_probability_after: of it, for the written file.
        difference, encoding, visibility, strongest: see `Report`.
    """

    background: str
    is_met: bool
    was_met: bool
    before: tuple[Prediction, ...]
    after: tuple[Prediction, ...]
    label_probability_before: float
    label_probability_after: float
    difference: Difference
    encoding: Difference | None
    visibility: Visibility
    strongest: Blotch | None


@dataclass(frozen=True)
class Report:
    """All that is known about one protected photo; plain values, ready for JSON.

    Of a photo with transparency, `label`, `before`, `after` and `references` are of what is seen on
    white, and `difference` and `encoding` have the worst value of each metric on the two
    backgrounds, but for `over_bound`, which counts colours as they are stored. `visibility` and
    `strongest` are the worse of the two as well. `backgrounds` has all of each.

    Attributes:
        verdict: what became of it.
        run: the run's name.
        settings: the run's m, kernel and sigma, and those of its search.
        condition: what was to be reached.
        classifier: its name.
        view: its view of the photo.
        weights_sha256: of the classifier's weights.
        label: the class to get away from, with its probability before.
        label_position: the same among the classifier's logits.
        label_is_given: False where it is the classifier's own first guess.
        before: the classifier's five highest classes for the original photo, best first.
        after: the same for the written file.
        label_probability_after: of `label`, for the written file.
        difference: between the original photo and the written file; its `over_bound` counts what
            was handed to the encoder, since a codec's own losses know no bound.
        encoding: between the original photo and the same encoded so: what the codec does alone.
            None where it does nothing.
        visibility: how visible the difference is, and by which yardsticks.
        strongest: the place where it is most visible; None where no pixel differs.
        references: what saving as a JPEG alone would do to this photo, measured; empty where a
            JPEG cannot be as wide or as high.
        backgrounds: of a photo with transparency, the figures on white and on black; else none.
        steps: optimiser steps taken.
        max_steps: the most that there could have been.
        seed: of the search's random draws.
        seconds: what it took, reading and writing of files left out; a share of its batch's.
        pixels_sha256: of the original's pixels (and transparency), as read.
        file_format: of the protected file, with its quality.
        file_bytes: its size.
        file_sha256: of the protected file.
        would_pass: where the photo is not protected in this format, one in which it would be.
        versions: of what computed this.

    Example:
        >>> import numpy as np
        >>> from cvpire import Photo, protect
        >>> flat = Photo(np.full((64, 64, 3), 128, np.uint8))
        >>> protect(flat, run="Invisible").report.sentence()[:47]
        'Not protected: this photo has the same colour e'
    """

    verdict: Verdict
    run: str
    settings: dict[str, Any]
    condition: str
    classifier: str
    view: str
    weights_sha256: str
    label: Prediction
    label_position: int
    label_is_given: bool
    before: tuple[Prediction, ...]
    after: tuple[Prediction, ...]
    label_probability_after: float
    difference: Difference
    encoding: Difference | None
    visibility: Visibility
    strongest: Blotch | None
    references: tuple[Reference, ...]
    backgrounds: tuple[OnBackground, ...]
    steps: int
    max_steps: int
    seed: int
    seconds: float
    pixels_sha256: str
    file_format: str
    file_bytes: int
    file_sha256: str
    would_pass: str
    versions: dict[str, str]

    def as_record(self) -> dict[str, object]:
        """The report as plain dicts, lists, numbers and strings."""
        record = {**asdict(self), **_plain_figures(self)}
        record["verdict"] = self.verdict.value
        record["label"] = self.label._asdict()
        record["references"] = {r.file_format: _reference(r) for r in self.references} or None
        record["backgrounds"] = {
            one.background: {**asdict(one), **_plain_figures(one)} for one in self.backgrounds
        } or None
        return record

    def sentence(self) -> str:
        """The verdict in words."""
        label = self.label.name
        match self.verdict:
            case Verdict.PROTECTED:
                return f"Protected: {self.classifier} {self._protected()}."
            case Verdict.NOT_NEEDED:
                state = "as it is" if self.encoding is None else f"saved as {self.file_format}"
                where = ", on white or on black" if self.backgrounds else ""
                return (
                    f"Nothing to do: {self.classifier} does not recognise {label} in this photo "
                    f"{state}{where}; no pixel was changed."
                )
            case Verdict.FLAT:
                where = " on white or on black" if self.backgrounds else ""
                return (
                    f"Not protected: this photo has the same colour everywhere{where}, so there is "
                    "no place where a change would stay unseen."
                )
            case Verdict.CLEAR:
                return (
                    "Not protected: every pixel of this photo is clear, so there is nothing to see "
                    "and nothing to change."
                )
            case Verdict.NOT_PROTECTED:
                advice = (
                    f"as {self.would_pass}, in a larger file, it would be protected."
                    if self.would_pass
                    else "a run with a wider bound may succeed."
                )
                saved = "" if self.encoding is None else f" as {self.file_format}"
                return (
                    f"Not protected{saved}: {self._not_protected()} after {self.steps} steps; "
                    f"{advice}"
                )

    def _protected(self) -> str:
        label, first = self.label, self.after[0]
        if self.backgrounds:
            before = _on_each(f"{b.label_probability_before:.1%}" for b in self.backgrounds)
            after = _on_each(f"{b.label_probability_after:.1%}" for b in self.backgrounds)
            firsts = _on_each(
                f"{b.after[0].name} ({b.after[0].probability:.1%})" for b in self.backgrounds
            )
            return (
                f"gave {label.name} {before} in this photo, gives it {after} in the written file, "
                f"and takes that for {firsts}"
            )
        if label != self.before[0]:
            return (
                f"gave {label.name} {label.probability:.1%} in this photo and gives it "
                f"{self.label_probability_after:.1%} in the written file, which it takes for "
                f"{first.name} ({first.probability:.1%})"
            )
        return (
            f"took this photo for {label.name} ({label.probability:.1%}) and now takes the written "
            f"file for {first.name} ({first.probability:.1%})"
        )

    def _not_protected(self) -> str:
        label = self.label.name
        met = [one for one in self.backgrounds if one.is_met]
        unmet = [one for one in self.backgrounds if not one.is_met]
        if met and unmet:
            no_longer = "is not" if met[0].was_met else "is no longer"
            return (
                f"on {met[0].background} {label} {no_longer} recognised, on {unmet[0].background} "
                f"it still is ({label} {unmet[0].label_probability_after:.1%})"
            )
        share = f"{self.label_probability_after:.1%}"
        if self.backgrounds:
            share = _on_each(f"{b.label_probability_after:.1%}" for b in self.backgrounds)
        return f"{self.classifier} still sees {label} ({share})"


def _on_each(values: Iterable[str]) -> str:
    """What holds on each of the backgrounds: "41.0% on white and 30.2% on black"."""
    return " and ".join(
        f"{value} on {b.name}" for value, b in zip(values, BACKGROUNDS, strict=True)
    )


def _plain_figures(of: Report | OnBackground) -> dict[str, object]:
    """Predictions, differences and their grade as JSON has them."""
    return {
        "before": [prediction._asdict() for prediction in of.before],
        "after": [prediction._asdict() for prediction in of.after],
        "difference": _as_json(of.difference),
        "encoding": None if of.encoding is None else _as_json(of.encoding),
        "visibility": of.visibility.as_record(),
        "strongest": None if of.strongest is None else of.strongest._asdict(),
    }


@cache
def versions() -> dict[str, str]:
    """Of this project, of its very code, and of the packages that its results depend on.

    Looked up once: a file that is replaced while the process lives does not change what runs.
    """
    names = ("torch", "torchvision", "numpy", "pillow", "scikit-image", "scipy")
    packages = {name: version(name) for name in names}
    if has_flip():
        packages["flip-evaluator"] = version("flip-evaluator")
    code = hashlib.sha256()
    root = Path(cvpire.__file__).parent
    for path in sorted(root.rglob("*.py")):
        code.update(str(path.relative_to(root)).encode() + path.read_bytes())
    own = {"cvpire": cvpire.__version__, "code": code.hexdigest()[:12]}
    return {**own, "python": platform.python_version(), **packages}


def _reference(reference: Reference) -> dict[str, object]:
    return {
        "visibility": reference.visibility.as_record(),
        "difference": _as_json(reference.difference),
        "columns": list(reference.columns),
        "is_whole": reference.is_whole,
    }


def _as_json(difference: Difference) -> dict[str, float | None]:
    """JSON has no NaN: what cannot be computed is null."""
    return {name: None if value != value else value for name, value in difference._asdict().items()}
