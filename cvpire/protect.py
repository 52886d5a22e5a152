"""The whole way: photo, map, attack, file, verdict.

What counts is the written file. Every figure of a report is computed on the pixels that a reader
of the encoded bytes gets, by the float32 classifier on that one photo.
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvpire import __version__
from cvpire.attack import StepCallback
from cvpire.classifiers import Classifier, Prediction
from cvpire.metrics import Difference, compare
from cvpire.photo import Photo, PhotoError, encode_png, read_photo
from cvpire.runs import Run
from cvpire.threshold import epsilon_map, threshold_map

# Reports keep the five highest classes: what the paper's conditions look at.
TOP_K = 5


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
        difference: between the original photo and the written file.
        steps: optimiser steps taken.
        seed: of the starting noise.
        seconds: what it took, reading and writing of files left out; a share of its batch's.
        pixels_sha256: of the original's pixels (and transparency), as read.
        file_sha256: of the protected file.
        versions: of what computed this.
    """

    verdict: Verdict
    run: str
    settings: dict[str, float]
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
    steps: int
    seed: int
    seconds: float
    pixels_sha256: str
    file_sha256: str
    versions: dict[str, str]

    def as_record(self) -> dict[str, object]:
        """The report as plain dicts, lists, numbers and strings."""
        record = asdict(self)
        record["verdict"] = self.verdict.value
        record["label"] = self.label._asdict()
        record["before"] = [prediction._asdict() for prediction in self.before]
        record["after"] = [prediction._asdict() for prediction in self.after]
        record["difference"] = {
            # JSON has no NaN: what cannot be computed is null.
            name: None if value != value else value
            for name, value in self.difference._asdict().items()
        }
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
                return (
                    f"Nothing to do: {self.classifier} does not recognise {label} in this photo as "
                    "it is; no pixel was changed."
                )
            case Verdict.FLAT:
                return (
                    "Not protected: this photo has the same colour everywhere, so there is no "
                    "place where a change would stay unseen."
                )
            case Verdict.STOPPED:
                return f"Stopped after {self.steps} steps; the photo is not protected."
            case Verdict.NOT_PROTECTED:
                return (
                    f"Not protected: {self.classifier} still sees {label} "
                    f"({self.label_probability_after:.1%}) after {self.steps} steps; a run with a "
                    "wider bound may succeed."
                )


@dataclass(frozen=True, eq=False)
class Protected:
    """A photo that went the whole way.

    Attributes:
        photo: as read back from `png`.
        png: the bytes of the file, without metadata; what the report speaks of.
        threshold_map: (H, W) float32 in [0, 1].
        report: verdict and figures. Unless `report.verdict.is_success`, the photo is *not*
            protected, only the best attempt.
    """

    photo: Photo
    png: bytes
    threshold_map: NDArray[np.float32]
    report: Report


def protect(
    photo: Photo,
    classifier: Classifier,
    run: Run,
    *,
    label: int | None = None,
    seed: int = 0,
    on_step: StepCallback | None = None,
) -> Protected:
    """Protect one photo from a classifier.

    Args:
        photo: as `read_photo` gives it.
        classifier: to protect from, with its view of the photo.
        run: what is to be reached and how.
        label: position of the true class among the classifier's logits; by default the
            classifier's own first guess.
        seed: of the starting noise.
        on_step: told after each forward pass; a true answer stops the work.

    Returns:
        The written file's bytes and what became of it.

    Raises:
        ValueError: for a photo that is too large for the classifier's view or for the memory
            (`PhotoError`), or an unknown label.
    """
    labels = None if label is None else [label]
    return protect_batch([photo], classifier, run, labels=labels, seed=seed, on_step=on_step)[0]


def protect_batch(
    photos: Sequence[Photo],
    classifier: Classifier,
    run: Run,
    *,
    labels: Sequence[int] | None = None,
    seed: int = 0,
    on_step: StepCallback | None = None,
) -> list[Protected]:
    """Protect several photos of one size together; each stops by itself.

    Args:
        photos: of equal height and width.
        classifier: see `protect`.
        run: see `protect`.
        labels: positions of the true classes, one for each photo, or None.
        seed: see `protect`.
        on_step: see `protect`; its tensors have one entry for each photo.

    Returns:
        One result for each photo, in order.

    Raises:
        ValueError: see `protect`; also for photos of different sizes.
    """
    with _memory_errors():
        return _protect_batch(photos, classifier, run, labels, seed, on_step)


def _protect_batch(
    photos: Sequence[Photo],
    classifier: Classifier,
    run: Run,
    labels: Sequence[int] | None,
    seed: int,
    on_step: StepCallback | None,
) -> list[Protected]:
    started = time.monotonic()
    sizes = {photo.pixels.shape for photo in photos}
    if len(sizes) != 1:
        raise ValueError(f"expected photos of one size, got {len(sizes)} sizes: {sorted(sizes)}")
    images = torch.stack([_to_image(photo) for photo in photos]).to(classifier.mean.device)
    before = torch.stack([classify(photo, classifier) for photo in photos])
    targets = _targets(before, labels)
    relative = threshold_map(images, kernel_size=run.kernel_size, sigma=run.sigma)
    result = run.search.find(
        classifier,
        images,
        epsilon_map(relative, run.magnitude),
        run.condition(targets.to(images.device), classifier.labels),
        seed,
        on_step,
    )
    pixels = (result.images * 255.0).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    maps = relative[:, 0].cpu().numpy()
    files = [encode_png(photo.with_pixels(p)) for photo, p in zip(photos, pixels, strict=True)]
    # No limit: these bytes are ours, and those of a photo that was let in may exceed it.
    written = [
        read_photo(png, max_pixels=photo.height * photo.width, max_bytes=len(png))
        for png, photo in zip(files, photos, strict=True)
    ]
    after = torch.stack([classify(photo, classifier) for photo in written])
    condition = run.condition(targets, classifier.labels)
    is_met = condition.is_met(after)
    seconds = (time.monotonic() - started) / len(photos)

    protected = []
    for index, photo in enumerate(photos):
        difference = compare(
            photo.pixels, written[index].pixels, maps[index].astype(np.float64) * run.magnitude
        )
        report = Report(
            verdict=_verdict(
                # A change that just crossed the line, without the attack's margin, may be back on
                # the other side on another machine.
                is_met=bool(is_met[index]) and bool(result.success[index]),
                is_changed=difference.linf > 0,
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
            steps=int(result.steps[index]),
            seed=seed,
            seconds=seconds,
            pixels_sha256=_pixels_sha256(photo),
            file_sha256=hashlib.sha256(files[index]).hexdigest(),
            versions=versions(),
        )
        protected.append(Protected(written[index], files[index], maps[index], report))
    return protected


def classify(photo: Photo, classifier: Classifier) -> Tensor:
    """Logits (classes,), float32 on the CPU, of one photo alone.

    Raises:
        ValueError: for a photo that is too large for the classifier's view.
    """
    with torch.no_grad():
        logits: Tensor = classifier(_to_image(photo)[None].to(classifier.mean.device))
    return logits[0].float().cpu()


def _to_image(photo: Photo) -> Tensor:
    return torch.from_numpy(photo.pixels).permute(2, 0, 1).float() / 255.0


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
