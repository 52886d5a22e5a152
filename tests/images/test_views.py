"""Views: sizes, identity on the protocol's photos, antialiasing, and gradients through them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import textured_pixels
from PIL import Image

from cvpire.images.views import MAX_NATIVE_PIXELS, TO_SIZE, VIEWS, crop, native, resize


def as_images(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255.0


@pytest.mark.parametrize("size", [(300, 500), (97, 64), (256, 256)])
def test_sizes(size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size)
    shapes = {name: tuple(view(images).shape) for name, view in VIEWS.items()}
    assert shapes == {
        "native": (2, 3, *size),
        "resize": (2, 3, 256, 256),
        "crop": (2, 3, 224, 224),
    }


def test_native_and_resize_are_the_photo_itself_at_256() -> None:
    images = torch.rand(1, 3, 256, 256)
    assert torch.equal(resize(images), images)
    assert torch.equal(native(images), images)
    assert torch.equal(crop(images), images[..., 16:240, 16:240])


@pytest.mark.parametrize("name", VIEWS)
def test_the_view_of_images_at_size_is_that_of_the_images(name: str) -> None:
    photos = [torch.rand(1, 3, 300, 280), torch.rand(1, 3, 256, 400)]
    at_size = [TO_SIZE[name](photo) for photo in photos]
    for photo, same in zip(photos, at_size, strict=True):
        assert torch.equal(VIEWS[name](same), VIEWS[name](photo))
    if name != "native":
        assert at_size[0].shape == at_size[1].shape


def test_resize_is_antialiased_as_pillow_s() -> None:
    pixels = textured_pixels(600, 800)
    expected = np.asarray(
        Image.fromarray(pixels).resize((256, 256), Image.Resampling.BILINEAR), dtype=np.float32
    )
    ours = resize(as_images(pixels))[0].permute(1, 2, 0).numpy() * 255.0
    # Pillow rounds to whole levels twice, once for each axis.
    assert np.abs(ours - expected).max() < 1.5


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_passes_gradients(name: str) -> None:
    images = torch.rand(1, 3, 300, 280, requires_grad=True)
    (gradient,) = torch.autograd.grad(VIEWS[name](images).sum(), images)
    assert bool((gradient[..., 100:200, 100:200] > 0.0).all())


def test_native_refuses_a_camera_photo_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="choose the view 'resize'"):
        native(torch.empty(1, 3, MAX_NATIVE_PIXELS // 512 + 1, 512))
