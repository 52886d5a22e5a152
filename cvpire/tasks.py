"""Photos to be protected, and all that is known before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvpire.classifiers import Classifier, classify
from cvpire.conditions import Condition
from cvpire.errors import SettingsError
from cvpire.images.photo import Photo
from cvpire.runs import Run
from cvpire.tensors import to_image
from cvpire.threshold import threshold_map


@dataclass(frozen=True, eq=False)
class Task:
    """Photos of one size, and all that is known before anything is changed.

    Attributes:
        photos: N of them.
        classifier: to protect from.
        run: what is to be reached and how.
        label_is_given: False where the targets are the classifier's own first guesses.
        images: (N, 3, H, W) in [0, 1], where the classifier is.
        before: (N, classes) logits of the photos.
        targets: (N,) int64, the classes to get away from.
        relative: (N, 1, H, W) in [0, 1], the threshold maps.
    """

    photos: Sequence[Photo]
    classifier: Classifier
    run: Run
    label_is_given: bool
    images: Tensor
    before: Tensor
    targets: Tensor
    relative: Tensor

    @property
    def condition(self) -> Condition:
        """To be met by logits on the CPU."""
        return self.run.condition(self.targets, self.classifier.labels)

    def map(self, index: int) -> NDArray[np.float32]:
        """(H, W), the threshold map of a photo."""
        relative: NDArray[np.float32] = self.relative[index, 0].cpu().numpy()
        return relative


def make_task(
    photos: Sequence[Photo], classifier: Classifier, run: Run, labels: Sequence[int] | None
) -> Task:
    """Look at photos of one size, which are to be protected.

    Args:
        photos: of equal height and width.
        classifier: to protect from.
        run: what is to be reached and how.
        labels: positions of the true classes, one for each photo; None for the classifier's own
            first guesses.

    Raises:
        ValueError: for photos that are too large for the classifier's view, or unknown labels.
    """
    images = torch.cat([to_image(photo.pixels) for photo in photos]).to(classifier.mean.device)
    before = torch.stack([classify(photo, classifier) for photo in photos])
    return Task(
        photos,
        classifier,
        run,
        labels is not None,
        images,
        before,
        _targets(before, labels),
        threshold_map(images, kernel_size=run.kernel_size, sigma=run.sigma),
    )


def _targets(before: Tensor, labels: Sequence[int] | None) -> Tensor:
    if labels is None:
        return before.argmax(dim=1)
    if len(labels) != len(before) or not all(0 <= label < before.shape[1] for label in labels):
        raise SettingsError(
            f"expected {len(before)} labels from 0 to {before.shape[1] - 1}, got {list(labels)}"
        )
    return torch.tensor(labels)
