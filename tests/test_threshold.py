"""The colour-variance map against a direct double loop, and its properties."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import textured_pixels
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from cvpire.threshold import color_variance, epsilon_map, threshold_map

REFERENCE = Path(__file__).parent / "data" / "color_variance.npz"


def as_images(*photos: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).float() / 255.0


def double_loop(pixels: NDArray[np.uint8], kernel_size: int, sigma: float) -> NDArray[np.float64]:
    """The definition, word for word."""
    lab = rgb2lab(pixels / 255.0)
    height, width = pixels.shape[:2]
    radius = kernel_size // 2
    result = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            terms = []
            for v in range(max(0, y - radius), min(height, y + radius + 1)):
                for u in range(max(0, x - radius), min(width, x + radius + 1)):
                    if (v, u) != (y, x):
                        squared = (u - x) ** 2 + (v - y) ** 2
                        weight = np.exp(-squared / (2 * sigma**2)) / (2 * np.pi * sigma**2)
                        terms.append((weight * deltaE_ciede2000(lab[y, x], lab[v, u])) ** 2)
            result[y, x] = np.sqrt(np.mean(terms)) if terms else 0.0
    return result


with np.load(REFERENCE) as stored:
    MAPS = sorted(name for name in stored if "_" in name)


@pytest.mark.parametrize("name", MAPS)
def test_stored_reference_maps(name: str) -> None:
    crop, kernel, sigma = name.split("_")
    with np.load(REFERENCE) as reference:
        expected = reference[name]
        ours = color_variance(
            as_images(reference[crop]),
            kernel_size=int(kernel.removeprefix("kernel")),
            sigma=float(sigma.removeprefix("sigma")),
        )
    assert np.abs(ours[0, 0].numpy() - expected).max() < 1e-4 * expected.max()


def test_there_are_reference_maps() -> None:
    assert len(MAPS) == 12


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (9, 8)])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_any_shape_as_the_definition_says(shape: tuple[int, int], kernel_size: int) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    ours = color_variance(as_images(pixels), kernel_size=kernel_size, sigma=1.3)[0, 0].numpy()
    expected = double_loop(pixels, kernel_size, 1.3)
    assert ours.shape == shape
    assert np.abs(ours - expected).max() <= 1e-4 * max(expected.max(), 1e-9)


def test_a_map_does_not_depend_on_how_it_is_cut_into_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    images = as_images(textured_pixels(37, 29))
    whole = color_variance(images)
    monkeypatch.setattr("cvpire.threshold._TILE_PIXELS", 40)
    assert torch.allclose(color_variance(images), whole, rtol=1e-6, atol=0.0)


def test_one_odd_pixel_on_a_single_color() -> None:
    pixels = np.full((9, 9, 3), 90, dtype=np.uint8)
    pixels[4, 4] = (200, 30, 30)
    found = threshold_map(as_images(pixels))[0, 0]
    near = torch.zeros(9, 9, dtype=torch.bool)
    near[2:7, 2:7] = True
    assert bool((found[near] > 0.0).all())
    assert bool((found[~near] == 0.0).all())
    assert found[4, 4] == 1.0


@pytest.mark.parametrize("shape", [(12, 9), (31, 33), (1, 17)])
def test_a_flat_image_has_the_map_zero(shape: tuple[int, int]) -> None:
    for color in ((120, 60, 30), (0, 0, 0), (255, 255, 255), (1, 200, 77)):
        flat = np.full((*shape, 3), color, dtype=np.uint8)
        found = threshold_map(as_images(flat, textured_pixels(*shape)))
        assert torch.equal(found[0], torch.zeros(1, *shape))
        assert found[1].max() == 1.0


def test_the_least_difference_of_two_8_bit_colors_counts() -> None:
    flat = np.full((5, 5, 3), 255, dtype=np.uint8)
    for channel in range(3):
        pixels = flat.copy()
        pixels[2, 2, channel] = 254
        assert threshold_map(as_images(pixels))[0, 0, 2, 2] == 1.0


def test_each_image_of_a_batch_has_its_own_maximum() -> None:
    first, second = textured_pixels(20, 24, seed=1), textured_pixels(20, 24, seed=2) // 4
    both = threshold_map(as_images(first, second))
    for index, pixels in enumerate((first, second)):
        assert torch.allclose(both[index], threshold_map(as_images(pixels))[0], rtol=1e-5)
        assert both[index].max() == 1.0


def test_epsilon_map_stays_below_the_exact_bound() -> None:
    relative = threshold_map(as_images(textured_pixels()))
    bound = epsilon_map(relative, 16 / 255)
    assert bool((bound <= relative * 16 / 255).all())
    assert float((relative * 16 / 255 - bound).max()) < 1e-6
    assert bool((bound < relative * 16 / 255)[(relative > 1e-4) & (relative < 1.0)].all())
    assert bool((bound == 16 / 255)[relative == 1.0].all())
    with pytest.raises(ValueError, match="magnitude"):
        epsilon_map(relative, 1.5)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((1, 1, 8, 8), {}, "shape"),
        ((3, 8, 8), {}, "shape"),
        ((1, 3, 8, 8), {"kernel_size": 4}, "odd"),
        ((1, 3, 8, 8), {"kernel_size": 1}, "odd"),
        ((1, 3, 8, 8), {"sigma": 0.0}, "sigma"),
        ((1, 3, 8, 8), {"sigma": float("nan")}, "sigma"),
    ],
)
def test_what_cannot_be_measured(
    shape: tuple[int, ...], options: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        color_variance(torch.zeros(shape), **options)  # type: ignore[arg-type]
