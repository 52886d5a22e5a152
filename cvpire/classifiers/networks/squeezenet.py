"""SqueezeNet 1.1 (Iandola et al. 2016, doi:10.48550/arXiv.1602.07360) as a Places365 file has it.

Activations are leaky, after the last convolution too, and batch norm is part of the convolutions.
The file brings the mean colour that is subtracted, so images come as they are: (N, 3, H, W) in
[0, 1], of about 128 pixels or more.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
    """The network without weights.

    Args:
        num_classes: number of logits.
    """

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
        found = F.leaky_relu(self.conv10(features), _SLOPE)
        # In float32 even where the convolutions were not: logits are compared closely.
        logits: Tensor = found.mean(dim=(-2, -1), dtype=torch.float32)
        return logits
