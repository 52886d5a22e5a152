"""How far two photos are apart: SSIM, CIEDE2000, FLIP, grey levels, and pixels over their bound.

Photos are 8-bit pixels (H, W, 3), sRGB: what a reader of the files gets. Every metric is computed
on them and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from cvpire.color.ciede2000 import ciede2000, lab_from_linear, linear_rgb
from cvpire.metrics.bands import bands, by_threads
from cvpire.metrics.blotches import Blotch, strongest_blotch
from cvpire.metrics.flip import flip_map, has_flip
from cvpire.watch import UNWATCHED, Watch

Pixels = NDArray[np.uint8]

# The window of Wang et al. 2004 spans 11 pixels; a photo below that has no SSIM.
SSIM_MIN_SIDE = 11

# The window reaches so far around its pixel.
_SSIM_RADIUS = SSIM_MIN_SIDE // 2

# Pixels that a thread compares at a time: metrics hold dozens of numbers a pixel as they compute.
# Those of colours stay in cache so; SSIM's have a frame that is measured twice.
_BAND_PIXELS, _COLOR_BAND_PIXELS = 1 << 18, 1 << 15

# Linear RGB of each grey level.
_LINEAR: NDArray[np.float64] = linear_rgb(torch.arange(256, dtype=torch.float64) / 255.0).numpy()


class Difference(NamedTuple):
    """What a change did to a photo.

    Attributes:
        ssim: see `ssim`; NaN for a photo with a side below 11 pixels.
        delta_e_mean: mean CIEDE2000 over the pixels.
        delta_e_p95: its 95th percentile.
        delta_e_max: its maximum.
        delta_e_p999: its 99.9th percentile.
        delta_e_blurred: see `cvpire.metrics.blotches`; 0 where nothing changed.
        flip_p99: the 99th percentile of FLIP's map (see `cvpire.metrics.flip`), in [0, 1]; NaN
            where FLIP is unavailable.
        linf: largest change of a channel, in grey levels.
        changed: share of the pixels that changed at all, in [0, 1].
        over_bound: pixels with a channel that changed by more than their bound.
    """

    ssim: float
    delta_e_mean: float
    delta_e_p95: float
    delta_e_max: float
    delta_e_p999: float
    delta_e_blurred: float
    flip_p99: float
    linf: int
    changed: float
    over_bound: int


def compare(
    original: Pixels,
    changed: Pixels,
    epsilon_map: NDArray[np.floating],
    watch: Watch = UNWATCHED,
) -> Difference:
    """All differences between a photo and its changed version.

    Args:
        original: (H, W, 3) uint8, sRGB.
        changed: (H, W, 3) uint8, sRGB.
        epsilon_map: (H, W), the largest change allowed, in [0, 1] units.
        watch: asked now and then; what it raises ends the work.

    Returns:
        The differences.

    Raises:
        ValueError: if the shapes do not agree.

    Example:
        >>> photo = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
        >>> found = compare(photo, photo + np.uint8(1), np.ones((32, 32), np.float32))
        >>> found.linf, found.over_bound
        (1, 0)
    """
    return compare_and_locate(original, changed, epsilon_map, watch)[0]


def compare_and_locate(
    original: Pixels,
    changed: Pixels,
    epsilon_map: NDArray[np.floating],
    watch: Watch = UNWATCHED,
) -> tuple[Difference, Blotch | None]:
    """The same as `compare`, with the place of the strongest change; None where there is none."""
    _check_pair(original, changed)
    if epsilon_map.shape != original.shape[:2]:
        raise ValueError(
            f"expected an epsilon map of shape {original.shape[:2]}, got {epsilon_map.shape}"
        )
    linf = moved = 0
    for rows in bands(original, _BAND_PIXELS):
        levels = np.abs(changed[rows].astype(np.int16) - original[rows]).max(axis=2)
        linf = max(linf, int(levels.max()))
        moved += int(np.count_nonzero(levels))
    mean, p95, p999, highest = _delta_e_figures(original, changed)
    blotch = strongest_blotch(original, changed)
    flip = math.nan
    if has_flip():
        visible = flip_map(original, changed, watch)
        flip = float(np.percentile(visible, 99.0, overwrite_input=True))
    difference = Difference(
        ssim=ssim(original, changed) if min(original.shape[:2]) >= SSIM_MIN_SIDE else float("nan"),
        delta_e_mean=mean,
        delta_e_p95=p95,
        delta_e_max=highest,
        delta_e_p999=p999,
        delta_e_blurred=0.0 if blotch is None else blotch.delta_e,
        flip_p99=flip,
        linf=linf,
        changed=moved / epsilon_map.size,
        over_bound=count_over_bound(original, changed, epsilon_map),
    )
    return difference, blotch


def count_over_bound(original: Pixels, changed: Pixels, epsilon_map: NDArray[np.floating]) -> int:
    """How many pixels have a channel that changed by more than their bound.

    Args:
        original: (H, W, 3) uint8.
        changed: (H, W, 3) uint8.
        epsilon_map: (H, W), the largest change allowed, in [0, 1] units.
    """
    over_bound = 0
    for rows in bands(original, _BAND_PIXELS):
        levels = np.abs(changed[rows].astype(np.int16) - original[rows]).max(axis=2)
        over_bound += int(np.count_nonzero(levels > epsilon_map[rows].astype(np.float64) * 255.0))
    return over_bound


def worst(differences: Sequence[Difference]) -> Difference:
    """The worst value of each metric, among those of all that is seen of a photo; NaN stays NaN."""
    columns = zip(*differences, strict=True)
    highest = Difference._make(_nan_or(max, values) for values in columns)
    return highest._replace(ssim=_nan_or(min, [difference.ssim for difference in differences]))


def ssim(original: Pixels, changed: Pixels) -> float:
    """Structural similarity as in Wang et al. 2004, mean over the three channels.

    Args:
        original: (H, W, 3) uint8, each side 11 pixels or more.
        changed: (H, W, 3) uint8.

    Returns:
        At most 1, which is equality.

    Raises:
        ValueError: if the shapes do not agree or are too small.

    Source: doi:10.1109/TIP.2003.819861, with its Gaussian window of 11x11 pixels, sigma 1.5.
    """
    _check_pair(original, changed)
    inner = len(original) - 2 * _SSIM_RADIUS

    # A band gives the mean over its pixels whose window lies inside: no pixel is left out or taken
    # twice.
    def band_sum(rows: slice) -> float:
        seen = slice(rows.start, rows.stop + 2 * _SSIM_RADIUS)
        mean = structural_similarity(
            original[seen],
            changed[seen],
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
            channel_axis=2,
        )
        share: float = mean * (rows.stop - rows.start)
        return share

    rows = bands(original[: max(inner, 1)], _BAND_PIXELS)
    return float(sum(by_threads(band_sum, rows)) / max(inner, 1))


def delta_e_map(original: Pixels, changed: Pixels) -> NDArray[np.float32]:
    """CIEDE2000 between the pixels of two photos.

    Args:
        original: (H, W, 3) uint8, sRGB.
        changed: (H, W, 3) uint8, sRGB.

    Returns:
        (H, W) float32; exactly 0 where a pixel did not change.

    Raises:
        ValueError: if the shapes do not agree.
    """
    _check_pair(original, changed)
    delta_e = np.zeros(original.shape[:2], dtype=np.float32)

    def fill_band(rows: slice) -> None:
        # Few pixels change at all, and an unchanged one has no difference to compute.
        has_moved = (original[rows] != changed[rows]).any(axis=2)
        first, second = (
            lab_from_linear(*torch.from_numpy(_LINEAR[pixels[rows][has_moved].T[:, None]]))
            for pixels in (original, changed)
        )
        delta_e[rows][has_moved] = ciede2000(first, second)[0].numpy()

    by_threads(fill_band, bands(original, _COLOR_BAND_PIXELS))
    return delta_e


def _delta_e_figures(original: Pixels, changed: Pixels) -> tuple[float, float, float, float]:
    """Mean, 95th and 99.9th percentile, and maximum; the map itself is not kept."""
    delta_e = delta_e_map(original, changed)
    mean, highest = float(delta_e.mean(dtype=np.float64)), float(delta_e.max())
    p95, p999 = np.percentile(delta_e, (95.0, 99.9), overwrite_input=True).tolist()
    return mean, p95, p999, highest


def _nan_or(pick: Callable[[Sequence[float]], float], values: Sequence[float]) -> float:
    return math.nan if any(value != value for value in values) else pick(values)


def _check_pair(original: Pixels, changed: Pixels) -> None:
    for pixels in (original, changed):
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError(
                f"expected 8-bit pixels of shape (H, W, 3), got {pixels.dtype} {pixels.shape}"
            )
    if original.shape != changed.shape:
        raise ValueError(f"expected photos of one size, got {original.shape} and {changed.shape}")
