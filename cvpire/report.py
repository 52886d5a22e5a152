"""What is known about a protected photo: the verdict, in words too, and every figure."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import asdict, dataclass
from enum import Enum
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cvpire import __version__
from cvpire.classifiers import Prediction
from cvpire.metrics import Difference


class Verdict(Enum):
    """What became of a photo."""

    PROTECTED = "protected"
    NOT_NEEDED = "not needed"
    NOT_PROTECTED = "not protected"
    FLAT = "flat"
    STOPPED = "stopped"

    @property
    def is_success(self) -> bool:
        """Whether the written file meets the run's condition."""
        return self in (Verdict.PROTECTED, Verdict.NOT_NEEDED)


@dataclass(frozen=True)
class Report:
    """All that is known about one protected photo; plain values, ready for JSON.

    Attributes:
        verdict: what became of it.
        run: the run's name.
        settings: the run's m, kernel and sigma, and those of its search.
        condition: what was to be reached.
        classifier: its name.
        view: its view of the photo.
        weights_sha256: of the classifier's weights.
        label: the class to get away from, with its probability before.
        label_is_given: False where it is the classifier's own first guess.
        before: the classifier's five highest classes for the original photo, best first.
        after: the same for the written file.
        label_probability_after: of `label`, for the written file.
        difference: between the original photo and the written file; its `over_bound` counts what
            was handed to the encoder, since a codec's own losses know no bound.
        encoding: between the original photo and the same encoded so: what the codec does alone.
            None where it does nothing.
        steps: optimiser steps taken.
        max_steps: the most that there could have been.
        seed: of whatever is random.
        seconds: what it took, reading and writing of files left out; a share of its batch's.
        pixels_sha256: of the original's pixels (and transparency), as read.
        file_format: of the protected file, with its quality.
        file_bytes: its size.
        file_sha256: of the protected file.
        would_pass: where the photo is not protected in this format, one in which it would be.
        versions: of what computed this.
    """

    verdict: Verdict
    run: str
    settings: dict[str, Any]
    condition: str
    classifier: str
    view: str
    weights_sha256: str
    label: Prediction
    label_is_given: bool
    before: tuple[Prediction, ...]
    after: tuple[Prediction, ...]
    label_probability_after: float
    difference: Difference
    encoding: Difference | None
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
        record = asdict(self)
        record["verdict"] = self.verdict.value
        record["label"] = self.label._asdict()
        record["before"] = [prediction._asdict() for prediction in self.before]
        record["after"] = [prediction._asdict() for prediction in self.after]
        record["difference"] = _as_json(self.difference)
        record["encoding"] = None if self.encoding is None else _as_json(self.encoding)
        return record

    def sentence(self) -> str:
        """The verdict in words."""
        label, first = self.label.name, self.after[0].name
        match self.verdict:
            case Verdict.PROTECTED if self.label != self.before[0]:
                return (
                    f"Protected: {self.classifier} gave {label} {self.label.probability:.1%} in "
                    f"this photo and gives it {self.label_probability_after:.1%} in the written "
                    f"file, which it takes for {first} ({self.after[0].probability:.1%})."
                )
            case Verdict.PROTECTED:
                return (
                    f"Protected: {self.classifier} took this photo for {label} "
                    f"({self.label.probability:.1%}) and now takes the written file for {first} "
                    f"({self.after[0].probability:.1%})."
                )
            case Verdict.NOT_NEEDED:
                state = "as it is" if self.encoding is None else f"saved as {self.file_format}"
                return (
                    f"Nothing to do: {self.classifier} does not recognise {label} in this photo "
                    f"{state}; no pixel was changed."
                )
            case Verdict.FLAT:
                return (
                    "Not protected: this photo has the same colour everywhere, so there is no "
                    "place where a change would stay unseen."
                )
            case Verdict.STOPPED:
                return f"Stopped after {self.steps} steps; the photo is not protected."
            case Verdict.NOT_PROTECTED:
                advice = (
                    f"as {self.would_pass}, in a larger file, it would be protected."
                    if self.would_pass
                    else "a run with a wider bound may succeed."
                )
                saved = "" if self.encoding is None else f" as {self.file_format}"
                return (
                    f"Not protected{saved}: {self.classifier} still sees {label} "
                    f"({self.label_probability_after:.1%}) after {self.steps} steps; {advice}"
                )


@cache
def versions() -> dict[str, str]:
    """Of this project, of its very code, and of the packages that its results depend on."""
    names = ("torch", "torchvision", "numpy", "pillow", "scikit-image")
    packages = {name: version(name) for name in names}
    code = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        code.update(str(path.relative_to(root)).encode() + path.read_bytes())
    own = {"cvpire": __version__, "code": code.hexdigest()[:12]}
    return {**own, "python": platform.python_version(), **packages}


def _as_json(difference: Difference) -> dict[str, float | None]:
    """JSON has no NaN: what cannot be computed is null."""
    return {name: None if value != value else value for name, value in difference._asdict().items()}
