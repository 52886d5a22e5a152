"""Ways to the colour-variance map: ours, and others to compare it with, each from its own photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Side of the crop on which the double loop is timed: it would take hours for a camera photo.
LOOP_SIDE = 16

Pixels = NDArray[np.uint8]
Map = NDArray[np.floating]


def as_images(pixels: Pixels) -> Tensor:
    """(1, 3, H, W) float32 in [0, 1], as our map takes a photo."""
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div_(255.0)


def by_ours(images: Tensor, kernel_size: int, sigma: float) -> Map:
    """The map (H, W) of `cvpire.color.variance`, before it is made relative."""
    from cvpire.color.variance import color_variance

    found: Map = color_variance(images, kernel_size=kernel_size, sigma=sigma)[0, 0].numpy()
    return found


def by_scikit_image(pixels: Pixels, kernel_size: int, sigma: float) -> Map:
    """The same of pixels (H, W, 3), in float64, by one vectorised call for each neighbour."""
    from skimage.color import deltaE_ciede2000

    return _by_neighbors(pixels, deltaE_ciede2000, kernel_size, sigma)


def by_colour_science(pixels: Pixels, kernel_size: int, sigma: float) -> Map:
    """The same by colour-science's `delta_E`, on scikit-image's Lab."""
    from colour.difference import delta_E_CIE2000

    return _by_neighbors(pixels, delta_E_CIE2000, kernel_size, sigma)


def by_double_loop(pixels: Pixels, kernel_size: int, sigma: float) -> Map:
    """The definition, as the original code has it: a loop over pixels and their neighbours."""
    from skimage.color import deltaE_ciede2000, rgb2lab

    lab = rgb2lab(pixels)
    height, width = pixels.shape[:2]
    radius = kernel_size // 2
    found = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            terms = []
            for v in range(max(0, y - radius), min(height, y + radius + 1)):
                for u in range(max(0, x - radius), min(width, x + radius + 1)):
                    if (v, u) != (y, x):
                        weight = _gaussian(v - y, u - x, sigma)
                        terms.append((weight * deltaE_ciede2000(lab[y, x], lab[v, u])) ** 2)
            found[y, x] = np.sqrt(np.mean(terms)) if terms else 0.0
    return found


class Way(NamedTuple):
    """A way to the map.

    Attributes:
        name: in the table.
        compute: what `prepare` made, kernel size and sigma to the map (H, W).
        prepare: pixels (H, W, 3) uint8 to what is the photo for this way; not measured.
        crop_side: where a whole photo would take too long, the side of the crop that is measured;
            the seconds are then extrapolated, by the number of pairs.
    """

    name: str
    compute: Callable[[Any, int, float], Map]
    prepare: Callable[[Pixels], Any] = np.asarray
    crop_side: int | None = None


WAYS = (
    Way("cvpire.color.variance", by_ours, as_images),
    Way("scikit-image, a vectorised call a neighbour", by_scikit_image),
    Way("colour-science, a vectorised call a neighbour", by_colour_science),
    Way(
        f"double loop, extrapolated from {LOOP_SIDE}x{LOOP_SIDE}",
        by_double_loop,
        crop_side=LOOP_SIDE,
    ),
)


def _by_neighbors(
    pixels: Pixels,
    difference: Callable[..., Any],
    kernel_size: int,
    sigma: float,
) -> Map:
    from skimage.color import rgb2lab

    lab = rgb2lab(pixels)
    height, width = lab.shape[:2]
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for dy, dx in _offsets(kernel_size // 2):
        here = (_inside(dy, height), _inside(dx, width))
        there = (_inside(-dy, height), _inside(-dx, width))
        total[here] += (_gaussian(dy, dx, sigma) * difference(lab[here], lab[there])) ** 2
        count[here] += 1
    found: Map = np.sqrt(total / np.maximum(count, 1))
    return found


def _offsets(radius: int) -> Iterator[tuple[int, int]]:
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if (dy, dx) != (0, 0):
                yield dy, dx


def _gaussian(dy: int, dx: int, sigma: float) -> float:
    density: float = np.exp(-(dx**2 + dy**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    return density


def _inside(shift: int, length: int) -> slice:
    """The positions whose neighbour at this shift is inside."""
    return slice(max(0, -shift), length - max(0, shift))
