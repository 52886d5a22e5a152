"""The blurred colour difference: against scikit-image's, from RGB, end to end."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import textured_pixels
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.filters import gaussian

from cvpire.metrics import blotches
from cvpire.metrics.blotches import strongest_blotch


def blurred_map(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The definition, written out, in one piece."""
    change = gaussian(
        second.astype(np.float64) - first, sigma=2, mode="nearest", channel_axis=2, truncate=4.0
    )
    seen = np.clip(first + change, 0, 255) / 255
    found: NDArray[np.float64] = deltaE_ciede2000(rgb2lab(first / 255), rgb2lab(seen))
    return found


def noisy(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    noise = np.random.default_rng(5).integers(-60, 61, pixels.shape)
    return np.clip(pixels.astype(int) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(50, 41), (1, 1), (1, 20), (20, 1), (3, 2)])
def test_it_is_scikit_image_s(size: tuple[int, int]) -> None:
    first = textured_pixels(*size)
    second = noisy(first)
    expected = blurred_map(first, second)
    found = strongest_blotch(first, second)
    assert found is not None
    assert found.delta_e == pytest.approx(expected.max(), abs=1e-4)
    assert found.y * size[1] + found.x == expected.argmax()


@pytest.mark.parametrize("rows", [1, 5, 30])
def test_bands_are_the_whole(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    first = textured_pixels(61, 40)
    second = noisy(first)
    second[:10] = first[:10]
    whole = strongest_blotch(first, second)
    monkeypatch.setattr(blotches, "_BAND_PIXELS", 40 * rows)
    assert strongest_blotch(first, second) == pytest.approx(whole, abs=1e-9)


def test_a_patch_counts_and_a_fine_pattern_does_not() -> None:
    grey = np.full((60, 80, 3), 128, np.uint8)
    patch, pattern = grey.copy(), grey.copy()
    patch[20:30, 50:60, 0] += 12
    checks = np.indices((40, 60)).sum(axis=0) % 2 == 0
    pattern[10:50, 10:70, 0] += np.where(checks, 12, -12).astype(np.int8).view(np.uint8)
    seen, unseen = strongest_blotch(grey, patch), strongest_blotch(grey, pattern)
    assert seen is not None and unseen is not None
    assert 50 <= seen.x < 60 and 20 <= seen.y < 30
    assert seen.delta_e > 3.0 > 1.0 > unseen.delta_e


def test_equal_photos_have_no_place() -> None:
    pixels = textured_pixels()
    assert strongest_blotch(pixels, pixels.copy()) is None


def test_the_sum_is_cut_to_what_a_screen_shows() -> None:
    """White that gets whiter beside black that gets white: 255 is as far as it goes."""
    first = np.full((40, 40, 3), 255, np.uint8)
    first[:, :20] = 0
    second = np.full((40, 40, 3), 255, np.uint8)
    found = strongest_blotch(first, second)
    assert found is not None
    assert found.delta_e == pytest.approx(blurred_map(first, second).max(), abs=1e-4)
    assert found.delta_e < 100.01
    assert found.x < 20
