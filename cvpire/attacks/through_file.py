"""Searches through the real encoder: all they look at is what a lossy file's readers get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from cvpire.attacks.base import AttackResult
from cvpire.attacks.searches import RoundTrip
from cvpire.images.formats import FileFormat
from cvpire.images.photo import Photo
from cvpire.images.tensors import straight_through, to_image, to_photo
from cvpire.images.transparency import BACKGROUNDS, composite, seen_images, to_alpha

# Searches before a file that must fit a size is given up: each leaves a photo that needs a little
# more room than the last, and so a lower quality.
_MOST_FITTINGS = 3


def through_file(file_format: FileFormat, original: Photo) -> RoundTrip:
    """From images to what is seen of the same encoded and decoded.

    A search that looks at nothing else works in a closed loop: what it calls a success is one in
    the file that is posted.

    Args:
        file_format: with its quality.
        original: the photo; its transparency, and what lies under it, go into the file as well.

    Returns:
        A function of images (N, 3, H, W) in [0, 1] to (N * sights, 3, H, W), whose gradient goes
        straight through the codec.
    """
    alpha = None if original.alpha is None else to_alpha(original)

    def decoded(image: Tensor) -> list[Photo]:
        photo = to_photo(image, original.alpha)
        if original.alpha is None:
            return [file_format.read_back(photo)[1]]
        is_seen = original.alpha[..., None] > 0
        photo = photo.with_pixels(np.where(is_seen, photo.pixels, original.pixels))
        written = file_format.read_back(photo)[1]
        # With the transparency of the file, which a codec may have blurred.
        return [composite(written, background) for background in BACKGROUNDS]

    def read(images: Tensor) -> Tensor:
        values = [
            to_image(sight.pixels)
            for row in range(len(images))
            for sight in decoded(images[row : row + 1])
        ]
        mixed = seen_images(images, None if alpha is None else alpha.to(images))
        return straight_through(mixed, torch.cat(values))

    return read


def search_through(
    find: Callable[[RoundTrip], tuple[AttackResult, Photo]],
    original: Photo,
    file_format: FileFormat,
    fitted: FileFormat,
    check: Callable[[], object],
) -> tuple[AttackResult, Photo, FileFormat]:
    """Search on decoded files; where a size is given, at the best quality that fits it.

    Args:
        find: searches on what it is given to read images by; the result, and the changed photo.
        original: the photo.
        file_format: a lossy one.
        fitted: the same with the quality that fits the original.
        check: called between encodings; what it raises ends the work.

    Returns:
        What was found, the changed photo, and the format with the quality that was used.

    Raises:
        PhotoError: if the photo does not fit the size.
    """
    steps = torch.zeros(1, dtype=torch.int64)
    for _ in range(_MOST_FITTINGS):
        result, changed = find(through_file(fitted, original))
        steps += result.steps.cpu()
        searched, fits = fitted, fitted.fits(changed)
        # What was changed takes room too.
        fitted = fitted if fits else file_format.fitted(changed, check)
        if fits:
            break
    if fitted != searched:  # at this quality, only the written file itself can tell
        result = replace(result, success=torch.tensor([False]))
    return replace(result, steps=steps), changed, fitted
