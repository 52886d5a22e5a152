"""The colour-variance map: where a photo is busy enough in colour to hide a change.

Images are (N, 3, H, W), sRGB in [0, 1]. `color_variance` is in CIEDE2000 units, `threshold_map` is
relative, in [0, 1], and an epsilon map is absolute: the largest change of a channel, in [0, 1]
units. Maps are (N, 1, H, W): one bound serves the three channels of its pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from cvpire.color.ciede2000 import SAME_COLOR, LabPlanes, squared_ciede2000, srgb_to_lab
from cvpire.errors import SettingsError

if TYPE_CHECKING:
    from cvpire.color.variance_kernel import Planes

# Pixels whose Lab planes are held at a time: a camera photo needs little memory beyond the photo
# itself and its map.
_SLAB_PIXELS = 1 << 20

# Pixels that are brought to Lab at a time, so that intermediate planes stay in cache.
_LAB_PIXELS = 1 << 16

# Pixels that torch's operations take at a time, so that intermediate planes stay in cache.
_TILE_PIXELS = 1 << 15

# Somebody who checks the bound with a map of another precision must find no pixel beyond it. The
# two differ by 1e-6 of the maximum on photos, and by up to 1e-4 where a few grey levels are all
# there is; more only where CIEDE2000 itself jumps, at opposite hues of colours almost grey.
_MAP_PRECISION = 2e-4


def color_variance(images: Tensor, *, kernel_size: int = 5, sigma: float = 1.0) -> Tensor:
    """Local colour variance: the weighted root mean square of CIEDE2000 to a pixel's neighbours.

    cv(p) = sqrt( mean over q of (g(q - p) dE00(p, q))^2 ) over the neighbours q of p that lie in
    the image, p left out, with g the Gaussian density of standard deviation `sigma`.

    Args:
        images: (N, 3, H, W), sRGB in [0, 1], float32 or float64.
        kernel_size: side of the square neighbourhood in pixels, odd, 3 or more.
        sigma: standard deviation of the Gaussian weights in pixels, above 0.

    Returns:
        (N, 1, H, W), 0 or more, of the images' dtype, without gradient. A pixel without neighbours
        has 0; near one that is no number, the variance is none either.

    Raises:
        SettingsError: for an even or too small kernel, or a sigma not above 0.
        ValueError: for another shape.

    Source: Sweere, Liu, Larson, MediaEval 2019, equation 1.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"expected images of shape (N, 3, H, W), got {tuple(images.shape)}")
    if kernel_size < 3 or kernel_size % 2 == 0:
        raise SettingsError(f"expected an odd kernel_size of 3 or more, got {kernel_size}")
    if not sigma > 0.0:
        raise SettingsError(f"expected a sigma above 0, got {sigma}")
    images = images.detach()
    height, width = images.shape[-2:]
    variance = images.new_empty((len(images), 1, height, width))
    weights = _squared_gaussian(kernel_size // 2, sigma)
    counts = (_reach(height, kernel_size // 2), _reach(width, kernel_size // 2))
    is_compiled = images.device.type == "cpu" and images.dtype == torch.float32
    measure = _measure_compiled if is_compiled else _measure_by_torch
    for image, found in zip(images, variance[:, 0], strict=True):
        measure(image, weights, counts, found)
    return variance


def threshold_map(images: Tensor, *, kernel_size: int = 5, sigma: float = 1.0) -> Tensor:
    """The colour-variance map divided by its maximum, each image by its own.

    Args:
        images: (N, 3, H, W), sRGB in [0, 1].
        kernel_size: see `color_variance`.
        sigma: see `color_variance`.

    Returns:
        (N, 1, H, W) in [0, 1]; 0 everywhere for an image of one colour.

    Raises:
        SettingsError: see `color_variance`.

    Example:
        >>> half = torch.full((1, 3, 32, 32), 0.5)
        >>> half[..., 16:] += torch.rand(16, generator=torch.Generator().manual_seed(0)) / 4
        >>> found = threshold_map(half)
        >>> float(found[..., :8].max()), float(found.max())
        (0.0, 1.0)
    """
    variance = color_variance(images, kernel_size=kernel_size, sigma=sigma)
    peak = variance.amax(dim=(-2, -1), keepdim=True)
    # In place: a camera photo's map takes as much memory as a channel of it. 0 / 1 stays 0.
    return variance.div_(torch.where(peak > 0.0, peak, 1.0))


def epsilon_map(threshold_map: Tensor, magnitude: float) -> Tensor:
    """The bound of each pixel: magnitude times the threshold map, held a hair's breadth below.

    Args:
        threshold_map: (N, 1, H, W) in [0, 1].
        magnitude: m in the paper, in [0, 1] units.

    Returns:
        (N, 1, H, W), the largest change allowed in each channel, in [0, 1] units.

    Raises:
        SettingsError: for a magnitude outside [0, 1].
    """
    if not 0.0 <= magnitude <= 1.0:
        raise SettingsError(f"expected a magnitude in [0, 1], got {magnitude}")
    held = (threshold_map - _MAP_PRECISION).clamp_(min=0.0)
    # The peak itself is 1 in any precision and keeps its whole bound.
    return held.masked_fill_(threshold_map >= 1.0, 1.0).mul_(magnitude)


def _measure_compiled(
    image: Tensor, weights: Tensor, counts: tuple[Tensor, Tensor], found: Tensor
) -> None:
    """Write the variance (H, W) of an image (3, H, W), float32 on the CPU."""
    from cvpire.color import variance_kernel

    height, width = image.shape[-2:]
    radius = len(weights) - 1
    squared_gaussian = weights.float().numpy()
    row_counts, column_counts = (count.numpy() for count in counts)
    out = found.numpy()
    slab = max(1, _SLAB_PIXELS // max(1, width))
    threads = torch.get_num_threads()
    # Made anew each time, which costs little: threads do not outlive a fork of the process.
    with ThreadPoolExecutor(threads) as workers:
        for first in range(0, height, slab):
            rows = slice(first, min(height, first + slab))
            top = max(0, first - radius)
            variance_kernel.measure_rows(
                _lab_planes(image[:, top : rows.stop + radius]),
                first - top,
                squared_gaussian,
                row_counts[rows],
                column_counts,
                out[rows],
                workers,
                threads,
            )


def _lab_planes(image: Tensor) -> Planes:
    """L*, a*, b* and chroma of an image (3, h, W), each (h, W) and contiguous."""
    height, width = image.shape[-2:]
    planes = LabPlanes(*(image.new_empty(height, width) for _ in range(4)))
    step = max(1, _LAB_PIXELS // max(1, width))
    for top in range(0, height, step):
        rows = slice(top, top + step)
        part = LabPlanes.from_lab(srgb_to_lab(image[:, rows].contiguous()))
        for plane, piece in zip(planes, part, strict=True):
            plane[rows] = piece
    lightness, a, b, chroma = (plane.numpy() for plane in planes)
    return lightness, a, b, chroma


def _measure_by_torch(
    image: Tensor, weights: Tensor, counts: tuple[Tensor, Tensor], found: Tensor
) -> None:
    """The same for any device and precision, by torch's own operations, in bands of rows."""
    planes = LabPlanes.from_lab(srgb_to_lab(image))
    height, width = image.shape[-2:]
    found.zero_()
    band_rows = max(1, _TILE_PIXELS // max(1, width))
    for top in range(0, height, band_rows):
        for dy, dx in _half_neighborhood(len(weights) - 1):
            rows = slice(top, min(top + band_rows, height - dy))
            columns = slice(max(0, -dx), min(width, width - dx))
            if rows.start >= rows.stop or columns.start >= columns.stop:
                continue
            other_rows = slice(rows.start + dy, rows.stop + dy)
            other_columns = slice(columns.start + dx, columns.stop + dx)
            squared = squared_ciede2000(
                planes.window(rows, columns), planes.window(other_rows, other_columns)
            )
            squared = F.threshold(squared, SAME_COLOR**2, 0.0) * float(weights[dy, abs(dx)])
            # dE00 is symmetric, so one evaluation serves both pixels of a pair.
            found[rows, columns] += squared
            found[other_rows, other_columns] += squared
    down, across = (count.to(found) for count in counts)
    found.div_((down[:, None] * across[None, :] - 1.0).clamp(min=1.0)).sqrt_()


def _half_neighborhood(radius: int) -> Iterator[tuple[int, int]]:
    """Offsets (dy, dx) that, together with their opposites, are all neighbours once."""
    for dy in range(radius + 1):
        for dx in range(-radius if dy else 1, radius + 1):
            yield dy, dx


def _squared_gaussian(radius: int, sigma: float) -> Tensor:
    """(radius + 1, radius + 1): the square of the Gaussian's density at each (|dy|, |dx|)."""
    distance = torch.arange(radius + 1, dtype=torch.float64).square()
    squared = distance[:, None] + distance[None, :]
    density = torch.exp(-squared / (2.0 * sigma**2)) / (2.0 * math.pi * sigma**2)
    return density.square()


def _reach(length: int, radius: int) -> Tensor:
    """(length,): how many positions of the window around each one lie inside."""
    position = torch.arange(length)
    inside = (position + radius).clamp(max=length - 1) - (position - radius).clamp(min=0) + 1
    return inside.float()
