"""What is seen of a photo's lossy file: a search that looks at nothing else works in a closed loop,
and what it calls a success is one in the file that is posted."""

from __future__ import annotations

import torch
from torch import Tensor

from cvpire.attacks.base import RoundTrip
from cvpire.images.formats import FileFormat
from cvpire.images.photo import Photo
from cvpire.images.tensors import straight_through, to_image
from cvpire.images.transparency import BACKGROUNDS, composite, seen_images, to_alpha, with_colors


def through_file(file_format: FileFormat, original: Photo) -> RoundTrip:
    """From images to what is seen of the same encoded and decoded.

    Args:
        file_format: with its quality.
        original: the photo; its transparency, and what lies under it, go into the file as well.

    Returns:
        A function of images (N, 3, H, W) in [0, 1] to (N * sights, 3, H, W), whose gradient goes
        straight through the codec.
    """
    alpha = None if original.alpha is None else to_alpha(original)
    # A codec may blur or leave out the transparency: it is seen on each background all the same.
    backgrounds = BACKGROUNDS[:1] if alpha is None else BACKGROUNDS

    def read(images: Tensor) -> Tensor:
        values = []
        for image in images.chunk(len(images)):
            written = file_format.read_back(with_colors(original, image))[1]
            values += [to_image(composite(written, each).pixels) for each in backgrounds]
        seen = seen_images(images, None if alpha is None else alpha.to(images))
        return straight_through(seen, torch.cat(values))

    return read
