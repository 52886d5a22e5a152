"""What the readers of a lossy file get, for searches that work through the real encoder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvpire.formats import FileFormat
from cvpire.tensors import straight_through, to_image, to_photo


def through_file(
    file_format: FileFormat, alpha: NDArray[np.uint8] | None
) -> Callable[[Tensor], Tensor]:
    """From images to the same encoded and decoded.

    A search that looks at nothing else works in a closed loop: what it calls a success is one in
    the file that is posted.

    Args:
        file_format: with its quality.
        alpha: (H, W), of the photo; None where it is opaque.

    Returns:
        A function of images (N, 3, H, W) in [0, 1], whose gradient goes straight through.
    """

    def read(images: Tensor) -> Tensor:
        decoded = [
            to_image(file_format.read_back(to_photo(images[row : row + 1], alpha))[1].pixels)
            for row in range(len(images))
        ]
        return straight_through(images, torch.cat(decoded))

    return read
