"""What is seen of one image as it changes, at the size that is searched at."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from cvpire.attacks.base import SearchInput, in_levels
from cvpire.edits.differentiable import rounded
from cvpire.images.transparency import BACKGROUNDS, composite_images
from cvpire.images.views import RESIZED_SIDE

# A larger photo is searched at about so many pixels.
_WORK_PIXELS = 360_000


class Sights:
    """What is seen of one image as it changes, at the size that is searched at.

    A sight is the image itself or, where it has transparency, the image on a background. Changes
    are those that are *seen*, (1, 3, h, w) in [0, 1] units: a clear pixel must change by more.

    Attributes:
        clean: (1, 3, h, w) in [0, 1] each, without a change.
        bound: (1, 1, h, w) in [0, 1], the most that is seen of a change.
        count: of the sights.
        scale: the width that is searched at, as a share of the image's.
    """

    def __init__(self, given: SearchInput, row: int) -> None:
        one = slice(row, row + 1)
        self._given, self._alpha = given, given.alpha
        self._image, self._limit = given.images[one], given.epsilon_map[one]
        bound = self._limit if self._alpha is None else self._limit * self._alpha
        self.clean, self.bound = [_shrink(sight) for sight in self._full()], _shrink(bound)
        self.count = len(self.clean)
        self.scale = self.bound.shape[-1] / self._image.shape[-1]
        self._aliased: list[Tensor] | None = None
        self._is_full_size = self.bound.shape[-2:] == self._image.shape[-2:]

    def _full(self) -> list[Tensor]:
        """The sights, (1, 3, H, W) each, without a change."""
        if self._alpha is None:
            return [self._image]
        return [composite_images(self._image, self._alpha, each) for each in BACKGROUNDS]

    def held(self, change: Tensor) -> Tensor:
        """The change within its bound, at the size that is searched at."""
        return torch.maximum(torch.minimum(change, self.bound), -self.bound)

    def written(self, change: Tensor) -> Tensor:
        """(1, 3, H, W): the changed image, by whole grey levels within its bound."""
        changed = self._image.clone()
        limit = in_levels(self._limit[0, 0])
        most = limit.floor()
        # A channel at a time, to hold little at once.
        for channel, plane in enumerate(changed[0]):
            wanted = self._full_size(change[:, channel : channel + 1])[0, 0] * 255.0
            wanted = torch.maximum(torch.minimum(wanted, limit), -limit).round_()
            wanted = torch.maximum(torch.minimum(wanted, most), -most)
            plane.mul_(255.0).round_().add_(wanted).clamp_(0.0, 255.0).div_(255.0)
        return changed

    def _full_size(self, change: Tensor) -> Tensor:
        """(1, C, H, W): what the image must change by, for so much to be seen."""
        if not self._is_full_size:
            size = self._image.shape[-2:]
            change = F.interpolate(change, size, mode="bicubic", align_corners=False)
        if self._alpha is None:
            return change
        return torch.where(self._alpha > 0.0, change / self._alpha.clamp_min(1.0 / 255.0), 0.0)

    def aliased(self, change: Tensor) -> list[Tensor]:
        """What a reader without antialiasing gets of the full sights, each so changed.

        It takes a few pixels and passes over the others, which no smaller sight tells of.
        """
        size = (RESIZED_SIDE, RESIZED_SIDE)
        if self._aliased is None:
            self._aliased = [F.interpolate(each, size, mode="bilinear") for each in self._full()]
        read = F.interpolate(change, size, mode="bilinear")
        return [(sight + read).clamp(0.0, 1.0) for sight in self._aliased]

    def of_file(self, change: Tensor) -> Tensor:
        """(sights, 3, H, W): all that is seen of the file of the image so changed."""
        return self._given.seen(self.written(change))

    def changed(self, change: Tensor) -> list[Tensor]:
        """The sights, (1, 3, h, w) each, of the image so changed, with the change's gradient.

        At a smaller size the file's rounding averages out, and its codec's blocks are too large.
        """
        if not self._is_full_size:
            return [(sight + change).clamp(0.0, 1.0) for sight in self.clean]
        image = (self._image + self._full_size(change)).clamp(0.0, 1.0)
        if self._given.read is None and self._alpha is None:
            return [rounded(image)]
        return list(self._given.seen(image).chunk(self.count))


def _shrink(images: Tensor) -> Tensor:
    """(1, C, H, W) at the size that is searched at: the same for small photos."""
    height, width = images.shape[-2:]
    scale = math.sqrt(_WORK_PIXELS / (height * width))
    if scale >= 1.0:
        return images
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return F.interpolate(images, size, mode="bilinear", antialias=True)
