"""What the tests of the registry share: a photo, and the image that a network is given."""

from __future__ import annotations

import torch
from conftest import textured_pixels

from cvpire.images.photo import Photo
from cvpire.images.tensors import to_image


def plain(seed: int = 0) -> Photo:
    return Photo(textured_pixels(seed=seed))


def images() -> torch.Tensor:
    return to_image(plain().pixels)
