"""What the tests of the faintest change share: models, images and the search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from conftest import textured_pixels
from targets import Target
from torch import Tensor

from cvpire.attacks.base import AttackResult, SearchInput
from cvpire.attacks.conditions import OutOfTop
from cvpire.attacks.faint_change.search import FaintChange
from cvpire.color.variance import epsilon_map, threshold_map

PLAIN = FaintChange("none", steps=4, views=1, reserve=0.0)
QUICK = FaintChange("posting", steps=8, margin=1.0, reserve=0.3)
LABEL_0 = OutOfTop(torch.tensor([0]))

Model = Callable[[Tensor], Tensor]


def image(height: int = 48, width: int = 64, seed: int = 1) -> Tensor:
    pixels = torch.from_numpy(textured_pixels(height, width, seed=seed).copy())
    return pixels.permute(2, 0, 1)[None].float() / 255.0


def bound(images: Tensor, levels: float = 48.0) -> Tensor:
    return epsilon_map(threshold_map(images), levels / 255.0)


def red_or_not(images: Tensor) -> Model:
    """Class 0 as long as the photo is as red as it was: changes fine and coarse alike count."""
    start = float(images[:, 0].mean()) - 0.004

    def logits(views: Tensor) -> Tensor:
        red = 400.0 * (views[:, 0].mean(dim=(-2, -1)) - start)
        return torch.stack((red, torch.zeros_like(red)), dim=1)

    return logits


def find(
    model: Model,
    images: Tensor,
    search: FaintChange = QUICK,
    *,
    differentiable: Model | None = None,
    **options: Any,
) -> AttackResult:
    """The search within the usual bound, by seed 0 unless another is given."""
    condition = OutOfTop(torch.zeros(len(images), dtype=torch.int64))
    target = Target(model, differentiable)
    return search.find(SearchInput(target, images, bound(images), condition, **options))


def is_met(model: Model, images: Tensor) -> bool:
    return bool(LABEL_0.is_met(model(images)).all())
