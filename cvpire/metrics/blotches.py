"""Where a change is noticed first: a patch of another colour.

An eye passes over single pixels and sees patches. So the change is blurred before it is seen as a
colour: what has one sign over a few pixels stays, what alternates is gone. The largest CIEDE2000 of
that, and its place, are where to look at a change.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from cvpire.color.ciede2000 import ciede2000, lab_from_linear, linear_rgb
from cvpire.metrics.bands import bands, by_threads, widened

# The blur's standard deviation, in pixels, and how far its window reaches around a pixel.
SIGMA, RADIUS = 2.0, 8

# Pixels that a thread compares at a time.
_BAND_PIXELS = 1 << 16


class Blotch(NamedTuple):
    """The place of the strongest change.

    Attributes:
        x: its column, from 0 at the left.
        y: its row, from 0 at the top.
        delta_e: CIEDE2000 there between the photo and the photo plus its blurred change.
    """

    x: int
    y: int
    delta_e: float


def strongest_blotch(original: NDArray[np.uint8], changed: NDArray[np.uint8]) -> Blotch | None:
    """The largest CIEDE2000 between a photo and the photo plus its change, blurred.

    The change is blurred in grey levels of sRGB, by a Gaussian of `SIGMA` pixels; beyond the edges
    it goes on as at them. The sum is cut to 0 to 255, and not rounded.

    Args:
        original: (H, W, 3) uint8, sRGB.
        changed: (H, W, 3) uint8, sRGB, of the same shape.

    Returns:
        The first of the largest, in reading order; None where nothing changed.
    """

    def strongest(rows: slice) -> Blotch | None:
        delta_e = _blurred_delta_e(original, changed, rows)
        if delta_e is None:
            return None
        y, x = divmod(int(delta_e.argmax()), delta_e.shape[1])
        return Blotch(x, rows.start + y, float(delta_e[y, x]))

    found = by_threads(strongest, bands(original, _BAND_PIXELS))
    return max(filter(None, found), key=lambda blotch: blotch.delta_e, default=None)


def blurred_delta_e_map(
    original: NDArray[np.uint8], changed: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """The CIEDE2000 of which `strongest_blotch` is the largest, of each pixel: (H, W).

    Args:
        original: (H, W, 3) uint8, sRGB.
        changed: (H, W, 3) uint8, sRGB, of the same shape.
    """
    found = np.zeros(original.shape[:2], np.float32)

    def fill(rows: slice) -> None:
        delta_e = _blurred_delta_e(original, changed, rows)
        if delta_e is not None:
            found[rows] = delta_e.clip(0.0)

    by_threads(fill, bands(original, _BAND_PIXELS))
    return found


def _blurred_delta_e(
    original: NDArray[np.uint8], changed: NDArray[np.uint8], rows: slice
) -> NDArray[np.float64] | None:
    """(rows, W) between the photo and the photo plus its blurred change; None where there is none.

    -1 where the blurred change is 0.
    """
    seen, inner = widened(rows, RADIUS, len(original))
    before = original[seen].astype(np.float32)
    change = changed[seen] - before
    if not change.any():
        return None
    blurred = gaussian_filter(
        change, sigma=(SIGMA, SIGMA, 0.0), mode="nearest", radius=(RADIUS, RADIUS, 0)
    )[inner]
    has_moved = blurred.any(axis=2)
    if not has_moved.any():
        return None
    levels = before[inner][has_moved].astype(np.float64)
    first, second = (
        lab_from_linear(*linear_rgb(torch.from_numpy(values.T[:, None] / 255.0)))
        for values in (levels, (levels + blurred[has_moved]).clip(0.0, 255.0))
    )
    delta_e = np.full(has_moved.shape, -1.0)
    delta_e[has_moved] = ciede2000(first, second)[0]
    return delta_e
