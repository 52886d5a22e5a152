"""The whole way: photo, map, attack, file, verdict.

What counts is the written file. Every figure of a report is computed on the pixels that a reader
of the encoded bytes gets, by the float32 classifier on that one photo. Where the file is lossy, the
search itself looks at decoded files only.
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvpire import __version__
from cvpire.attack import SAFETY_MARGIN, AttackResult, StepCallback
from cvpire.classifiers import Classifier, Prediction
from cvpire.conditions import Condition
from cvpire.formats import FileFormat
from cvpire.metrics import Difference, compare
from cvpire.photo import Photo, PhotoError
from cvpire.runs import Attacked, Run
from cvpire.tensors import to_image, to_photo
from cvpire.threshold import epsilon_map, threshold_map
from cvpire.through_file import ThroughFile

# Reports keep the five highest classes: what the paper's conditions look at.
TOP_K = 5

PNG = FileFormat("PNG")

# Searches before a file that must fit a size is given up: each leaves a photo that needs a little
# more room than the last, and so a lower quality.
_MOST_FITTINGS = 3


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
        seed: of the starting noise.
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
                    f"as {self.would_pass} it would be protected."
                    if self.would_pass
                    else "a run with a wider bound may succeed."
                )
                saved = "" if self.encoding is None else f" as {self.file_format}"
                return (
                    f"Not protected{saved}: {self.classifier} still sees {label} "
                    f"({self.label_probability_after:.1%}) after {self.steps} steps; {advice}"
                )


@dataclass(frozen=True, eq=False)
class Protected:
    """A photo that went the whole way.

    Attributes:
        photo: as read back from `data`.
        data: the bytes of the file, without metadata; what the report speaks of.
        file_format: of these bytes; its quality is known, whatever was asked for.
        threshold_map: (H, W) float32 in [0, 1].
        report: verdict and figures. Unless `report.verdict.is_success`, the photo is *not*
            protected, only the best attempt.
    """

    photo: Photo
    data: bytes
    file_format: FileFormat
    threshold_map: NDArray[np.float32]
    report: Report


def protect(
    photo: Photo,
    classifier: Classifier,
    run: Run,
    *,
    file_format: FileFormat = PNG,
    label: int | None = None,
    seed: int = 0,
    on_step: StepCallback | None = None,
) -> Protected:
    """Protect one photo from a classifier.

    Args:
        photo: as `read_photo` gives it.
        classifier: to protect from, with its view of the photo.
        run: what is to be reached and how.
        file_format: of the file; of a lossy one, the decoded file is what must be protected.
        label: position of the true class among the classifier's logits; by default the
            classifier's own first guess.
        seed: of the starting noise.
        on_step: told after each forward pass; a true answer stops the work.

    Returns:
        The written file's bytes and what became of it.

    Raises:
        ValueError: for a photo that is too large for the classifier's view, the memory or the
            file, or whose transparency the file cannot hold (`PhotoError`), or an unknown label.
    """
    labels = None if label is None else [label]
    return protect_batch(
        [photo],
        classifier,
        run,
        file_format=file_format,
        labels=labels,
        seed=seed,
        on_step=on_step,
    )[0]


def protect_batch(
    photos: Sequence[Photo],
    classifier: Classifier,
    run: Run,
    *,
    file_format: FileFormat = PNG,
    labels: Sequence[int] | None = None,
    seed: int = 0,
    on_step: StepCallback | None = None,
) -> list[Protected]:
    """Protect several photos of one size together; each stops by itself.

    Args:
        photos: of equal height and width.
        classifier: see `protect`.
        run: see `protect`.
        file_format: see `protect`. Lossy files are made one after the other.
        labels: positions of the true classes, one for each photo, or None.
        seed: see `protect`.
        on_step: see `protect`; its tensors have one entry for each photo in work.

    Returns:
        One result for each photo, in order.

    Raises:
        ValueError: see `protect`; also for photos of different sizes.
    """
    sizes = {photo.pixels.shape for photo in photos}
    if len(sizes) != 1:
        raise ValueError(f"expected photos of one size, got {len(sizes)} sizes: {sorted(sizes)}")
    if labels is not None and len(labels) != len(photos):
        raise ValueError(f"expected {len(photos)} labels, got {list(labels)}")
    count = len(photos) if file_format.is_lossless else 1
    with _memory_errors():
        return [
            protected
            for start in range(0, len(photos), count)
            for protected in _protect_batch(
                photos[start : start + count],
                classifier,
                run,
                file_format,
                None if labels is None else labels[start : start + count],
                seed,
                on_step,
            )
        ]


def _protect_batch(
    photos: Sequence[Photo],
    classifier: Classifier,
    run: Run,
    file_format: FileFormat,
    labels: Sequence[int] | None,
    seed: int,
    on_step: StepCallback | None,
) -> list[Protected]:
    started = time.monotonic()
    images = torch.cat([to_image(photo.pixels) for photo in photos]).to(classifier.mean.device)
    before = torch.stack([classify(photo, classifier) for photo in photos])
    targets = _targets(before, labels)
    relative = threshold_map(images, kernel_size=run.kernel_size, sigma=run.sigma)
    bound = epsilon_map(relative, run.magnitude)
    condition = run.condition(targets, classifier.labels)
    present = run.condition(targets.to(images.device), classifier.labels)

    def find(attacked: Attacked) -> tuple[AttackResult, list[Photo]]:
        result = run.search.find(attacked, images, bound, present, seed, on_step)
        changed = [to_photo(result.images[row : row + 1]).pixels for row in range(len(photos))]
        return result, [p.with_pixels(pixels) for p, pixels in zip(photos, changed, strict=True)]

    if file_format.is_lossless:
        result, changed = find(classifier)
    else:
        result, changed, file_format = _find_through(find, classifier, photos[0], file_format)
    files, written = zip(*(file_format.read_back(photo) for photo in changed), strict=True)
    after = torch.stack([classify(photo, classifier) for photo in written])
    # A change that just crossed the line, without the attack's margin, may be back on the other
    # side on another machine.
    is_safe = result.success.cpu() | condition.is_met(after, margin=SAFETY_MARGIN)
    is_met = condition.is_met(after) & is_safe
    maps = relative[:, 0].cpu().numpy()
    seconds = (time.monotonic() - started) / len(photos)

    protected = []
    for index, photo in enumerate(photos):
        limit = maps[index].astype(np.float64) * run.magnitude
        handed_over = compare(photo.pixels, changed[index].pixels, limit)
        difference, encoding = handed_over, None
        if not file_format.is_lossless:
            difference = compare(photo.pixels, written[index].pixels, limit)
            difference = difference._replace(over_bound=handed_over.over_bound)
            encoding = compare(photo.pixels, file_format.read_back(photo)[1].pixels, limit)
        report = Report(
            verdict=_verdict(
                is_met=bool(is_met[index]),
                is_changed=handed_over.linf > 0,
                is_flat=not bool(maps[index].any()),
                stopped=result.stopped,
            ),
            run=run.name,
            settings=run.settings,
            condition=repr(condition),
            classifier=classifier.spec.name,
            view=classifier.view,
            weights_sha256=classifier.spec.weights.sha256,
            label=classifier.prediction(before[index], int(targets[index])),
            label_is_given=labels is not None,
            before=classifier.predictions(before[index], TOP_K),
            after=classifier.predictions(after[index], TOP_K),
            label_probability_after=float(after[index].softmax(0)[targets[index]]),
            difference=difference,
            encoding=encoding,
            steps=int(result.steps[index]),
            max_steps=run.search.most_steps,
            seed=seed,
            seconds=seconds,
            pixels_sha256=_pixels_sha256(photo),
            file_format=str(file_format),
            file_bytes=len(files[index]),
            file_sha256=hashlib.sha256(files[index]).hexdigest(),
            would_pass=""
            if bool(is_met[index])
            else _gentler_that_passes(changed[index], classifier, condition, file_format),
            versions=versions(),
        )
        protected.append(Protected(written[index], files[index], file_format, maps[index], report))
    return protected


def _find_through(
    find: Callable[[Attacked], tuple[AttackResult, list[Photo]]],
    classifier: Classifier,
    photo: Photo,
    file_format: FileFormat,
) -> tuple[AttackResult, list[Photo], FileFormat]:
    """Search on decoded files; where a size is given, at the best quality that fits it."""
    fitted = file_format.fitted(photo)
    fitted.encode(photo)  # says at once what such a file cannot hold
    for _ in range(_MOST_FITTINGS):
        result, changed = find(ThroughFile(classifier, fitted, photo.alpha))
        if result.stopped or fitted.fits(changed[0]):
            break
        # What was changed takes room too.
        fitted = file_format.fitted(changed[0])
    return result, changed, fitted


def _gentler_that_passes(
    changed: Photo, classifier: Classifier, condition: Condition, file_format: FileFormat
) -> str:
    """The first format that loses less in which this photo is protected; "" where none is."""
    for gentler in file_format.gentler():
        logits = classify(gentler.read_back(changed)[1], classifier)
        if bool(condition.is_met(logits[None], margin=SAFETY_MARGIN)):
            return str(gentler)
    return ""


def classify(photo: Photo, classifier: Classifier) -> Tensor:
    """Logits (classes,), float32 on the CPU, of one photo alone.

    Raises:
        ValueError: for a photo that is too large for the classifier's view.
    """
    with torch.no_grad():
        logits: Tensor = classifier(to_image(photo.pixels).to(classifier.mean.device))
    return logits[0].float().cpu()


def _targets(before: Tensor, labels: Sequence[int] | None) -> Tensor:
    if labels is None:
        return before.argmax(dim=1)
    if len(labels) != len(before) or not all(0 <= label < before.shape[1] for label in labels):
        raise ValueError(
            f"expected {len(before)} labels from 0 to {before.shape[1] - 1}, got {list(labels)}"
        )
    return torch.tensor(labels)


def _verdict(*, is_met: bool, is_changed: bool, is_flat: bool, stopped: bool) -> Verdict:
    if is_met:
        return Verdict.PROTECTED if is_changed else Verdict.NOT_NEEDED
    if is_flat:
        return Verdict.FLAT
    return Verdict.STOPPED if stopped else Verdict.NOT_PROTECTED


def _pixels_sha256(photo: Photo) -> str:
    digest = hashlib.sha256(repr(photo.pixels.shape).encode())
    digest.update(photo.pixels.tobytes())
    if photo.alpha is not None:
        digest.update(photo.alpha.tobytes())
    return digest.hexdigest()


def _as_json(difference: Difference) -> dict[str, float | None]:
    """JSON has no NaN: what cannot be computed is null."""
    return {name: None if value != value else value for name, value in difference._asdict().items()}


@cache
def versions() -> dict[str, str]:
    """Of this project, of its very code, and of the packages that its results depend on."""
    names = ("torch", "torchvision", "numpy", "pillow", "scikit-image")
    packages = {name: version(name) for name in names}
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        code.update(path.name.encode() + path.read_bytes())
    own = {"cvpire": __version__, "code": code.hexdigest()[:12]}
    return {**own, "python": platform.python_version(), **packages}


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Say what a user can do about a failed allocation, which torch reports in several ways."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        raise PhotoError(
            "This photo needs more memory than this machine has free: make it smaller and try "
            "again."
        ) from error
