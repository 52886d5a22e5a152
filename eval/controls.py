"""Controls: plain damage that looks as different as a protected photo does, by SSIM.

Whoever claims that a perturbation moves a classifier shows what the same loss of similarity does
that is made without a classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageFilter

from cvpire.images.encoders import encode_jpeg
from cvpire.images.photo import Photo
from cvpire.images.reading import read_written
from cvpire.metrics.difference import ssim

_HALVINGS = 12


def _blurred(photo: Photo, strength: float) -> Photo:
    blur = ImageFilter.GaussianBlur(4.0 * strength)
    return photo.with_pixels(np.array(Image.fromarray(photo.pixels).filter(blur)))


def _compressed(photo: Photo, strength: float) -> Photo:
    quality = round(100 - 99 * strength)
    # The best qualities keep the colours whole; nothing less would come near to the photo.
    subsampling = "4:4:4" if quality > 90 else "4:2:0"
    opaque = Photo(photo.pixels)
    data = encode_jpeg(opaque, quality, subsampling=subsampling)
    return photo.with_pixels(read_written(data, opaque).pixels)


def _noisy(photo: Photo, strength: float) -> Photo:
    noise = np.random.default_rng(0).normal(0.0, 40.0 * strength, photo.pixels.shape)
    return photo.with_pixels(np.clip(np.round(photo.pixels + noise), 0, 255).astype(np.uint8))


# Each takes a strength in [0, 1], from almost nothing to much.
CONTROLS: Mapping[str, Callable[[Photo, float], Photo]] = {
    "blur": _blurred,
    "JPEG": _compressed,
    "noise": _noisy,
}


def control_of(photo: Photo, name: str, similarity: float) -> tuple[Photo, float] | None:
    """The photo damaged until its SSIM is as low as this, or just above.

    Args:
        photo: the original.
        name: of `CONTROLS`.
        similarity: SSIM to come down to, at most 1.

    Returns:
        The strongest damage found whose SSIM is not below, with that; None where the least is too
        much.
    """
    damage = CONTROLS[name]
    best, low, high = None, 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        damaged = damage(photo, middle)
        found = ssim(photo.pixels, damaged.pixels)
        if found >= similarity:
            low = middle
            # So faint that no pixel changes is no damage.
            best = (damaged, found) if found < 1.0 else best
        else:
            high = middle
    return best
