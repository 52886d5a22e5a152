"""What the tests of the searches share: a linear model, and small images."""

from __future__ import annotations

import torch
from conftest import textured_pixels
from torch import Tensor, nn


class TwoClasses(nn.Module):
    """logits = (0, w . x - b): the label is 1 while w . x > b, and the best change is along -w."""

    def __init__(self, weight: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.offset = offset

    def forward(self, images: Tensor) -> Tensor:
        score = (images * self.weight).sum(dim=(1, 2, 3)) - self.offset[: len(images)]
        return torch.stack((torch.zeros_like(score), score), dim=1)


def grid_images(count: int = 3, height: int = 24, width: int = 20) -> Tensor:
    photos = [torch.from_numpy(textured_pixels(height, width, seed)) for seed in range(count)]
    return torch.stack(photos).permute(0, 3, 1, 2).float() / 255.0


def levels(images: Tensor) -> Tensor:
    return (images * 255.0).round()
