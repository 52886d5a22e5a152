"""How fast the threshold map is: ours beside one vectorised scikit-image call for each neighbour.

Both in one process and one run, on the same photo; a time is the best of several, because
other work on a machine only ever adds to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from cvpire.threshold import color_variance


@dataclass(frozen=True)
class SpeedRow:
    """One way to compute the map.

    Attributes:
        name: what it is.
        seconds: the best of the repetitions.
        first_seconds: the first call, with whatever it sets up.
        ratio: how many times as long as ours.
        largest_difference: from scikit-image's map in float64, as a share of its maximum; None for
            that map itself.
    """

    name: str
    seconds: float
    first_seconds: float
    ratio: float
    largest_difference: float | None


def measure_speed(
    side: int = 256, kernel_size: int = 5, sigma: float = 1.0, repetitions: int = 7
) -> list[SpeedRow]:
    """Time the colour-variance map of a square photo.

    Args:
        side: of the photo, in pixels.
        kernel_size: see `cvpire.threshold.color_variance`.
        sigma: see `cvpire.threshold.color_variance`.
        repetitions: how often each way is timed; the best counts.

    Returns:
        Ours first.

    Raises:
        ValueError: for a kernel or sigma that the map refuses.
    """
    pixels = _photo(side)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255.0

    def ours() -> NDArray[np.float64]:
        found = color_variance(image, kernel_size=kernel_size, sigma=sigma)
        return found[0, 0].double().numpy()

    def vectorised() -> NDArray[np.float64]:
        return scikit_image_map(pixels, kernel_size, sigma)

    timed = [
        ("cvpire.threshold", *_time(ours, repetitions)),
        ("scikit-image, one call a neighbour", *_time(vectorised, repetitions)),
    ]
    oracle = timed[-1][-1]
    return [
        SpeedRow(
            name,
            seconds,
            first,
            ratio=seconds / timed[0][1],
            largest_difference=None
            if found is oracle
            else float(np.abs(found - oracle).max() / oracle.max()),
        )
        for name, seconds, first, found in timed
    ]


def scikit_image_map(
    pixels: NDArray[np.uint8], kernel_size: int, sigma: float
) -> NDArray[np.float64]:
    """The colour-variance map by scikit-image in float64, vectorised over the pixels.

    Args:
        pixels: (H, W, 3) uint8, sRGB.
        kernel_size: odd, 3 or more.
        sigma: above 0.

    Returns:
        (H, W), not divided by its maximum.
    """
    lab = rgb2lab(pixels)
    height, width = pixels.shape[:2]
    total, count = np.zeros((height, width)), np.zeros((height, width))
    radius = kernel_size // 2
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if (dy, dx) == (0, 0):
                continue
            here = (_inside(dy, height), _inside(dx, width))
            there = (_inside(-dy, height), _inside(-dx, width))
            weight = np.exp(-(dx**2 + dy**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
            total[here] += (weight * deltaE_ciede2000(lab[here], lab[there])) ** 2
            count[here] += 1
    found: NDArray[np.float64] = np.sqrt(total / np.maximum(count, 1))
    return found


def speed_table(rows: list[SpeedRow]) -> str:
    """The rows as Markdown."""
    lines = [
        "| way | seconds | first call | times ours | difference to float64 |",
        "|---|---|---|---|---|",
        *(
            f"| {row.name} | {row.seconds:.4f} | {row.first_seconds:.4f} | {row.ratio:.1f} | "
            + ("-" if row.largest_difference is None else f"{row.largest_difference:.1e}")
            + " |"
            for row in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def _inside(shift: int, length: int) -> slice:
    """The positions whose neighbour at this shift is inside."""
    return slice(max(0, -shift), length - max(0, shift))


def _time(
    compute: Callable[[], NDArray[np.float64]], repetitions: int
) -> tuple[float, float, NDArray[np.float64]]:
    """The best time, the first time, and what was computed."""
    seconds = []
    for _ in range(max(1, repetitions)):
        started = time.perf_counter()
        found = compute()
        seconds.append(time.perf_counter() - started)
    return min(seconds), seconds[0], found


def _photo(side: int) -> NDArray[np.uint8]:
    """A colourful picture of smooth and busy parts; every pixel differs from its neighbours."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:side, 0:side] / side
    smooth = np.stack((x, y, (1 - x) * y), axis=-1) * 255
    noise = random.normal(0.0, 60.0, (side, side, 3)) * (x > 0.5)[..., None]
    picture: NDArray[np.uint8] = np.clip(smooth + noise, 0, 255).astype(np.uint8)
    return picture
