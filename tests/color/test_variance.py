"""The colour-variance map against a direct double loop, and its properties."""

from __future__ import annotations

from multiprocessing import Pipe, get_all_start_methods, get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import textured_pixels
from numpy.typing import NDArray

from cvpire.color.variance import color_variance, epsilon_map, threshold_map
from eval.ways import by_double_loop

REFERENCE = Path(__file__).parents[1] / "data" / "color_variance.npz"


def as_images(*photos: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).float() / 255.0


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
    expected = by_double_loop(pixels, kernel_size, 1.3)
    assert ours.shape == shape
    assert np.abs(ours - expected).max() <= 1e-4 * max(expected.max(), 1e-9)


@pytest.mark.parametrize("kernel_size", [3, 5, 9])
@pytest.mark.parametrize("band_rows", [1, 2, 5])
@pytest.mark.parametrize("slab_rows", [1, 3, 7])
def test_a_map_does_not_depend_on_how_it_is_cut(
    slab_rows: int, band_rows: int, kernel_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = as_images(textured_pixels(37, 29), textured_pixels(37, 29, seed=1))
    whole = color_variance(images.double(), kernel_size=kernel_size)
    monkeypatch.setattr("cvpire.color.variance._SLAB_PIXELS", slab_rows * 29)
    monkeypatch.setattr("cvpire.color.variance._LAB_PIXELS", 2 * 29)
    monkeypatch.setattr("cvpire.color.variance_kernel._BAND_ROWS", band_rows)
    compiled = color_variance(images, kernel_size=kernel_size)
    assert float((compiled - whole).abs().max()) < 1e-5 * float(whole.max())
    monkeypatch.setattr("cvpire.color.variance._TILE_PIXELS", slab_rows * 29)
    assert torch.allclose(color_variance(images.double(), kernel_size=kernel_size), whole)


def test_pixels_that_are_not_contiguous() -> None:
    images = as_images(textured_pixels(20, 24))
    turned = images.transpose(-1, -2)
    assert not turned.is_contiguous()
    expected = color_variance(images).transpose(-1, -2)
    assert torch.allclose(color_variance(turned), expected, rtol=1e-5)


def test_what_is_no_number_shows() -> None:
    images = as_images(textured_pixels(9, 9))
    images[0, 1, 4, 4] = float("nan")
    for found in (color_variance(images), color_variance(images.double())):
        assert bool(found[0, 0, 2:7, 2:7].isnan().all())
        assert int(found.isnan().sum()) == 25


def _map_in_a_child(answers: Connection) -> None:
    answers.send(float(color_variance(as_images(textured_pixels(9, 9))).sum()))


@pytest.mark.skipif("fork" not in get_all_start_methods(), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_measures_too() -> None:
    expected = float(color_variance(as_images(textured_pixels(9, 9))).sum())
    answers, other_end = Pipe(duplex=False)
    child = get_context("fork").Process(target=_map_in_a_child, args=(other_end,), daemon=True)
    child.start()
    assert answers.poll(30)
    assert answers.recv() == expected
    child.join()


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
    assert float((relative * 16 / 255 - bound).max()) < 2e-5
    assert bool((bound < relative * 16 / 255)[(relative > 1e-4) & (relative < 1.0)].all())
    assert bool((bound == 16 / 255)[relative == 1.0].all())
    with pytest.raises(ValueError, match="magnitude"):
        epsilon_map(relative, 1.5)


@pytest.mark.parametrize("levels", [2, 4])
def test_a_checker_in_float64_agrees_where_there_is_almost_no_contrast(levels: int) -> None:
    random = np.random.default_rng(0)
    images = as_images(random.integers(128, 128 + levels, (80, 80, 3), dtype=np.uint8))
    bound = epsilon_map(threshold_map(images), 16 / 255)
    exact = threshold_map(images.double()) * (16 / 255)
    assert bool((bound.double() <= exact + 1e-8).all())


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
