"""Searches through the real encoder: all they look at is what a lossy file's readers get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvpire.attack import SAFETY_MARGIN, AttackResult
from cvpire.classifiers import classify
from cvpire.formats import FileFormat
from cvpire.images.photo import Photo
from cvpire.searches import Reader
from cvpire.tasks import Task
from cvpire.tensors import straight_through, to_image, to_photo

# Searches before a file that must fit a size is given up: each leaves a photo that needs a little
# more room than the last, and so a lower quality.
_MOST_FITTINGS = 3


def through_file(file_format: FileFormat, alpha: NDArray[np.uint8] | None) -> Reader:
    """From images to the same encoded and decoded.

    A search that looks at nothing else works in a closed loop: what it calls a success is one in
    the file that is posted.

    Args:
        file_format: with its quality.
        alpha: (H, W), of the photo; None where it is opaque.

    Returns:
        A function of images (N, 3, H, W) in [0, 1], whose gradient goes straight through.
    """

    def read(images: Tensor) -> Tensor:
        decoded = [
            to_image(file_format.read_back(to_photo(images[row : row + 1], alpha))[1].pixels)
            for row in range(len(images))
        ]
        return straight_through(images, torch.cat(decoded))

    return read


def search_through(
    find: Callable[[Reader], tuple[AttackResult, list[Photo]]],
    task: Task,
    file_format: FileFormat,
    check: Callable[[], object],
) -> tuple[AttackResult, list[Photo], FileFormat]:
    """Search on decoded files; where a size is given, at the best quality that fits it.

    Args:
        find: searches on what it is given to read images by; the result, and the changed photos.
        task: of one photo.
        file_format: a lossy one.
        check: called between encodings; what it raises ends the work.

    Returns:
        What was found, the changed photos, and the format with the quality that was used.

    Raises:
        PhotoError: if the photo does not fit the size, or its transparency the file.
    """
    (photo,) = task.photos
    fitted = file_format.fitted(photo, check)
    # This also says at once what such a file cannot hold.
    plain = classify(fitted.read_back(photo)[1], task.classifier)
    if bool(task.condition.is_met(plain[None], margin=SAFETY_MARGIN)):
        # The codec does it alone.
        unchanged = AttackResult(
            task.images, torch.tensor([True]), torch.tensor([0]), stopped=False
        )
        return unchanged, [photo], fitted
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
