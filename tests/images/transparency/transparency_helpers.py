"""What the tests of transparency share: classifiers that see patterns, and shapes of alpha."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from conftest import mean_color_spec
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.classifiers.classifier import Classifier
from cvpire.images.photo import Photo
from cvpire.runs import RUNS

STRONG = dataclasses.replace(
    RUNS["Top1-noL1"], magnitude=0.19, search=Algorithm1(0.0, 300, 0.5 / 255)
)


class Brightness(nn.Module):
    """Two classes: "bright" gains with the mean level, "dark" has a fixed one to compare with.

    Args:
        border: the mean level, 0 to 255, where both have the same logit.
    """

    def __init__(self, border: float) -> None:
        super().__init__()
        self.border = border

    def forward(self, images: Tensor) -> Tensor:
        # Normalisation takes 0.5 away.
        level = 255.0 * (images.mean(dim=(1, 2, 3)) + 0.5)
        return torch.stack((level - self.border, torch.zeros_like(level)), dim=1)


class Patterns(nn.Module):
    """Twelve classes, each a coarse random pattern without a mean: an even page behind a photo that
    is as clear everywhere changes nothing, and codecs and edits little.
    """

    patterns: Tensor

    def __init__(self) -> None:
        super().__init__()
        drawn = torch.randn((12, 3, 8, 8), generator=torch.Generator().manual_seed(0))
        drawn -= drawn.mean(dim=(2, 3), keepdim=True)
        self.register_buffer("patterns", drawn)

    def forward(self, images: Tensor) -> Tensor:
        cells = nn.functional.adaptive_avg_pool2d(images, 8)
        return torch.einsum("nchw,kchw->nk", cells, self.patterns)


@pytest.fixture
def patterns() -> Classifier:
    return Classifier(mean_color_spec(), Patterns(), "native").eval()


def bright_or_dark(border: float) -> Classifier:
    return Classifier(mean_color_spec(classes=2), Brightness(border), "native").eval()


def ramp(size: int = 48) -> NDArray[np.uint8]:
    """Clear on the left, opaque on the right, and all between."""
    levels = np.linspace(-80, 340, size).clip(0, 255).round().astype(np.uint8)
    return np.broadcast_to(levels, (size, size)).copy()


def logo(size: int = 48) -> NDArray[np.uint8]:
    """An opaque disc with a soft edge on clear ground."""
    y, x = np.mgrid[:size, :size] - size / 2
    levels: NDArray[np.uint8] = (255 * (0.4 * size - np.hypot(y, x)).clip(0, 1)).astype(np.uint8)
    return levels


def half(size: int = 48) -> NDArray[np.uint8]:
    return np.full((size, size), 128, np.uint8)


def by_pillow(photo: Photo, level: int) -> NDArray[np.uint8]:
    """The same on a grey page, by Pillow's own blending."""
    assert photo.alpha is not None
    page = Image.new("RGBA", (photo.width, photo.height), (level, level, level, 255))
    page.alpha_composite(Image.fromarray(np.dstack([photo.pixels, photo.alpha])))
    return np.array(page)[..., :3]
