"""The architectures, on random weights: the files of real ones are tested with the classifiers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvpire.classifiers.networks.efficientnet_lite import (
    EfficientNetLite,
    EfficientNetLite0,
    _InvertedResidual,
    _SamePadConv2d,
)


@pytest.fixture
def network() -> Iterator[EfficientNetLite0]:
    """With statistics of batch norm and affine weights that are not those of a new network."""
    torch.manual_seed(0)
    network = EfficientNetLite0(10).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None and module.running_var is not None
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 2.0)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(std=0.1)
    yield network


def second_block(network: EfficientNetLite0) -> _InvertedResidual:
    block = network._blocks[1]
    assert isinstance(block, _InvertedResidual)
    return block


def same_padded(conv: nn.Conv2d, images: Tensor) -> Tensor:
    """The convolution alone, padded as TensorFlow's "same"."""
    (kernel, _), (stride, _) = conv.kernel_size, conv.stride
    rows, columns = (
        max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in images.shape[-2:]
    )
    padded = F.pad(images, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
    return F.conv2d(padded, conv.weight, None, conv.stride, 0, 1, conv.groups)


@pytest.mark.parametrize("size", [(32, 32), (33, 40)])
def test_the_norm_is_folded_exactly(network: EfficientNetLite0, size: tuple[int, int]) -> None:
    """The stem (3x3), an expansion (1x1), and a depthwise 5x5, with stride 2 but for the 1x1."""
    block = network._blocks[3]
    assert isinstance(block, _InvertedResidual)
    assert block._expand_conv is not None and block._bn0 is not None
    for conv, norm in (
        (network._conv_stem, network._bn0),
        (block._expand_conv, block._bn0),
        (block._depthwise_conv, block._bn1),
    ):
        images = torch.randn(2, conv.in_channels, *size)
        with torch.no_grad():
            apart = same_padded(conv, images)
            assert torch.allclose(conv(images), apart, atol=1e-5)
            assert torch.allclose(conv(images, norm), norm(apart), atol=1e-5)


def test_folding_trains_the_norm_s_own_weights(network: EfficientNetLite0) -> None:
    conv, norm, images = network._conv_stem, network._bn0, torch.randn(2, 3, 32, 32)
    weights = (conv.weight, norm.weight, norm.bias)
    goal = torch.randn(2, 32, 16, 16)
    folded = torch.autograd.grad((conv(images, norm) * goal).sum(), weights)
    apart = torch.autograd.grad((norm(same_padded(conv, images)) * goal).sum(), weights)
    for one, other in zip(folded, apart, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("size", [(224, 224), (299, 299), (97, 128)])
def test_same_padding_is_tensorflow_s(size: tuple[int, int]) -> None:
    conv = _SamePadConv2d(3, 1, 3, 2, bias=False)
    norm = nn.BatchNorm2d(1, eps=0.0).eval()
    # "Same" puts the odd pixel of padding after the image: an even side has none before it.
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, 0, 0] = 1.0
        answer = conv(torch.ones(1, 3, *size), norm)
    assert answer.shape[-2:] == tuple(-(-side // 2) for side in size)
    before = [side % 2 == 1 for side in size]
    assert float(answer[0, 0, 0, 0]) == (0.0 if any(before) else 1.0)


def test_depthwise_convolutions_stay_in_float32(network: EfficientNetLite0) -> None:
    block = second_block(network)
    images = torch.randn(1, 96, 16, 16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        depthwise = block._depthwise_conv(images, block._bn1)
        pointwise = block._project_conv(images, block._bn2)
    assert (depthwise.dtype, pointwise.dtype) == (torch.float32, torch.bfloat16)
    assert torch.equal(depthwise, block._depthwise_conv(images, block._bn1))


@pytest.mark.parametrize(
    ("width", "depth", "count"),
    [(1.0, 1.0, 4_652_008), (1.0, 1.1, 5_416_680), (1.1, 1.2, 6_092_072)],
)
def test_the_family_has_the_published_sizes(width: float, depth: float, count: int) -> None:
    """4.7, 5.4 and 6.1 million parameters."""
    network = EfficientNetLite(width=width, depth=depth)
    assert sum(parameter.numel() for parameter in network.parameters()) == count
