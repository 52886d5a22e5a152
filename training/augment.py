"""Changes that keep a scene what it is, so that small photos stand for photos of any size.

The training photos have 128 pixels a side. What a classifier meets later is sharper: so the same
scene is shown at many scales, blurred and sharpened. All randomness comes from the generator given.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MIN_AREA = 0.4
MAX_ASPECT = 1.2
MIXUP_ALPHA = 0.2


def augment(pixels: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Random crops, flips, colours and sharpness.

    Args:
        pixels: (N, 3, H, W) uint8.
        side: of the squares to return, in pixels.
        generator: of the random choices.

    Returns:
        (N, 3, side, side) float32 in [0, 1].
    """
    images = torch.stack([_crop(image, side, generator) for image in pixels])
    images = _recolor(images, generator)
    return _resharpen(images, generator).clamp_(0.0, 1.0)


def mix(images: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang et al. 2018, doi:10.48550/arXiv.1710.09412) of a batch with itself, reversed.

    Args:
        images: (N, 3, H, W).
        targets: (N, classes), probabilities.
        generator: of the random share, Beta(0.2, 0.2).
    """
    gammas = torch._standard_gamma(torch.full((2,), MIXUP_ALPHA), generator=generator)
    share = float(gammas[0] / gammas.sum().clamp_min(1e-12))
    share = max(share, 1.0 - share)
    return images.lerp(images.flip(0), 1.0 - share), targets.lerp(targets.flip(0), 1.0 - share)


def _uniform(low: float, high: float, generator: torch.Generator, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _crop(image: Tensor, side: int, generator: torch.Generator) -> Tensor:
    height, width = image.shape[-2:]
    area, aspect, top, left, flip, kernel, coarse, coarseness = _uniform(
        0.0, 1.0, generator, 8
    ).tolist()
    area = MIN_AREA + (1.0 - MIN_AREA) * area
    aspect = math.exp((2.0 * aspect - 1.0) * math.log(MAX_ASPECT))
    rows = min(height, max(1, round(height * math.sqrt(area / aspect))))
    columns = min(width, max(1, round(width * math.sqrt(area * aspect))))
    y, x = int(top * (height - rows + 1)), int(left * (width - columns + 1))
    part = image[None, :, y : y + rows, x : x + columns].float() / 255.0
    if flip < 0.5:
        part = part.flip(-1)
    mode = "bicubic" if kernel < 0.5 else "bilinear"
    if coarse < 0.05:
        small = round(side * (0.3 + 0.4 * coarseness))
        part = F.interpolate(part, (small, small), mode="bilinear", antialias=True)
    return F.interpolate(part, (side, side), mode=mode, antialias=True)[0]


def _recolor(images: Tensor, generator: torch.Generator) -> Tensor:
    """Exposure, contrast, saturation and white balance, each within some 15%."""
    count = len(images)
    exposure = _uniform(0.85, 1.15, generator, count, 1, 1, 1)
    balance = _uniform(0.96, 1.04, generator, count, 3, 1, 1)
    contrast = _uniform(0.85, 1.15, generator, count, 1, 1, 1)
    # In one of fifty photos there is no colour at all.
    saturation = _uniform(0.8, 1.2, generator, count, 1, 1, 1)
    saturation *= (_uniform(0.0, 1.0, generator, count, 1, 1, 1) > 0.02).float()
    images = images * (exposure * balance)
    images = images.mean(dim=(-3, -2, -1), keepdim=True).lerp(images, contrast)
    return images.mean(dim=1, keepdim=True).lerp(images, saturation)


def _resharpen(images: Tensor, generator: torch.Generator) -> Tensor:
    """Three of five photos are sharpened, by up to 150% of what a small blur takes away."""
    count = len(images)
    amount = _uniform(-1.0, 1.5, generator, count, 1, 1, 1).clamp_min_(0.0)
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
    channels = images.shape[1]
    rows, columns = (
        kernel.view(shape).expand(channels, 1, *shape).contiguous() for shape in ((5, 1), (1, 5))
    )
    blurred = F.conv2d(images, rows, padding=(2, 0), groups=channels)
    blurred = F.conv2d(blurred, columns, padding=(0, 2), groups=channels)
    sharper = images + amount * (images - blurred)
    # The border, where the blur saw nothing, stays.
    inner = (..., slice(2, -2), slice(2, -2))
    images = images.clone()
    images[inner] = sharper[inner]
    return images
