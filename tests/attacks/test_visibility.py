"""What a change is said to cost, against CIEDE2000 and SSIM themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from conftest import textured_pixels
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from cvpire.attacks.least_change import visibility
from cvpire.attacks.least_change.visibility import local_mean, measure_visibility
from cvpire.metrics.difference import delta_e_map, ssim

SIDE = 96


def as_levels(pixels: NDArray[Any]) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float()


def color_cost(form: Tensor, change: Tensor) -> Tensor:
    r, g, b = change
    squares = form[0] * r * r + form[1] * g * g + form[2] * b * b
    mixed = form[3] * r * g + form[4] * r * b + form[5] * g * b
    cost: Tensor = (squares + mixed).sqrt()
    return cost


@pytest.mark.parametrize("most", [1, 3])
def test_the_form_is_ciede2000_of_small_changes(most: int) -> None:
    pixels = textured_pixels(SIDE, SIDE, seed=1)
    random = np.random.default_rng(0)
    change = random.integers(-most, most + 1, pixels.shape)
    change = np.clip(pixels + change, 0, 255) - pixels
    found = measure_visibility(as_levels(pixels), torch.ones(SIDE, SIDE))
    cost = color_cost(found.color, as_levels(change)) * (visibility._DELTA_E_UNIT * SIDE * SIDE)
    expected = delta_e_map(pixels, (pixels + change).astype(np.uint8))
    assert float(cost.mean()) == pytest.approx(float(expected.mean()), rel=0.02)
    is_changed = expected > 0.0
    ratio = cost.numpy()[is_changed] / expected[is_changed]
    assert np.percentile(np.abs(ratio - 1.0), 95) < 0.1


def test_the_squares_are_what_ssim_loses() -> None:
    pixels = textured_pixels(SIDE, SIDE, seed=2)
    random = np.random.default_rng(1)
    change = random.integers(-1, 2, pixels.shape) * (random.random(pixels.shape) < 0.3)
    change = np.clip(pixels + change, 0, 255) - pixels
    found = measure_visibility(as_levels(pixels), torch.ones(SIDE, SIDE))
    cost = float((found.structure * as_levels(change).square()).sum()) * 1.5e-4
    expected = 1.0 - ssim(pixels, (pixels + change).astype(np.uint8))
    assert cost == pytest.approx(expected, rel=0.1)


def test_change_is_cheap_where_the_bound_is_wide() -> None:
    levels = torch.full((3, 20, 20), 90.0)
    bound = torch.full((20, 20), 0.1)
    bound[:, 10:] = 0.9
    color = measure_visibility(levels, bound).color
    # A fifth of the mean bound on the left, nine fifths on the right; the form is of squares.
    rise = visibility._FLAT_WEIGHT - 1.0
    dearer = ((1.0 + 1.8 * rise) / (1.0 + 0.2 * rise)) ** 2
    assert dearer > 1.0
    assert float(color[0, 0, 0] / color[0, 0, 19]) == pytest.approx(dearer, rel=1e-4)
    # Its unit does not count, nor a bound of 0 everywhere.
    assert torch.allclose(color, measure_visibility(levels, 255.0 * bound).color)
    assert bool(measure_visibility(levels, torch.zeros(20, 20)).color.isfinite().all())


@pytest.mark.parametrize("level", [0, 255])
def test_black_and_white_have_a_cost(level: int) -> None:
    found = measure_visibility(torch.full((3, 12, 12), float(level)), torch.ones(12, 12))
    assert bool((found.color[:3] > 0.0).all())
    assert bool((found.structure > 0.0).all())


def test_the_local_mean_is_that_of_ssim_s_window_with_borders_repeated() -> None:
    planes = torch.rand(3, 9, 14, generator=torch.Generator().manual_seed(0))
    expected = gaussian_filter(planes.numpy(), 1.5, mode="nearest", radius=5, axes=(1, 2))
    assert torch.allclose(local_mean(planes), torch.from_numpy(expected), atol=1e-6)
