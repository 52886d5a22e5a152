"""What a change costs the eye, and the change that gains most for it."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
from conftest import textured_pixels
from numpy.typing import NDArray
from scipy.optimize import minimize

from cvpire.attacks.faint_change.sensitivity import ContrastCost, Planes

SIZE = 64
WIDE = np.full((SIZE, SIZE), 200.0, np.float32)
FLAT = np.full((3, SIZE, SIZE), 128.0, np.float32)
TEXTURE = np.random.default_rng(7).normal(128.0, 30.0, (1, SIZE, SIZE)).astype(np.float32)
TEXTURE = np.repeat(TEXTURE, 3, axis=0)
GREY, RED_GREEN = (1.0, 1.0, 1.0), (1.0, -1.0, 0.0)


def busy(size: int = SIZE, seed: int = 0) -> Planes:
    """A photo that is smooth on the left and busy on the right."""
    return textured_pixels(size, size, seed).transpose(2, 0, 1).astype(np.float32)


def noise(shape: tuple[int, ...], seed: int) -> Planes:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def wave(frequency: float, color: tuple[float, float, float] = GREY) -> Planes:
    """Horizontal, of whole half-waves, by up to a level; cycles a pixel."""
    line = np.cos(2.0 * np.pi * frequency * (np.arange(SIZE) + 0.5)).astype(np.float32)
    plane = np.broadcast_to(line, (SIZE, SIZE))
    return np.stack([share * plane for share in color]).astype(np.float32)


def gain_of(change: Planes, gain: Planes) -> float:
    return float((gain.astype(np.float64) * change).sum())


def small_case(seed: int) -> tuple[ContrastCost, Planes]:
    """The cost for a photo of 4x4 pixels, and a gain."""
    random = np.random.default_rng(seed)
    photo = random.uniform(0.0, 255.0, (3, 4, 4)).astype(np.float32)
    bound = random.uniform(1.0, 30.0, (4, 4)).astype(np.float32)
    return ContrastCost([photo], bound), noise((3, 4, 4), seed)


def test_a_level_of_lightness_has_a_contrast_of_1_in_texture_and_3_on_a_plain_surface() -> None:
    texture, plain = (ContrastCost([photo], WIDE, masking=0.0) for photo in (TEXTURE, FLAT))
    assert 0.7 < texture.contrast(np.ones_like(FLAT)) < 1.5
    tripled = 3.0 * texture.contrast(np.ones_like(FLAT))
    assert plain.contrast(np.ones_like(FLAT)) == pytest.approx(tripled, rel=0.02)
    assert plain.contrast(np.zeros_like(FLAT)) == 0.0


def test_colour_costs_the_same_in_texture_and_on_a_plain_surface() -> None:
    texture, plain = (ContrastCost([photo], WIDE, masking=0.0) for photo in (TEXTURE, FLAT))
    red_green = wave(1 / 64, RED_GREEN)
    # Red against green holds a little lightness too.
    assert plain.contrast(red_green) == pytest.approx(texture.contrast(red_green), rel=0.1)


def test_a_plain_surface_is_plain_up_to_its_edge() -> None:
    step = FLAT.copy()
    step[:, :, SIZE // 2 :] = 40.0
    beside = np.zeros_like(FLAT)
    beside[:, :, SIZE // 2 - 9 : SIZE // 2 - 3] = wave(1 / 6)[:, :, :6]
    edge, plain, texture = (
        ContrastCost([photo], WIDE, masking=0.0).contrast(beside) for photo in (step, FLAT, TEXTURE)
    )
    assert edge > 0.8 * plain > 1.8 * texture


def test_how_near_a_plain_surface_is_counts_in_pixels_of_the_screen() -> None:
    photo = TEXTURE.copy()
    photo[:, :, : SIZE // 2] = 128.0
    # In texture, 4 pixels from a plain surface at most: 16 on the screen for a photo at a quarter.
    beside = np.zeros_like(FLAT)
    beside[:, :, SIZE // 2 : SIZE // 2 + 4] = 1.0

    def as_plain(scale: float) -> float:
        mixed, plain = (
            ContrastCost([sight], WIDE, masking=0.0, scale=scale) for sight in (photo, FLAT)
        )
        return mixed.contrast(beside) / plain.contrast(beside)

    assert as_plain(1.0) > 1.2 * as_plain(0.25)


@pytest.mark.parametrize("factor", [0.01, 3.0, -2.0])
def test_the_contrast_grows_with_the_change(factor: float) -> None:
    cost, change = ContrastCost([busy()], WIDE), noise(FLAT.shape, 1)
    expected = abs(factor) * cost.contrast(change)
    assert cost.contrast(np.float32(factor) * change) == pytest.approx(expected, rel=1e-4)


def test_two_changes_together_are_seen_no_more_than_one_by_one() -> None:
    cost = ContrastCost([busy()], WIDE)
    for seed in range(5):
        one, other = noise(FLAT.shape, seed), wave(0.1 * seed)
        assert cost.contrast(one + other) <= 1.0001 * (cost.contrast(one) + cost.contrast(other))


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_the_best_change_has_a_contrast_of_1_whatever_the_gain(factor: float) -> None:
    cost, gain = ContrastCost([busy()], WIDE), noise(FLAT.shape, 2)
    best = cost.best_change(np.float32(factor) * gain)
    assert best.dtype == np.float32
    assert cost.contrast(best) == pytest.approx(1.0, rel=1e-3)
    assert np.allclose(best, cost.best_change(gain), atol=1e-3 * np.abs(best).max())
    assert np.allclose(-best, cost.best_change(-gain), atol=1e-3 * np.abs(best).max())


def test_no_gain_has_no_change() -> None:
    best = ContrastCost([busy()], WIDE).best_change(np.zeros_like(FLAT))
    assert best.shape == FLAT.shape and not best.any()


def test_a_gain_at_one_pixel_has_a_finite_change() -> None:
    gain = np.zeros_like(FLAT)
    gain[1, 20, 20] = 1.0
    cost = ContrastCost([FLAT], WIDE)
    best = cost.best_change(gain)
    assert np.isfinite(best).all()
    assert best[1].argmax() == 20 * SIZE + 20
    assert cost.contrast(best) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_no_other_change_of_contrast_1_gains_more(seed: int) -> None:
    cost, gain = ContrastCost([busy(seed=seed)], WIDE), noise(FLAT.shape, seed)
    best = cost.best_change(gain)
    most = gain_of(best, gain)
    others: list[Planes] = [gain, np.sign(gain) * np.abs(best)]
    for number in range(20):
        step = np.float32(np.random.default_rng(number).choice([0.003, 0.03, 0.3]))
        others.append(best + step * cost.best_change(noise(FLAT.shape, 100 + number)))
        others.append(best + step * wave(0.01 * number, RED_GREEN if number % 2 else GREY))
    for other in others:
        assert gain_of(other, gain) / cost.contrast(other) <= 1.0001 * most


@pytest.mark.parametrize("seed", range(3))
def test_an_optimiser_that_knows_only_the_contrast_finds_nothing_better(seed: int) -> None:
    cost, gain = small_case(seed)
    best = cost.best_change(gain)
    most = gain_of(best, gain)

    def price(values: NDArray[np.float64]) -> float:
        change = values.reshape(gain.shape).astype(np.float32)
        gained = gain_of(change, gain)
        return cost.contrast(change) / gained if gained > 0.0 else 1e6

    for start in (gain + 0.3 * noise(gain.shape, 50 + seed), best):
        # Steps of a hundredth of a level: float32's own error is far below.
        found = minimize(price, start.ravel(), method="BFGS", options={"eps": 1e-2})
        reached = 1.0 / float(found.fun)
        assert 0.9 * most < reached <= 1.0001 * most


@pytest.mark.parametrize("color", [GREY, RED_GREEN])
def test_higher_frequencies_cost_less_up_to_the_highest(color: tuple[float, float, float]) -> None:
    cost = ContrastCost([FLAT], WIDE)
    prices = [cost.contrast(wave(frequency, color)) for frequency in (1 / 64, 1 / 16, 1 / 8, 1 / 4)]
    assert prices == sorted(prices, reverse=True)
    assert prices[0] > 1.5 * prices[-1]
    # Nothing is kept of what codecs and smaller sizes take away.
    assert cost.contrast(wave(0.5 - 1 / 128, color)) > prices[0]


def test_no_change_is_made_of_the_highest_frequencies() -> None:
    best = ContrastCost([FLAT], WIDE).best_change(noise(FLAT.shape, 3))
    energy = np.square(scipy.fft.dctn(best, axes=(1, 2), norm="ortho")).sum(axis=0)
    vertical, horizontal = np.mgrid[:SIZE, :SIZE] / (2.0 * SIZE)
    assert energy[np.hypot(vertical, horizontal) > 0.45].sum() < 0.01 * energy.sum()


def test_red_against_green_costs_more_than_lightness() -> None:
    cost = ContrastCost([TEXTURE], WIDE)
    low = 1 / 64
    assert cost.contrast(wave(low, RED_GREEN)) > 1.5 * cost.contrast(wave(low, GREY))
    # So a gain of red alone is bought as light and dark rather than as red.
    gain = np.zeros_like(FLAT)
    gain[0] = wave(low)[0]
    red, green, _ = (float((plane * gain[0]).sum()) for plane in cost.best_change(gain))
    assert 0.0 < green < red


def test_a_change_costs_more_in_a_flat_place() -> None:
    cost = ContrastCost([busy()], WIDE)
    change = wave(1 / 8)
    left, right = change.copy(), change.copy()
    left[:, :, SIZE // 2 :] = 0.0
    right[:, :, : SIZE // 2] = 0.0
    assert cost.contrast(left) > 1.2 * cost.contrast(right)
    best = np.abs(cost.best_change(noise(FLAT.shape, 4)))
    assert best[:, :, : SIZE // 2].mean() < best[:, :, SIZE // 2 :].mean()


def test_a_change_costs_more_where_the_bound_is_narrow() -> None:
    narrow = WIDE.copy()
    narrow[: SIZE // 2] = 1.0
    cost = ContrastCost([FLAT], narrow)
    above, below = wave(1 / 8), wave(1 / 8)
    above[:, SIZE // 2 :] = 0.0
    below[:, : SIZE // 2] = 0.0
    assert cost.contrast(above) > 1.5 * cost.contrast(below)
    nowhere = ContrastCost([FLAT], np.zeros_like(WIDE))
    assert np.isfinite(nowhere.contrast(above))
    best = np.abs(cost.best_change(noise(FLAT.shape, 5)))
    assert best[:, : SIZE // 2 - 8].mean() < 0.7 * best[:, SIZE // 2 + 8 :].mean()


def test_of_several_sights_the_flattest_counts() -> None:
    change = wave(1 / 8)
    flat, both = ContrastCost([FLAT], WIDE), ContrastCost([busy(), FLAT], WIDE)
    assert both.contrast(change) == pytest.approx(flat.contrast(change), rel=1e-5)
    assert ContrastCost([busy()], WIDE).contrast(change) < 0.9 * both.contrast(change)


@pytest.mark.parametrize("color", [GREY, RED_GREEN])
def test_a_photo_seen_at_a_smaller_scale_has_lower_frequencies(
    color: tuple[float, float, float],
) -> None:
    whole, half = ContrastCost([FLAT], WIDE), ContrastCost([FLAT], WIDE, scale=0.5)
    # At half the size, 1/8 of a cycle a pixel is 1/16 on the screen.
    seen = half.contrast(wave(1 / 8, color))
    assert seen == pytest.approx(whole.contrast(wave(1 / 16, color)), rel=1e-3)
    assert seen > whole.contrast(wave(1 / 8, color))
