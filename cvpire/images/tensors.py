"""Photos as tensors and back: images are (1, 3, H, W), sRGB in [0, 1]."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvpire.images.photo import Photo


def to_image(pixels: NDArray[np.uint8]) -> Tensor:
    """(1, 3, H, W) float32 of pixels (H, W, 3)."""
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div_(255.0)


def to_photo(image: Tensor) -> Photo:
    """The opaque photo that a file of 8 bits a channel holds of an image (1, 3, H, W)."""
    pixels = np.empty((*image.shape[-2:], 3), np.uint8)
    # A channel at a time, to hold little at once.
    for channel, plane in enumerate(image.detach()[0]):
        pixels[..., channel] = plane.clamp(0.0, 1.0).mul_(255.0).round_().to(torch.uint8).cpu()
    return Photo(pixels)


def straight_through(images: Tensor, values: Tensor) -> Tensor:
    """These values, with the images' gradient (Bengio et al. 2013, doi:10.48550/arXiv.1308.3432):
    right for changes so slow, from pixel to pixel, that they survive what made the values.
    """
    return images + (values.to(images) - images.detach())
