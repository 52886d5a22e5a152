"""What an attack starts from: photos, targets, clean logits and threshold maps.

A *sight* of a photo is what is seen of it on one background: one of an opaque photo, two (on white,
on black) of one with transparency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvpire.attacks.conditions import Condition
from cvpire.classifiers.classifier import Classifier, classify_sights
from cvpire.color.variance import threshold_map
from cvpire.errors import SettingsError
from cvpire.images.photo import Photo
from cvpire.images.tensors import to_image
from cvpire.images.transparency import BACKGROUNDS, seen_images, to_alpha, without_hidden
from cvpire.runs import Run

# Reports and rehearsals keep the five highest classes: what the paper's conditions look at.
TOP_K = 5


@dataclass(frozen=True, eq=False)
class Task:
    """Photos of one size that are to be protected, as an attack needs them.

    Attributes:
        photos: N of them; all opaque, or one with transparency.
        classifier: to protect from.
        run: what is to be reached and how.
        seed: of the search's random draws.
        label_is_given: False where the targets are the classifier's own first guesses.
        images: (N, 3, H, W) in [0, 1], where the classifier is; white under clear pixels.
        alpha: (1, 1, H, W) in [0, 1], on the same device; None where they are opaque.
        before: (N, sights, classes), the logits of the unchanged photos.
        targets: (N,) int64, the classes to get away from.
        threshold_maps: (N, 1, H, W) in [0, 1], the threshold maps.
    """

    photos: Sequence[Photo]
    classifier: Classifier
    run: Run
    seed: int
    label_is_given: bool
    images: Tensor
    alpha: Tensor | None
    before: Tensor
    targets: Tensor
    threshold_maps: Tensor

    @cached_property
    def condition(self) -> Condition:
        """On logits (N, classes) on the CPU, of one sight of each photo."""
        return self.run.condition(self.targets, self.classifier.labels)

    def is_flat(self, index: int) -> bool:
        """Whether no pixel of a photo may change."""
        return not bool(self.threshold_maps[index].any())

    def is_met(self, index: int, logits: Tensor, *, margin: float) -> tuple[bool, ...]:
        """Whether the condition holds, for each sight of a photo, by (sights, classes) logits."""
        rows = torch.full((len(logits),), index)
        met: list[bool] = self.condition.select(rows).is_met(logits, margin=margin).tolist()
        return tuple(met)

    def logits(self, written: Photo) -> Tensor:
        """(sights, classes), of a file made of one of the photos, as it was read back."""
        found = classify_sights(written, self.classifier)
        # A codec may have made the photo opaque: then it is the same on each background.
        return found.expand(self.before.shape[1], -1)

    def threshold_map_of(self, index: int) -> NDArray[np.float32]:
        """(H, W), the threshold map of a photo."""
        relative: NDArray[np.float32] = self.threshold_maps[index, 0].cpu().numpy()
        return relative


def make_task(
    photos: Sequence[Photo],
    classifier: Classifier,
    run: Run,
    *,
    labels: Sequence[int] | None,
    seed: int,
) -> Task:
    """Look at photos of one size, which are to be protected.

    Args:
        photos: of equal height and width; all opaque, or one with transparency.
        classifier: to protect from.
        run: what is to be reached and how.
        labels: positions of the true classes, one for each photo; None for the classifier's own
            first guesses, on white where a photo has transparency.
        seed: of the search's random draws.

    Raises:
        ValueError: for photos that are too large for the classifier's view, or unknown labels.
    """
    device = classifier.mean.device
    images = torch.cat([to_image(without_hidden(photo).pixels) for photo in photos]).to(device)
    is_opaque = all(photo.alpha is None for photo in photos)
    if not is_opaque and len(photos) > 1:
        raise ValueError("expected opaque photos, or one with transparency, got several")
    alpha = None if is_opaque else to_alpha(photos[0]).to(device)
    before = torch.stack([classify_sights(photo, classifier) for photo in photos])
    return Task(
        photos,
        classifier,
        run,
        seed,
        labels is not None,
        images,
        alpha,
        before,
        _targets(before[:, 0], labels),
        _map_over_backgrounds(images, alpha, run),
    )


def _map_over_backgrounds(images: Tensor, alpha: Tensor | None, run: Run) -> Tensor:
    """(N, 1, H, W): of a photo with transparency, what stays unseen on every background.

    That is the least of the maps of its sights at each pixel, and 0 where it is clear.
    """
    seen = seen_images(images, alpha)
    relative = threshold_map(seen, kernel_size=run.kernel_size, sigma=run.sigma)
    if alpha is None:
        return relative
    least = relative.view(len(images), len(BACKGROUNDS), *relative.shape[1:]).amin(dim=1)
    return least.masked_fill_(alpha == 0.0, 0.0)


def _targets(before: Tensor, labels: Sequence[int] | None) -> Tensor:
    if labels is None:
        return before.argmax(dim=1)
    if len(labels) != len(before) or not all(0 <= label < before.shape[1] for label in labels):
        raise SettingsError(
            f"expected {len(before)} labels from 0 to {before.shape[1] - 1}, got {list(labels)}"
        )
    return torch.tensor(labels)
