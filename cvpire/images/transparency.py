"""What is seen of a photo with transparency: its colours laid over a background.

A viewer shows a page behind a photo, in most cases a white or a black one. So a photo with
transparency is protected and judged on both, as two *sights*; one without has a single sight, the
photo itself. Colours under clear pixels are no part of any sight.

Photos are those of `cvpire.images.photo`; images are (N, 3, H, W), sRGB in [0, 1], and their alpha
is (N, 1, H, W) in [0, 1]. Layers are mixed in sRGB as it is stored, as browsers do it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cvpire.images.photo import Photo
from cvpire.images.tensors import straight_through, to_image, to_photo


class Background(NamedTuple):
    """A grey page behind a photo."""

    name: str
    level: int  # grey, 0 to 255


WHITE, BLACK = Background("white", 255), Background("black", 0)

# What a photo with transparency is seen on; the first one is where its scene is taken from.
BACKGROUNDS = (WHITE, BLACK)


def composite(photo: Photo, background: Background) -> Photo:
    """The photo as it is seen on a background, without transparency; an opaque one is itself."""
    if photo.alpha is None:
        return photo
    mixed = composite_images(to_image(photo.pixels), to_alpha(photo), background)
    return replace(to_photo(mixed), notes=photo.notes)


def composite_images(images: Tensor, alpha: Tensor, background: Background) -> Tensor:
    """The same of images (N, 3, H, W), not rounded, with the images' gradient.

    Args:
        images: colours that are not multiplied by the alpha.
        alpha: (N, 1, H, W) or (1, 1, H, W), 0 clear to 1 opaque.
        background: below them.
    """
    return images * alpha + (background.level / 255.0) * (1.0 - alpha)


def seen_images(images: Tensor, alpha: Tensor | None) -> Tensor:
    """All sights of images as 8-bit pixels: (N * sights, 3, H, W), those of an image together.

    Args:
        images: (N, 3, H, W).
        alpha: see `composite_images`; None where they are opaque, and are what is seen.
    """
    if alpha is None:
        return images
    mixed = torch.stack([composite_images(images, alpha, b) for b in BACKGROUNDS], dim=1)
    mixed = mixed.flatten(0, 1)
    return straight_through(mixed, (mixed.detach() * 255.0).round() / 255.0)


def sights(photo: Photo) -> tuple[Photo, ...]:
    """What is seen of a photo: itself, or where it has transparency, on each of `BACKGROUNDS`."""
    if photo.alpha is None:
        return (photo,)
    return tuple(composite(photo, background) for background in BACKGROUNDS)


def to_alpha(photo: Photo) -> Tensor:
    """(1, 1, H, W) float32 in [0, 1], the photo's alpha; 1 where it is opaque."""
    if photo.alpha is None:
        return torch.ones(1, 1, photo.height, photo.width)
    return torch.from_numpy(photo.alpha)[None, None].float().div_(255.0)


def with_colors(photo: Photo, image: Tensor) -> Photo:
    """The photo with the colours of an image (1, 3, H, W), but for what its clear pixels hide."""
    pixels = to_photo(image).pixels
    if photo.alpha is not None:
        pixels = np.where(photo.alpha[..., None] > 0, pixels, photo.pixels)
    return photo.with_pixels(pixels)


def without_hidden(photo: Photo) -> Photo:
    """The photo with white under its clear pixels, whatever was hidden there."""
    if photo.alpha is None:
        return photo
    return photo.with_pixels(np.where(photo.alpha[..., None] > 0, photo.pixels, np.uint8(255)))
