"""What all searches share: what they are given, what they find, and how a run calls them.

Images are (N, 3, H, W), sRGB in [0, 1] on the 8-bit grid (multiples of 1/255); an epsilon map is
(N, 1, H, W), the largest change of each channel in [0, 1] units. Inside, changes are counted in
grey levels (1/255). A search knows neither where the bound comes from nor what the labels mean.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from cvpire.attacks.conditions import Condition, InEach
from cvpire.images.transparency import BACKGROUNDS, seen_images
from cvpire.watch import UNWATCHED, Watch

# An attack stops at this slack, in logits, rather than at 0: the same pixels give logits that
# differ by about 1e-5 on another machine or in another batch, and must be protected there too.
SAFETY_MARGIN = 1e-3

# Relative rounding error of a bound that was stored as float32 (k / 255 * 255 must be k).
_FLOAT32_SLIP = 2.0**-22


class TargetModel(Protocol):
    """The classifier that is attacked, as a search sees it: images (N, 3, H, W) in [0, 1] to logits
    (N, classes)."""

    def __call__(self, images: Tensor, /) -> Tensor:
        """Float32 logits: success is judged on these."""
        ...

    @property
    def differentiable(self) -> Callable[[Tensor], Tensor]:
        """The same with nearly equal logits, faster to take gradients through."""
        ...

    def to_size(self, images: Tensor, /) -> Tensor:
        """The images at the size that the network sees, differentiable; the model gives them the
        same logits."""
        ...


RoundTrip = Callable[[Tensor], Tensor]
"""From images (N, 3, H, W) to what is seen of their files, with the images' gradient: one sight of
each, or one on each background (see `cvpire.images.transparency`), those of an image together.
"""


@dataclass(frozen=True, eq=False)
class SearchInput:
    """What a search is given, whichever it is.

    Attributes:
        classifier: to attack; left as it was.
        images: (N, 3, H, W) in [0, 1], multiples of 1/255.
        epsilon_map: (N, 1, H, W), 0 or more: how far each channel may move, in [0, 1] units; pT in
            the paper.
        condition: to reach, on *one* sight of each image.
        seed: of the search's random draws.
        watch: told after each step.
        read: to what is seen of the images' files; None for lossless ones.
        alpha: (1, 1, H, W) in [0, 1], of one image with transparency, which must meet the condition
            on every background; None for opaque ones.

    Raises:
        ValueError: for images off the 8-bit grid, a bound below 0, or shapes that do not agree.
    """

    classifier: TargetModel
    images: Tensor
    epsilon_map: Tensor
    condition: Condition
    seed: int = 0
    watch: Watch = UNWATCHED
    read: RoundTrip | None = None
    alpha: Tensor | None = None

    def __post_init__(self) -> None:
        images, epsilon_map = self.images, self.epsilon_map
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"expected images of shape (N, 3, H, W), got {tuple(images.shape)}")
        wanted = (images.shape[0], 1, *images.shape[2:])
        if tuple(epsilon_map.shape) != wanted:
            raise ValueError(f"expected an epsilon map of shape {wanted}, got {epsilon_map.shape}")
        for plane in images.flatten(0, 1):  # one at a time, to hold little at once
            levels = plane * 255.0
            # Written as `not (a < b)`, so that NaN is rejected.
            if not bool(((levels - levels.round().clamp_(0.0, 255.0)).abs_() < 1e-3).all()):
                raise ValueError(
                    "expected images in [0, 1] on the 8-bit grid: round them to k / 255 first"
                )
        if not bool((epsilon_map >= 0.0).all()):
            raise ValueError("expected an epsilon map of 0 or more, got a negative value or NaN")

    def seen(self, images: Tensor) -> Tensor:
        """(N * sights, 3, H, W): what readers of the images' files see."""
        return seen_images(images, self.alpha) if self.read is None else self.read(images)

    def logits(self, images: Tensor) -> Tensor:
        """(N, sights * classes) of what is seen of the images' files, float32: these decide."""
        return self._ask(self.classifier, images)

    def fast_logits(self, images: Tensor) -> Tensor:
        """Nearly equal ones, faster to take gradients through."""
        return self._ask(self._fast, images)

    @cached_property
    def _fast(self) -> Callable[[Tensor], Tensor]:
        # Taken once: a classifier does not change during a search.
        return self.classifier.differentiable

    def _ask(self, model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        return model(self.seen(images)).view(len(images), -1)

    @cached_property
    def goal(self) -> Condition:
        """The condition on every sight of an image, by such logits."""
        return self.condition if self.alpha is None else InEach(self.condition, len(BACKGROUNDS))


@dataclass(frozen=True, eq=False)
class AttackResult:
    """What an attack found.

    Attributes:
        images: (N, 3, H, W) in [0, 1] on the 8-bit grid; where `success` is False the attempt with
            the largest slack, which is not protected.
        success: (N,) bool, the condition holds on `images` with the safety margin.
        steps: (N,) int64, steps taken on each image.
    """

    images: Tensor
    success: Tensor
    steps: Tensor


@dataclass(frozen=True)
class Search(ABC):
    """A search: a dataclass whose fields are its settings."""

    @property
    @abstractmethod
    def most_steps(self) -> int:
        """The most steps that it takes."""

    @abstractmethod
    def find(self, given: SearchInput) -> AttackResult:
        """Search for a change of each image within its bound that meets the condition."""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings by name, plain values for reports."""
        return asdict(self)

    @property
    def ready_surrogates(self) -> tuple[str, ...]:
        """Names of the classifiers that it attacks as well, and whose weights are installed."""
        return ()

    def against(self, classifier: str) -> Self:
        """The search for a classifier of this name, which is not attacked twice."""
        return self


def in_levels(epsilon_map: Tensor) -> Tensor:
    """The bound in grey levels; a whole number that float32 stored as k / 255 is whole again."""
    return epsilon_map * (255.0 * (1.0 + _FLOAT32_SLIP))


def bounds(levels: Tensor, limit: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest change of each channel: from its limit, and from black and white.

    Args:
        levels: (N, 3, H, W), grey levels.
        limit: (N, 1, H, W), of the same unit.

    Returns:
        (N, 3, H, W) each, not rounded: 0 or less, and 0 or more.
    """
    return torch.maximum(-limit, -levels), torch.minimum(limit, 255.0 - levels)
