"""ResNet-50 (He et al. 2016, doi:10.1109/CVPR.2016.90), as torchvision has it."""

from __future__ import annotations

import torch
from torch import nn


def resnet50(num_classes: int) -> nn.Module:
    """ResNet-50 as torchvision builds it, without weights (torchvision takes 1 s to import)."""
    from torchvision.models import resnet50 as build

    with torch.device("cpu"):
        network: nn.Module = build(weights=None, num_classes=num_classes)
    return network
