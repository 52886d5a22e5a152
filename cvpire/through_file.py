"""A classifier as the readers of a lossy file use it: every answer is on the decoded file.

An attack on it works through the real encoder, in a closed loop: what it calls a success is one in
the file that is posted.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvpire.formats import FileFormat
from cvpire.runs import Attacked
from cvpire.tensors import straight_through, to_image, to_photo


class ThroughFile:
    """A classifier that is shown each image encoded and decoded.

    Args:
        classifier: that is asked.
        file_format: with its quality.
        alpha: (H, W), of the photo; images of another size are taken to be opaque.
    """

    def __init__(
        self, classifier: Attacked, file_format: FileFormat, alpha: NDArray[np.uint8] | None
    ) -> None:
        self._classifier = classifier
        self._format = file_format
        self._alpha = alpha

    def __call__(self, images: Tensor, /) -> Tensor:
        """Logits (N, classes) of what the file's reader gets of images (N, 3, H, W)."""
        return self._classifier(straight_through(images, self._read_back(images)))

    @property
    def differentiable(self) -> Callable[[Tensor], Tensor]:
        """The same by the classifier's faster form."""
        fast = self._classifier.differentiable
        return lambda images: fast(straight_through(images, self._read_back(images)))

    def _read_back(self, images: Tensor) -> Tensor:
        read = []
        for row in range(len(images)):
            image = images[row : row + 1]
            fits = self._alpha is not None and self._alpha.shape == image.shape[-2:]
            photo = to_photo(image, self._alpha if fits else None)
            read.append(to_image(self._format.read_back(photo)[1].pixels))
        return torch.cat(read)
