"""Metrics on 8-bit pixels: against definitions written out, and on cases known by heart."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from conftest import needs_flip, textured_pixels
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from skimage.color import deltaE_ciede2000, rgb2lab

from cvpire.metrics import difference as metrics
from cvpire.metrics.difference import Difference, compare, delta_e_map, ssim, worst


def wang_ssim(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Wang et al. 2004, equation 13: 11x11 Gaussian, sigma 1.5, valid region, channel mean."""
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def blur(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        blurred: NDArray[np.float64] = correlate1d(
            correlate1d(plane, window, axis=0), window, axis=1
        )
        return blurred

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for channel in range(3):
        x, y = (pixels[..., channel].astype(np.float64) for pixels in (first, second))
        mx, my = blur(x), blur(y)
        vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
        index = ((2 * mx * my + c1) * (2 * cov + c2)) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        values.append(index[5:-5, 5:-5].mean())
    return float(np.mean(values))


def noisy(pixels: NDArray[np.uint8], amount: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(9).integers(-amount, amount + 1, pixels.shape)
    return np.clip(pixels.astype(int) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("amount", [1, 8, 60])
def test_ssim_is_wang_s(amount: int) -> None:
    first = textured_pixels(40, 52)
    second = noisy(first, amount)
    assert ssim(first, second) == pytest.approx(wang_ssim(first, second), abs=1e-6)


def test_delta_e_is_scikit_image_s_from_rgb() -> None:
    first = textured_pixels(30, 33)
    second = noisy(first, 5)
    expected = deltaE_ciede2000(rgb2lab(first), rgb2lab(second))
    assert np.abs(delta_e_map(first, second) - expected).max() < 1e-5


def test_percentiles_are_those_of_scikit_image_s_map() -> None:
    first = textured_pixels(40, 50)
    second = noisy(first, 12)
    expected = deltaE_ciede2000(rgb2lab(first), rgb2lab(second))
    found = compare(first, second, np.ones((40, 50)))
    assert found.delta_e_p95 == pytest.approx(np.percentile(expected, 95), abs=1e-5)
    assert found.delta_e_p999 == pytest.approx(np.percentile(expected, 99.9), abs=1e-5)


@needs_flip
def test_flip_is_the_99th_percentile_of_the_package_s_map() -> None:
    import flip_evaluator as flip

    first = textured_pixels(40, 50)
    second = noisy(first, 12)
    images = (pixels.astype(np.float32) / 255 for pixels in (first, second))
    expected, _, _ = flip.evaluate(*images, "LDR", applyMagma=False)
    found = compare(first, second, np.ones((40, 50)))
    assert found.flip_p99 == pytest.approx(np.percentile(expected, 99), abs=1e-6)
    assert found.flip_p99 > 0.01


def test_the_rest_is_compared_without_flip(monkeypatch: pytest.MonkeyPatch) -> None:
    first = textured_pixels()
    second = noisy(first, 12)
    with_flip = compare(first, second, np.ones((48, 48)))
    monkeypatch.setitem(sys.modules, "flip_evaluator", None)  # as where it is not installed
    without = compare(first, second, np.ones((48, 48)))
    assert math.isnan(without.flip_p99)
    assert without._replace(flip_p99=0.0) == with_flip._replace(flip_p99=0.0)


def test_the_worst_of_two_backgrounds() -> None:
    nan = math.nan
    first = Difference(0.9, 0.1, 0.2, 0.3, 0.25, 1.0, 0.02, 3, 0.5, 0)
    second = Difference(0.8, 0.2, 0.1, 0.4, 0.15, 2.0, 0.01, 2, 0.6, 1)
    expected = Difference(0.8, 0.2, 0.2, 0.4, 0.25, 2.0, 0.02, 3, 0.6, 1)
    assert worst([first, second]) == worst([second, first]) == expected
    for pair in ([first._replace(flip_p99=nan), second], [first, second._replace(flip_p99=nan)]):
        assert math.isnan(worst(pair).flip_p99)
        assert worst(pair)._replace(flip_p99=0.0) == expected._replace(flip_p99=0.0)
    assert math.isnan(worst([first, second._replace(ssim=nan)]).ssim)


@needs_flip
def test_equal_photos() -> None:
    pixels = textured_pixels()
    found = compare(pixels, pixels.copy(), np.zeros((48, 48), np.float32))
    assert found == (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0.0, 0)


def test_one_changed_pixel_is_counted_where_it_is() -> None:
    pixels = textured_pixels()
    changed = pixels.copy()
    changed[3, 4, 1] += 6
    epsilon = np.full((48, 48), 6 / 255, np.float32)
    found = compare(pixels, changed, epsilon)
    assert (found.linf, found.over_bound) == (6, 0)
    assert found.changed == pytest.approx(1 / 48**2)
    assert found.delta_e_mean == pytest.approx(found.delta_e_max / 48**2, rel=1e-5)
    epsilon[3, 4] = 5.9 / 255
    assert compare(pixels, changed, epsilon).over_bound == 1
    changed[3, 4] -= 20
    assert compare(pixels, changed, epsilon).over_bound == 1


def test_a_change_from_0_to_255_does_not_wrap() -> None:
    black, white = np.zeros((12, 12, 3), np.uint8), np.full((12, 12, 3), 255, np.uint8)
    found = compare(black, white, np.ones((12, 12), np.float32))
    assert (found.linf, found.over_bound, found.changed) == (255, 0, 1.0)
    assert found.delta_e_mean == pytest.approx(100.0, abs=0.1)


def test_a_tiny_photo_has_no_ssim_but_the_rest() -> None:
    pixels = textured_pixels(5, 7)
    found = compare(pixels, noisy(pixels, 3), np.ones((5, 7), np.float32))
    assert math.isnan(found.ssim)
    assert found.delta_e_mean > 0.0
    assert found.delta_e_blurred > 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((48, 47, 3), np.uint8),
        np.zeros((48, 48), np.uint8),
        np.zeros((48, 48, 3), np.float32),
    ],
)
def test_what_cannot_be_compared(wrong: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="expected"):
        compare(textured_pixels(), wrong, np.zeros((48, 48), np.float32))
    with pytest.raises(ValueError, match="epsilon map"):
        compare(textured_pixels(), textured_pixels(), np.zeros((4, 4), np.float32))


def test_a_large_photo_is_compared_in_bands_as_in_one_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = textured_pixels(61, 40)
    second = noisy(first, 6)
    second[:20] = first[:20]
    bound = np.full((61, 40), 5 / 255)
    whole = compare(first, second, bound)
    for pixels in (40 * 7, 40, 1):
        monkeypatch.setattr(metrics, "_BAND_PIXELS", pixels)
        parts = compare(first, second, bound)
        assert parts == pytest.approx(whole, abs=1e-9, nan_ok=True)
    assert 0 < whole.over_bound < whole.changed * first[..., 0].size
