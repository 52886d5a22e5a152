"""A SqueezeNet of Places365 as teacher: what else a scene resembles, beside its one label.

SqueezeNet 1.1 (Iandola et al. 2016, doi:10.48550/arXiv.1602.07360) with leaky activations and
batch norm folded in. Input: RGB in [0, 1] of about 128 to 256 pixels; output: 365 logits.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvpire.checkpoints import load_strictly, read_state_dict
from eval.progress import ProgressCallback
from training.photos import in_batches

SIDE = 144

_SLOPE = 0.55
# (squeeze, expand): channels of fire2 to fire9; a pool stands before the first, third and fifth.
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
_POOLED = (2, 4, 6)


class _Fire(nn.Module):
    def __init__(self, inputs: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        squeezed = F.leaky_relu(self.squeeze(features), _SLOPE)
        both = torch.cat((self.expand1x1(squeezed), self.expand3x3(squeezed)), dim=1)
        return F.leaky_relu(both, _SLOPE)


class SqueezeNet(nn.Module):
    """The teacher without weights."""

    input_mean_rgb: Tensor

    def __init__(self, num_classes: int = 365) -> None:
        super().__init__()
        self.register_buffer("input_mean_rgb", torch.zeros(3))
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1)
        channels = 64
        for number, (squeeze, expand) in enumerate(_FIRES, start=2):
            self.add_module(f"fire{number}", _Fire(channels, squeeze, expand))
            channels = 2 * expand
        self.conv10 = nn.Conv2d(channels, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, 3, H, W) in [0, 1]."""
        features = self.conv1(images - self.input_mean_rgb.view(1, 3, 1, 1))
        features = F.leaky_relu(features, _SLOPE)
        for number in range(2, 2 + len(_FIRES)):
            if number in _POOLED:
                features = F.max_pool2d(features, 3, 2)
            features = self.get_submodule(f"fire{number}")(features)
        logits: Tensor = F.leaky_relu(self.conv10(features), _SLOPE).mean(dim=(-2, -1))
        return logits


def load_teacher(path: Path) -> SqueezeNet:
    """The teacher with its weights, in evaluation mode.

    Raises:
        cvpire.weights.WeightsError: if the file is missing or does not fit.
    """
    teacher = SqueezeNet()
    load_strictly(teacher, read_state_dict(path), source=path.name)
    return teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def teacher_logits(
    teacher: SqueezeNet, pixels: Tensor, classes: Tensor, progress: ProgressCallback
) -> Tensor:
    """Logits (N, C) of some classes, of photos (N, 3, H, W) uint8, brought to 144x144."""
    return in_batches(teacher, pixels, SIDE, progress, "The teacher's logits")[:, classes]
