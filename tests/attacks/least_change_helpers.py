"""What the tests of the least-change search share: models, and the search of one image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from attack_helpers import TwoClasses, grid_images, levels
from targets import Target
from torch import Tensor

from cvpire.attacks.base import AttackResult, SearchInput
from cvpire.attacks.conditions import Condition, OutOfTop
from cvpire.attacks.least_change.search import LeastChange
from cvpire.metrics.difference import delta_e_map, ssim
from cvpire.watch import UNWATCHED, Watch

LABEL = torch.ones(1, dtype=torch.int64)


def linear_model(images: Tensor, distance: float, seed: int = 7) -> TwoClasses:
    """A model that `distance` of score separates from each image's other class."""
    weight = torch.randn(images.shape[1:], generator=torch.Generator().manual_seed(seed))
    score = (images * weight).sum(dim=(1, 2, 3))
    return TwoClasses(weight, score - distance)


def find_least_change(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    bound: Tensor,
    condition: Condition,
    *,
    max_steps: int,
    refinements: int,
    differentiable: Callable[[Tensor], Tensor] | None = None,
    watch: Watch = UNWATCHED,
) -> AttackResult:
    target = Target(model, differentiable)
    given = SearchInput(target, images, bound, condition, watch=watch)
    return LeastChange(max_steps, refinements).find(given)


def search_one(model: Callable[[Tensor], Tensor], **options: Any) -> AttackResult:
    """The search on one image within a bound of three levels."""
    images, bound = grid_images(1, 40, 36), torch.full((1, 1, 40, 36), 3 / 255)
    return find_least_change(model, images, bound, OutOfTop(LABEL), max_steps=20, **options)


def visibility(original: Tensor, changed: Tensor) -> float:
    first, second = (
        levels(images[0]).permute(1, 2, 0).to(torch.uint8).numpy() for images in (original, changed)
    )
    return float(delta_e_map(first, second).mean()) / 0.026 + (1.0 - ssim(first, second)) / 1.5e-4
