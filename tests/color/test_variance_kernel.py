"""The compiled CIEDE2000 against float64 scikit-image, over the gamut and where it is delicate."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import textured_pixels
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from cvpire.color import variance_kernel
from cvpire.color.ciede2000 import SAME_COLOR
from cvpire.color.variance import color_variance
from cvpire.color.variance_kernel import Plane, squared_differences

Colors = NDArray[np.float64]

PAIRS = Path(__file__).parents[1] / "data" / "ciede2000_sharma_pairs.csv"
TOLERANCE = 1e-4


def compiled(first: Colors, second: Colors) -> Colors:
    """dE00 of Lab colours (N, 3), by the kernel."""
    squared = np.empty(len(first), np.float32)
    squared_differences(*_planes(first), *_planes(second), np.float32(1.0), squared)
    found: Colors = np.sqrt(squared.astype(np.float64))
    return found


def _planes(colors: Colors) -> tuple[Plane, Plane, Plane, Plane]:
    lightness, a, b = np.ascontiguousarray(colors.T, np.float32)
    return lightness, a, b, np.hypot(a, b)


def degrees_from_opposite(first: Colors, second: Colors) -> Colors:
    hues = [np.degrees(np.arctan2(lab[:, 2], lab[:, 1])) for lab in (first, second)]
    away: Colors = np.abs(np.abs(hues[0] - hues[1]) - 180.0)
    return away


def all_pairs(colors: Colors) -> Iterator[tuple[Colors, Colors]]:
    """Every colour with all, a part at a time."""
    for color in colors:
        yield np.broadcast_to(color, colors.shape), colors


def assert_close(first: Colors, second: Colors) -> float:
    """The share of the pairs that are compared: those whose hues are not opposite."""
    # Hues of the colours as float32 holds them: the formula jumps where they are opposite.
    first, second = (lab.astype(np.float32).astype(np.float64) for lab in (first, second))
    is_smooth = degrees_from_opposite(first, second) > 0.01
    found, expected = compiled(first, second), deltaE_ciede2000(first, second)
    assert bool(np.isfinite(found).all())
    # Below 1e-4, colours count as equal.
    assert np.abs(found - expected)[is_smooth].max(initial=0.0) < TOLERANCE
    return float(is_smooth.mean())


def test_all_34_published_pairs() -> None:
    with PAIRS.open(newline="") as lines:
        rows = np.array([[float(value) for value in row] for row in list(csv.reader(lines))[1:]])
    for first, second in ((rows[:, :3], rows[:, 3:6]), (rows[:, 3:6], rows[:, :3])):
        # Two of them have exactly opposite hues.
        assert np.abs(compiled(first, second) - rows[:, 6]).max() < 1e-4


def test_a_grid_of_the_whole_gamut() -> None:
    steps = np.linspace(0.0, 1.0, 8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 1, 3)
    lab = rgb2lab(grid)[:, 0]
    shares = [assert_close(first, second) for first, second in all_pairs(lab)]
    assert np.mean(shares) > 0.95


def test_a_grid_of_lab_beyond_the_gamut() -> None:
    axes = (
        np.linspace(0.0, 100.0, 5),
        np.linspace(-110.0, 105.0, 9),
        np.linspace(-110.0, 100.0, 9),
    )
    lab = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3)
    shares = [assert_close(first, second) for first, second in all_pairs(lab)]
    assert np.mean(shares) > 0.95


def test_neighbours_of_8_bit() -> None:
    """What most pixels of a photo have beside them: a colour some levels away."""
    random = np.random.default_rng(0)
    first = random.integers(0, 256, (200_000, 1, 3))
    second = np.clip(first + random.integers(-3, 4, first.shape), 0, 255)
    assert assert_close(rgb2lab(first / 255.0)[:, 0], rgb2lab(second / 255.0)[:, 0]) > 0.9


def test_greys_and_what_is_almost_grey() -> None:
    levels = np.linspace(0.0, 100.0, 21)
    greys = np.stack((levels, 0.0 * levels, 0.0 * levels), axis=1)
    chromas = np.array([1e-6, 1e-4, 1e-2, 0.5])
    hues = np.radians(np.arange(0.0, 360.0, 30.0))
    near = np.array(
        [(level, c * np.cos(h), c * np.sin(h)) for level in (0, 50) for c in chromas for h in hues]
    )
    for first, second in all_pairs(np.concatenate((greys, near))):
        assert_close(first, second)


@pytest.mark.parametrize("center", [0.0, 90.0, 180.0, 270.0, 275.0, 360.0])
def test_hues_around_a_wrap(center: float) -> None:
    hues = np.radians(center + np.linspace(-8.0, 8.0, 41))
    for chroma in (0.1, 5.0, 30.0, 100.0):
        lab = np.stack((np.full(41, 50.0), chroma * np.cos(hues), chroma * np.sin(hues)), axis=1)
        for first, second in all_pairs(lab):
            assert_close(first, second)


def test_hues_close_to_opposite() -> None:
    """Right up to 0.011 degrees from the jump, on either side of it."""
    hues = np.radians(np.arange(0.0, 360.0, 5.0))
    for away in (0.011, 0.1, 1.0, 9.0):
        for side in (-1.0, 1.0):
            turned = hues + np.radians(180.0 + side * away)
            for chromas in ((40.0, 40.0), (3.0, 90.0)):
                first, second = (
                    np.stack((np.full(72, 60.0), c * np.cos(h), c * np.sin(h)), axis=1)
                    for c, h in zip(chromas, (hues, turned), strict=True)
                )
                assert_close(first, second)


def test_at_opposite_hues_it_is_one_of_the_formula_s_two_values() -> None:
    """Where the formula jumps, rounding decides which side of the jump is taken."""
    hues = np.radians(np.arange(1.0, 360.0, 7.0))
    first, second, *sides = (
        np.stack((np.full(len(h), 60.0), 40.0 * np.cos(h), 40.0 * np.sin(h)), axis=1)
        for h in (hues, *(hues + np.pi + nudge for nudge in (0.0, -2e-5, 2e-5)))
    )
    found = compiled(first, second)
    errors = [np.abs(found - deltaE_ciede2000(first, side)) for side in sides]
    assert np.minimum(*errors).max() < 1e-2


def test_where_the_mean_hue_goes_from_360_to_0() -> None:
    """The blues' rotation is not periodic in the formula: it jumps there, by almost nothing."""
    for difference in np.radians((20.0, 100.0, 170.0)):
        first, second = (
            np.array([(60.0, c * np.cos(h), c * np.sin(h))])
            for c, h in ((3.0, -difference / 2.0), (90.0, difference / 2.0))
        )
        assert np.abs(compiled(first, second) - deltaE_ciede2000(first, second)) < 2e-4


@pytest.mark.parametrize(("kernel_size", "sigma"), [(3, 0.7), (5, 1.0), (7, 2.0), (15, 5.0)])
def test_the_map_is_torch_s_in_float64(kernel_size: int, sigma: float) -> None:
    """The two ways of `cvpire.color.variance`, on a batch of any size."""
    for shape in ((40, 53), (3, 20), (1, 1)):
        batch = np.stack([textured_pixels(*shape, seed=seed) for seed in (1, 2)])
        images = torch.from_numpy(batch).permute(0, 3, 1, 2) / 255.0
        fast = color_variance(images.float(), kernel_size=kernel_size, sigma=sigma)
        exact = color_variance(images.double(), kernel_size=kernel_size, sigma=sigma)
        assert fast.dtype == torch.float32
        assert float((fast - exact).abs().max()) <= 1e-5 * float(exact.max())


def test_colors_are_the_same_for_both_forms_of_the_formula() -> None:
    assert np.float32(SAME_COLOR**2) == variance_kernel._SAME_COLOR_SQUARED
