"""The gradient of saving a photo as a JPEG.

A JPEG rounds the cosine coefficients of each block of 8 x 8 pixels. So a smooth block loses fine
detail, and in a photo that was a JPEG before, a coefficient that moved little falls back to where
it was; one near a rounding threshold is pushed to the next step. The derivative of rounding is 0 or
infinite. Here it is that of the *mean* rounded coefficient, over normally distributed changes: it
tells where a change will last. Colours are stored at half the width and height.
"""

from __future__ import annotations

import io
import math
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, JpegImagePlugin
from torch import Tensor

from cvpire.images.encoders import encode_jpeg
from cvpire.images.photo import Photo

_SIDE = 8

# The standard deviation, in levels, of a change of one coefficient.
_CHANGE = 4.0

# No change counts more than so many times as much as in a lossless file.
_MOST_DERIVATIVE = 3.0

# From R, G and B to what a JPEG stores (ITU-R T.871).
_TO_YCBCR = torch.tensor(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
_FROM_YCBCR = torch.linalg.inv(_TO_YCBCR)


def kept_by_jpeg(images: Tensor, quality: int) -> Tensor:
    """A stand-in for the saved images: it has their gradient, but not their values.

    Args:
        images: (1, 3, H, W), sRGB in [0, 1].
        quality: of the JPEG, 1 to 100.

    Returns:
        (1, 3, H, W), for `cvpire.images.tensors.straight_through`, which puts in the saved values.

    Example:
        >>> images = torch.full((1, 3, 16, 16), 0.5, requires_grad=True)
        >>> fine = torch.ones(16, 16)
        >>> fine[:, 1::2] = -1.0
        >>> (kept_by_jpeg(images, 75) * fine).sum().backward()
        >>> round(float((images.grad * fine).mean()), 1)  # a lossless file's would be 1
        0.1
    """
    height, width = images.shape[-2:]
    padding = (0, -width % (2 * _SIDE), 0, -height % (2 * _SIDE))
    levels = 255.0 * F.pad(images, padding, "replicate")
    planes = torch.einsum("ij,njhw->nihw", _TO_YCBCR.to(images), levels)
    lightness, colour = planes[:, :1] - 128.0, F.avg_pool2d(planes[:, 1:], 2)
    for_lightness, for_colour = _steps(quality)
    lightness = _kept(lightness, for_lightness.to(images))
    colour = F.interpolate(_kept(colour, for_colour.to(images)), scale_factor=2, mode="bilinear")
    kept = torch.einsum("ij,njhw->nihw", _FROM_YCBCR.to(images), torch.cat([lightness, colour], 1))
    return kept[..., :height, :width] / 255.0


def _kept(planes: Tensor, steps: Tensor) -> Tensor:
    """Planes (1, C, H, W), of whole blocks, each coefficient times what a change of it counts."""
    channels, height, width = planes.shape[1:]
    blocks = planes.view(1, channels, height // _SIDE, _SIDE, width // _SIDE, _SIDE).transpose(3, 4)
    cosines = _cosines().to(planes)
    coefficients = cosines @ blocks @ cosines.T
    weighted = coefficients * _derivative(coefficients.detach(), steps)
    return (cosines.T @ weighted @ cosines).transpose(3, 4).reshape(planes.shape)


def _derivative(coefficients: Tensor, steps: Tensor) -> Tensor:
    """The derivative of the mean, over changes of each coefficient, of the rounded coefficient."""
    deviation = _CHANGE / steps
    phase = coefficients / steps
    beyond = phase - phase.floor() - 0.5
    density = sum(torch.exp(-0.5 * ((beyond + away) / deviation) ** 2) for away in (-1, 0, 1))
    derivative = density / (deviation * math.sqrt(2.0 * math.pi))
    # Over steps that are fine for the change, the rounding averages out.
    return torch.where(deviation > 0.5, 1.0, derivative.clamp(max=_MOST_DERIVATIVE))


@lru_cache(maxsize=128)
def _steps(quality: int) -> tuple[Tensor, Tensor]:
    """(8, 8) each: the steps that coefficients are rounded to, of lightness and of colours."""
    data = encode_jpeg(Photo(np.zeros((_SIDE, _SIDE, 3), np.uint8)), quality)
    with Image.open(io.BytesIO(data)) as image:
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        tables = image.quantization
    lightness, colour = (
        torch.tensor(tables[index], dtype=torch.float32).view(_SIDE, _SIDE) for index in (0, 1)
    )
    return lightness, colour


@lru_cache(maxsize=1)
def _cosines() -> Tensor:
    """(8, 8), orthonormal: the coefficients of a block are `cosines @ block @ cosines.T`."""
    frequency = torch.arange(_SIDE, dtype=torch.float32)[:, None]
    position = torch.arange(_SIDE, dtype=torch.float32)[None] + 0.5
    cosines = torch.cos(position * frequency * math.pi / _SIDE) / 2.0
    cosines[0] /= math.sqrt(2.0)
    return cosines
