"""The gradient of saving as a JPEG."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import textured_pixels
from torch import Tensor

from cvpire.edits import jpeg_gradient
from cvpire.edits.jpeg_gradient import kept_by_jpeg
from cvpire.images.encoders import encode_jpeg
from cvpire.images.photo import Photo
from cvpire.images.reading import read_written
from cvpire.images.tensors import to_image, to_photo


def gradient(images: Tensor, direction: Tensor, quality: int) -> Tensor:
    """(1, 3, H, W): of how much of the direction the kept images have."""
    images = images.clone().requires_grad_(True)
    (found,) = torch.autograd.grad((kept_by_jpeg(images, quality) * direction).sum(), images)
    return found


def grey(height: int = 32, width: int = 32) -> Tensor:
    return torch.full((1, 3, height, width), 128.0 / 255.0)


def stripes(images: Tensor, period: int) -> Tensor:
    """Lighter and darker, `period` pixels wide together."""
    columns = torch.arange(images.shape[-1]) % period
    return torch.where(columns < period // 2, 1.0, -1.0).expand_as(images)


@pytest.mark.parametrize("step", [3.0, 8.0, 16.0, 40.0])
def test_it_is_the_derivative_of_the_mean_rounding(step: float) -> None:
    """Measured: the rounded coefficient's mean, over changes, a little to each side."""
    coefficients = torch.linspace(-1.5 * step, 1.5 * step, 25)
    shares = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    grid = jpeg_gradient._CHANGE * torch.special.ndtri(shares).float()

    def mean(at: Tensor) -> Tensor:
        rounded: Tensor = step * ((at[:, None] + grid) / step).round()
        return rounded.mean(dim=1)

    measured = (mean(coefficients + 0.5) - mean(coefficients - 0.5)).clamp(
        max=jpeg_gradient._MOST_DERIVATIVE
    )
    derivative = jpeg_gradient._derivative(coefficients, torch.tensor(step))
    assert torch.allclose(derivative, measured, atol=0.12)


def test_the_steps_are_those_of_the_file() -> None:
    """Those of ITU-T T.81's annex K, which are halved at quality 75."""
    lightness, colour = jpeg_gradient._steps(75)
    assert lightness[0].tolist() == [8, 6, 5, 8, 12, 20, 26, 31]
    assert colour[3, 3] == 50.0


def share_kept(images: Tensor, change: Tensor, quality: int) -> float:
    """Of a change, by the gradient: 1 where the file keeps all of it."""
    found = gradient(images, change, quality)
    return float((found * change).sum() / change.square().sum())


def test_a_smooth_photo_keeps_coarse_changes_and_loses_fine_ones() -> None:
    images = grey()
    assert share_kept(images, stripes(images, 2), 75) < 0.15
    assert 0.9 < share_kept(images, stripes(images, 16), 75) < 1.1


def test_the_best_quality_keeps_lightness_as_it_is() -> None:
    images = to_image(textured_pixels(32, 48, seed=2))
    direction = torch.randn(1, 1, 32, 48, generator=torch.Generator().manual_seed(0))
    found = gradient(images, direction.expand(1, 3, -1, -1), 100)
    assert torch.allclose(found.sum(dim=1), 3.0 * direction[:, 0], atol=1e-3)


def test_colours_are_kept_at_half_the_size() -> None:
    images = grey()
    red = torch.tensor([1.0, -0.5, 0.0]).view(1, 3, 1, 1)
    assert share_kept(images, stripes(images, 2) * red, 100) < 0.01
    assert 0.85 < share_kept(images, stripes(images, 16) * red, 100) < 1.1


@pytest.mark.parametrize("size", [(1, 1), (7, 19), (33, 16)])
def test_any_size_has_a_gradient_of_its_own_shape(size: tuple[int, int]) -> None:
    images = to_image(textured_pixels(*size, seed=3))
    found = gradient(images, torch.ones_like(images), 60)
    assert found.shape == images.shape
    assert bool(found.isfinite().all())


def test_it_tells_what_a_file_keeps_better_than_doing_nothing_does() -> None:
    """Of changes to a photo that was a JPEG: what is left of them by real files."""
    photo = to_photo(to_image(textured_pixels(64, 64, seed=4)))
    photo = read_written(encode_jpeg(photo, 75), photo)
    images = to_image(photo.pixels)
    noise = np.random.default_rng(0)
    kept, told, plain = [], [], []
    saved = to_image(read_written(encode_jpeg(photo, 80), photo).pixels)
    for _ in range(40):
        change = noise.integers(-3, 4, (64, 64, 1)).repeat(3, axis=2)
        pixels = np.clip(photo.pixels + change, 0, 255).astype(np.uint8)
        changed = Photo(pixels)
        after = to_image(read_written(encode_jpeg(changed, 80), changed).pixels)
        real, wanted = after - saved, to_image(pixels) - images
        by_gradient = gradient(images, wanted, 80)
        kept.append(real.flatten())
        told.append(by_gradient.flatten())
        plain.append(wanted.flatten())
    found, ours, theirs = (torch.cat(values) for values in (kept, told, plain))

    def likeness(guess: Tensor) -> float:
        return float(torch.corrcoef(torch.stack([found, guess]))[0, 1])

    assert likeness(ours) > likeness(theirs) + 0.1
