"""Photos with transparency as they are seen, on white and black."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import textured_pixels
from transparency_helpers import by_pillow, logo

from cvpire.edits.posting import TRANSFORMATIONS
from cvpire.images.photo import Photo
from cvpire.images.tensors import to_image, to_photo
from cvpire.images.transparency import (
    BLACK,
    WHITE,
    composite,
    composite_images,
    seen_images,
    sights,
)
from cvpire.images.transparency import to_alpha as alpha_of


def test_levels_worked_out_by_hand() -> None:
    pixels = np.array([[[100, 0, 255], [7, 8, 9], [7, 8, 9]]], np.uint8)
    photo = Photo(pixels, np.array([[128, 255, 0]], np.uint8))
    # 100 * 128/255 = 50.2; 255 * 127/255 = 127.
    assert composite(photo, WHITE).pixels[0, 0].tolist() == [177, 127, 255]
    assert composite(photo, BLACK).pixels[0, 0].tolist() == [50, 0, 128]
    assert composite(photo, WHITE).pixels[0, 1:].tolist() == [[7, 8, 9], [255, 255, 255]]
    assert composite(photo, BLACK).pixels[0, 1:].tolist() == [[7, 8, 9], [0, 0, 0]]
    opaque = Photo(pixels)
    assert composite(opaque, BLACK) is opaque and sights(opaque) == (opaque,)


def test_it_is_what_others_blend() -> None:
    random = np.random.default_rng(0)
    photo = Photo(
        random.integers(0, 256, (64, 64, 3), np.uint8), random.integers(0, 256, (64, 64), np.uint8)
    )
    for background in (WHITE, BLACK):
        off = composite(photo, background).pixels.astype(int) - by_pillow(photo, background.level)
        assert np.abs(off).max() <= 1


def test_a_search_sees_what_the_judge_sees() -> None:
    random = np.random.default_rng(1)
    photo = Photo(
        random.integers(0, 256, (64, 64, 3), np.uint8), random.integers(0, 256, (64, 64), np.uint8)
    )
    images, alpha = to_image(photo.pixels).requires_grad_(), alpha_of(photo)
    seen = seen_images(images, alpha)
    for one, sight in zip(seen, sights(photo), strict=True):
        assert np.array_equal(to_photo(one[None]).pixels, sight.pixels)
    (gradient,) = torch.autograd.grad(seen.sum(), images)
    assert torch.allclose(gradient, 2.0 * alpha.expand_as(gradient))
    assert seen_images(images, None) is images
    mixed = composite_images(images.detach(), alpha, WHITE)
    assert float((mixed - seen[:1].detach()).abs().max()) < 0.5 / 255 + 1e-6


@pytest.mark.parametrize("name", ["blur", "sharpen", "median", "half", "rotate", "crop"])
def test_hidden_colours_do_not_bleed_into_an_edit(name: str) -> None:
    alpha = logo()
    first, second = (
        Photo(np.where(alpha[..., None] > 0, textured_pixels(), hidden), alpha)
        for hidden in (np.uint8(0), np.uint8(255))
    )
    edited = [sights(TRANSFORMATIONS[name].apply(photo)) for photo in (first, second)]
    for one, other in zip(*edited, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
