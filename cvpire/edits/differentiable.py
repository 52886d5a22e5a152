"""Random edits that gradients go through: what may happen to a photo before somebody classifies it.

What is smooth (resizing, blur, cropping, turning) is differentiated; what is not is done by the
real thing. Of codecs, the gradient is that of a smoothed JPEG (`cvpire.edits.jpeg_gradient`); of
the median and fewer levels, that of doing nothing (`cvpire.images.tensors.straight_through`).
Images are (1, 3, H, W), sRGB in [0, 1].
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import Tensor

from cvpire.edits.jpeg_gradient import kept_by_jpeg
from cvpire.images.encoders import encode_jpeg, encode_webp, fits_jpeg, fits_webp
from cvpire.images.reading import read_written
from cvpire.images.tensors import straight_through, to_image, to_photo
from cvpire.images.views import RESIZED_SIDE

_Edit = Callable[[Tensor, random.Random], Tensor]

_LEAST_SIDE = 16

# Most encoders' quality unless told otherwise, and so that of many photos. One that was saved so
# before is the hardest to change: saved so again, every coefficient that moved by less than half a
# step falls back to where it was.
USUAL_QUALITY = 75


def random_edit(images: Tensor, draw: random.Random, edits: str = "posting") -> Tensor:
    """An edit or a chain of some.

    Args:
        images: (1, 3, H, W).
        draw: of the kind of edit and its strength.
        edits: one of `EDITS`: "posting" is all that may happen to a posted photo, often a move
            first, which a change survives least; "codecs and sizes" what platforms do by
            themselves; "none" leaves the images as they are.

    Returns:
        (1, 3, h, w) in [0, 1].
    """
    kinds = EDITS[edits]
    if not kinds.weights:
        return images
    (edit,) = draw.choices(tuple(kinds.weights), tuple(kinds.weights.values()))
    if edit is not _moved and draw.random() < kinds.moved_before:
        images = _moved(images, draw).clamp(0.0, 1.0)
    return edit(images, draw).clamp(0.0, 1.0)


def rounded(images: Tensor) -> Tensor:
    """The images as a file of 8 bits a channel holds them."""
    return straight_through(images, (images.detach() * 255.0).round() / 255.0)


def _codecs(*, jpeg: tuple[int, int], webp: tuple[int, int]) -> _Edit:
    """Through a JPEG or, one time in five, a WebP, of a quality within these limits."""

    def compressed(images: Tensor, draw: random.Random) -> Tensor:
        photo = to_photo(images)
        if draw.random() < 0.2 and fits_webp(photo):
            quality = draw.randint(*webp)
            data = encode_webp(photo, quality)
        elif not fits_jpeg(photo):
            return images
        else:
            is_usual = draw.random() < 0.2
            quality = USUAL_QUALITY if is_usual else draw.randint(*jpeg)
            data = encode_jpeg(photo, quality)
        # A WebP keeps about what a JPEG of the same quality keeps.
        kept = kept_by_jpeg(images, quality)
        return straight_through(kept, to_image(read_written(data, photo).pixels))

    return compressed


def _shrunk(images: Tensor, draw: random.Random) -> Tensor:
    scale = draw.uniform(0.4, 0.95)
    size = [max(_LEAST_SIDE, round(side * scale)) for side in images.shape[-2:]]
    mode = draw.choice(("bilinear", "bicubic"))
    return F.interpolate(images, size, mode=mode, antialias=True)


def _read(images: Tensor, draw: random.Random) -> Tensor:
    """At the size that classifiers see, as other libraries' readers shrink to it."""
    mode = draw.choice(("bilinear", "bicubic"))
    size = (RESIZED_SIDE, RESIZED_SIDE)
    return F.interpolate(images, size, mode=mode, antialias=draw.random() < 0.5)


def _moved(images: Tensor, draw: random.Random) -> Tensor:
    """Cropped by up to 8% of each side, anywhere, and turned by up to 1.5 degrees."""
    height, width = images.shape[-2:]
    share = 1.0 - draw.uniform(0.0, 0.08)
    angle = math.radians(draw.uniform(-1.5, 1.5))
    cosine, sine = share * math.cos(angle), share * math.sin(angle)
    x, y = ((1.0 - share) * draw.uniform(-1.0, 1.0) for _ in range(2))
    turn = [[cosine, -sine * height / width, x], [sine * width / height, cosine, y]]
    grid = F.affine_grid(images.new_tensor([turn]), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _blurred(images: Tensor, draw: random.Random) -> Tensor:
    sigma = draw.uniform(0.5, 1.5)
    radius = math.ceil(2.5 * sigma)
    window = torch.exp(-torch.arange(-radius, radius + 1).square() / (2.0 * sigma**2))
    window = (window / window.sum()).to(images).expand(3, 1, -1)
    padded = F.pad(images, (radius,) * 4, "replicate")
    down = F.conv2d(padded, window[:, :, :, None], groups=3)
    return F.conv2d(down, window[:, :, None, :], groups=3)


def _sharpened(images: Tensor, draw: random.Random) -> Tensor:
    return images + draw.uniform(0.3, 1.2) * (images - _blurred(images, draw))


def _median(images: Tensor, draw: random.Random) -> Tensor:
    filtered = Image.fromarray(to_photo(images).pixels).filter(ImageFilter.MedianFilter(3))
    return straight_through(images, to_image(np.array(filtered)))


def _coarse(images: Tensor, draw: random.Random) -> Tensor:
    steps = draw.choice((31.0, 63.0))
    return straight_through(images, (images.detach() * steps).round() / steps)


def _chain(first: _Edit, second: _Edit) -> _Edit:
    return lambda images, draw: second(first(images, draw).clamp(0.0, 1.0), draw)


_compressed = _codecs(jpeg=(45, 92), webp=(60, 90))
_compressed_gently = _codecs(jpeg=(70, 92), webp=(72, 90))


class _Kinds(NamedTuple):
    """Edits to draw from.

    Attributes:
        weights: how often each is drawn.
        moved_before: how often a photo is moved before an edit of another kind.
    """

    weights: Mapping[_Edit, float]
    moved_before: float


EDITS: Mapping[str, _Kinds] = {
    "none": _Kinds({}, 0.0),
    "codecs and sizes": _Kinds(
        {_compressed_gently: 0.5, _shrunk: 0.2, _chain(_shrunk, _compressed_gently): 0.3}, 0.0
    ),
    "posting": _Kinds(
        {
            _compressed: 0.24,
            _shrunk: 0.08,
            _chain(_shrunk, _compressed): 0.12,
            _read: 0.08,
            _moved: 0.26,
            _blurred: 0.08,
            _sharpened: 0.06,
            _median: 0.06,
            _coarse: 0.02,
        },
        0.5,
    ),
}
