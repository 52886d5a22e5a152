"""Colour conversion and CIEDE2000, from RGB end to end, against scikit-image and Sharma's pairs."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab
from torch import Tensor

from cvpire.color.ciede2000 import ciede2000, small_change_terms, srgb_to_lab

PAIRS = Path(__file__).parents[1] / "data" / "ciede2000_sharma_pairs.csv"


def as_image(colors: Tensor) -> Tensor:
    """(N, 3) colours as an image (1, 3, N, 1)."""
    return colors.T[None, :, :, None]


def sharma_pairs() -> Tensor:
    with PAIRS.open(newline="") as lines:
        rows = [[float(value) for value in row] for row in list(csv.reader(lines))[1:]]
    return torch.tensor(rows, dtype=torch.float64)


def test_all_34_published_pairs_to_their_last_digit() -> None:
    pairs = sharma_pairs()
    assert len(pairs) == 34
    first, second, expected = as_image(pairs[:, :3]), as_image(pairs[:, 3:6]), pairs[:, 6]
    for difference in (ciede2000(first, second), ciede2000(second, first)):
        assert (difference.flatten() - expected).abs().max() < 1e-4


def test_white_black_and_a_primary_are_where_they_belong() -> None:
    rgb = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
    lab = srgb_to_lab(as_image(rgb))[0, :, :, 0].T
    # Red: Lindbloom's calculator for sRGB under D65.
    expected = torch.tensor([[100.0, 0.0, 0.0], [0.0, 0.0, 0.0], [53.24, 80.09, 67.20]])
    assert (lab - expected).abs().max() < 0.02


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_lab_is_scikit_image_s(dtype: torch.dtype, tolerance: float) -> None:
    rgb = np.random.default_rng(0).random((40, 40, 3))
    expected = rgb2lab(rgb)
    lab = srgb_to_lab(torch.from_numpy(rgb).permute(2, 0, 1)[None].to(dtype))
    assert np.abs(lab[0].permute(1, 2, 0).numpy() - expected).max() < tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_difference_is_scikit_image_s_over_the_gamut(dtype: torch.dtype, tolerance: float) -> None:
    steps = np.linspace(0.0, 1.0, 7)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    first, second = (
        pair.reshape(-1, 1, 3)
        for pair in (np.repeat(grid, len(grid), axis=0), np.tile(grid, (len(grid), 1)))
    )
    lab1, lab2 = rgb2lab(first), rgb2lab(second)
    hues = [np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) for lab in (lab1, lab2)]
    # The formula itself jumps where two hues are opposite.
    is_smooth = np.abs(np.abs(hues[0] - hues[1]) - 180.0)[:, 0] > 0.01
    ours = ciede2000(*(torch.from_numpy(lab).permute(2, 0, 1).to(dtype) for lab in (lab1, lab2)))
    error = np.abs(ours.numpy() - deltaE_ciede2000(lab1, lab2))[is_smooth]
    assert is_smooth.mean() > 0.95
    assert error.max() < tolerance


def test_greys_differ_in_lightness_only_and_are_finite() -> None:
    levels = torch.linspace(0.0, 1.0, 256)
    lab = srgb_to_lab(levels.expand(1, 3, 1, 256))
    difference = ciede2000(lab[..., :-1], lab[..., 1:])
    assert bool(torch.isfinite(difference).all())
    assert bool((difference > 0.0).all())
    assert torch.equal(ciede2000(lab, lab), torch.zeros(1, 1, 256))


def test_the_terms_of_a_small_change_give_its_ciede2000() -> None:
    random = np.random.default_rng(3)
    steps = np.linspace(0.02, 0.98, 9)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)  # greys among them
    dark = random.random((200, 3)) * 0.06
    start = torch.from_numpy(np.concatenate((grid, dark)))
    change = torch.from_numpy(random.normal(size=start.shape) * 1e-4)
    first, second = (srgb_to_lab(as_image(rgb)) for rgb in (start - change / 2, start + change / 2))
    expected = ciede2000(first, second).flatten()
    terms, rotation = small_change_terms(*start.T)
    lightness, chroma, hue = (
        sum(amount * part for amount, part in zip(change.T, parts, strict=True))
        for parts in zip(*terms, strict=True)
    )
    squared = lightness**2 + chroma**2 + hue**2 + rotation * chroma * hue
    assert bool((rotation < -0.1).any())  # the blues are among them
    assert float((squared.sqrt() / expected - 1.0).abs().max()) < 2e-3
