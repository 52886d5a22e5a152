"""What several tests share: small photos, and a classifier that can be worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvpire.classifiers.classifier import Classifier, ClassifierSpec
from cvpire.classifiers.labels import Labels
from cvpire.classifiers.sources import WeightsSource
from cvpire.metrics.flip import has_flip

SHARED = Path(__file__).parents[1].parent / "shared"

needs_flip = pytest.mark.skipif(
    not has_flip(), reason="flip-evaluator cannot be imported: there is none for Linux on Arm"
)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos beside the project, where there is one."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the folder of real photos, ../shared, is not on this machine")
    return SHARED


def textured_pixels(height: int = 48, width: int = 48, seed: int = 0) -> NDArray[np.uint8]:
    """A busy picture with a smooth half: (H, W, 3) uint8."""
    random = np.random.default_rng(seed)
    ramp = np.linspace(40, 200, width)[None, :, None] * np.ones((height, 1, 3))
    noise = random.normal(0.0, 40.0, (height, width, 3))
    noise[:, : width // 2] *= 0.05
    return np.clip(ramp + noise, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class FixedWeights(WeightsSource):
    """Weights in a file that the test made, or none where it is loaded without one."""

    path: Path | None = None
    sha256: str = "0" * 64
    is_public = True

    def locate(self) -> Path | None:
        return self.path

    def advice(self) -> str:
        return "This test made no file of weights."


class MeanColorNetwork(nn.Module):
    """Logits that are linear in an image's mean colour: class c is the excess of its direction.

    Five directions, so that a photo has a top 5 and some classes beyond it.
    """

    weight: Tensor

    def __init__(self, classes: int = 12, scale: float = 80.0) -> None:
        super().__init__()
        directions = torch.randn((classes, 3), generator=torch.Generator().manual_seed(1))
        self.register_buffer("weight", scale * directions)

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(-2, -1)) @ self.weight.T


def mean_color_spec(
    name: str = "mean-color", classes: int = 12, weights: Path | None = None
) -> ClassifierSpec:
    """A spec around `MeanColorNetwork`, with its labels in a taxonomy of its own."""
    names = tuple(f"class {index}" for index in range(classes))
    return ClassifierSpec(
        name=name,
        title="Mean colour",
        build=lambda: MeanColorNetwork(classes),
        weights=FixedWeights(weights),
        read_labels=lambda: Labels("places365", names, tuple(range(100, 100 + classes))),
        mean=(0.5, 0.5, 0.5),
        std=(1.0, 1.0, 1.0),
        view="native",
        licence="none",
        source="this test",
    )


@pytest.fixture
def mean_color_classifier() -> Classifier:
    """A classifier whose logits are linear in the mean colour."""
    spec = mean_color_spec()
    return Classifier(spec, spec.build(), "native").eval()
