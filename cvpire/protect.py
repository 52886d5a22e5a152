"""The whole way: photo, map, attack, file, verdict.

What counts is the written file. Every figure of a report is computed on the pixels that a reader
of the encoded bytes gets, by the float32 classifier on that one photo. Where the file is lossy, the
search itself looks at decoded files only.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvpire.attack import SAFETY_MARGIN, AttackResult, StepCallback
from cvpire.classifiers import Classifier
from cvpire.conditions import Condition
from cvpire.formats import PNG, FileFormat
from cvpire.metrics import compare
from cvpire.photo import Photo, PhotoError
from cvpire.report import Report, Verdict, versions
from cvpire.runs import Run
from cvpire.searches import Reader
from cvpire.tensors import to_image, to_photo
from cvpire.threshold import epsilon_map, threshold_map
from cvpire.through_file import through_file

# Reports keep the five highest classes: what the paper's conditions look at.
TOP_K = 5

# Searches before a file that must fit a size is given up: each leaves a photo that needs a little
# more room than the last, and so a lower quality.
_MOST_FITTINGS = 3


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
    check: Callable[[], object] = lambda: None,
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
        check: called between the encodings of a lossy file; what it raises ends the work.

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
        check=check,
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
    check: Callable[[], object] = lambda: None,
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
        check: see `protect`.

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
    run = run.against(classifier.spec.name)
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
                check,
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
    check: Callable[[], object],
) -> list[Protected]:
    started = time.monotonic()
    images = torch.cat([to_image(photo.pixels) for photo in photos]).to(classifier.mean.device)
    before = torch.stack([classify(photo, classifier) for photo in photos])
    targets = _targets(before, labels)
    relative = threshold_map(images, kernel_size=run.kernel_size, sigma=run.sigma)
    bound = epsilon_map(relative, run.magnitude)
    condition = run.condition(targets, classifier.labels)
    present = run.condition(targets.to(images.device), classifier.labels)

    def find(read: Reader | None = None) -> tuple[AttackResult, list[Photo]]:
        result = run.search.find(classifier, images, bound, present, seed, on_step, read)
        changed = [to_photo(result.images[row : row + 1]).pixels for row in range(len(photos))]
        return result, [p.with_pixels(pixels) for p, pixels in zip(photos, changed, strict=True)]

    if file_format.is_lossless:
        result, changed = find()
    else:
        unchanged = AttackResult(images, torch.tensor([True]), torch.tensor([0]), stopped=False)
        result, changed, file_format = _find_through(
            find, unchanged, classifier, condition, photos[0], file_format, check
        )
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
            encoding = encoding._replace(over_bound=0)
        verdict = _verdict(
            is_met=bool(is_met[index]),
            is_changed=handed_over.linf > 0,
            is_flat=not bool(maps[index].any()),
            stopped=result.stopped,
        )
        would_pass = ""
        if verdict is Verdict.NOT_PROTECTED:
            would_pass = _gentler_that_passes(
                changed[index], classifier, condition, file_format, check
            )
        report = Report(
            verdict=verdict,
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
            would_pass=would_pass,
            versions=versions(),
        )
        protected.append(Protected(written[index], files[index], file_format, maps[index], report))
    return protected


def _find_through(
    find: Callable[[Reader], tuple[AttackResult, list[Photo]]],
    unchanged: AttackResult,
    classifier: Classifier,
    condition: Condition,
    photo: Photo,
    file_format: FileFormat,
    check: Callable[[], object],
) -> tuple[AttackResult, list[Photo], FileFormat]:
    """Search on decoded files; where a size is given, at the best quality that fits it."""
    fitted = file_format.fitted(photo, check)
    # This also says at once what such a file cannot hold.
    plain = classify(fitted.read_back(photo)[1], classifier)
    if bool(condition.is_met(plain[None], margin=SAFETY_MARGIN)):
        return unchanged, [photo], fitted  # the codec does it alone
    steps = torch.zeros(1, dtype=torch.int64)
    for _ in range(_MOST_FITTINGS):
        result, changed = find(through_file(fitted, photo.alpha))
        steps += result.steps.cpu()
        searched, fits = fitted, fitted.fits(changed[0])
        # What was changed takes room too.
        fitted = fitted if fits else file_format.fitted(changed[0], check)
        if result.stopped or fits:
            break
    if fitted != searched:  # at this quality, only the written file itself can tell
        result = replace(result, success=torch.tensor([False]))
    return replace(result, steps=steps), changed, fitted


def _gentler_that_passes(
    changed: Photo,
    classifier: Classifier,
    condition: Condition,
    file_format: FileFormat,
    check: Callable[[], object],
) -> str:
    """The first format that loses less in which this photo is protected; "" where none is."""
    for gentler in file_format.gentler():
        check()
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
