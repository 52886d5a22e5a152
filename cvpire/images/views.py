"""Views: how a classifier that reads a posted photo gets its pixels to size.

A view takes images (N, 3, H, W) in [0, 1] and returns the pixels that the network sees, in [0, 1].
All are differentiable, so that an attack works through them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from cvpire.errors import PhotoError

View = Callable[[Tensor], Tensor]

RESIZED_SIDE = 256
CROPPED_SIDE = 224
# A network's activations take about 100 times its input: this many pixels need some 2 GB.
MAX_NATIVE_PIXELS = 1 << 20


def native(images: Tensor) -> Tensor:
    """The photo's own pixels, as in the MediaEval task on 256x256 photos.

    Raises:
        PhotoError: for more pixels than a network can take at once in reasonable memory.
    """
    height, width = images.shape[-2:]
    if height * width > MAX_NATIVE_PIXELS:
        raise PhotoError(
            f"The native view takes photos of up to {MAX_NATIVE_PIXELS / 1e6:.1f} megapixels, this "
            f"one has {height * width / 1e6:.1f}: choose the view 'resize' or 'crop'."
        )
    return images


def resize(images: Tensor) -> Tensor:
    """The whole photo at 256x256, antialiased, its aspect ratio given up."""
    if images.shape[-2:] == (RESIZED_SIDE, RESIZED_SIDE):
        return images
    size = (RESIZED_SIDE, RESIZED_SIDE)
    return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)


def crop(images: Tensor) -> Tensor:
    """The centre 224x224 of the photo at 256x256."""
    start = (RESIZED_SIDE - CROPPED_SIDE) // 2
    inner = slice(start, start + CROPPED_SIDE)
    return resize(images)[..., inner, inner]


# That of a posted photo: what command line, page and library take unless told otherwise.
DEFAULT_VIEW = "resize"

VIEWS: dict[str, View] = {"native": native, "resize": resize, "crop": crop}

# What of each view brings images to one size. The view of these is the view of the images.
TO_SIZE: dict[str, View] = {"native": lambda images: images, "resize": resize, "crop": resize}
