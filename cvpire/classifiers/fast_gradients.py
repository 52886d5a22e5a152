"""A classifier in the form that this machine takes gradients through fastest.

Batch norm is folded into the convolutions before it, feature maps lie channels-last, and most
convolutions run in bfloat16 where the processor multiplies it faster than float32. Its logits are
near the classifier's, but only the classifier's own decide.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from cvpire.classifiers.networks.efficientnet_lite import EfficientNetLite
from cvpire.images.views import VIEWS


@cache
def has_fast_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16: AMX's tiles or AVX-512's."""
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def fast_form(
    network: nn.Module, view: str, mean: Tensor, std: Tensor
) -> Callable[[Tensor], Tensor]:
    """The fast form of a network with its view and normalisation.

    Args:
        network: in evaluation mode, its weights without gradient; left as it is.
        view: one of `VIEWS`.
        mean: (1, 3, 1, 1), of the normalisation.
        std: (1, 3, 1, 1), of the normalisation.

    Returns:
        A function from images (N, 3, H, W) in [0, 1] to float32 logits (N, classes).
    """
    folded = fold_batch_norm(network).to(memory_format=torch.channels_last)
    # Who asks for another precision than float32 gets it.
    is_float32 = all(weights.dtype == torch.float32 for weights in (mean, *folded.parameters()))
    is_bfloat16 = mean.device.type == "cpu" and is_float32 and has_fast_bfloat16()
    if is_bfloat16:
        folded = _in_bfloat16(folded)

    def logits(images: Tensor) -> Tensor:
        seen = ((VIEWS[view](images) - mean) / std).to(mean.dtype)
        seen = seen.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bfloat16):
            answer: Tensor = folded(seen)
        return answer.float()

    return logits


class _InFloat32(nn.Module):
    """A layer that takes no part in autocast.

    Args:
        layer: of float32 weights.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, features: Tensor, *others: nn.Module) -> Tensor:
        """What the layer makes of the features, in float32."""
        with torch.autocast("cpu", enabled=False):
            answer: Tensor = self.layer(features.float(), *others)
        return answer


def _in_bfloat16(network: nn.Module) -> nn.Module:
    """The network, changed in place, as autocast is to run it in bfloat16.

    Convolutions keep the rounded weights that autocast would else make anew in each pass; depthwise
    ones stay float32 (see `cvpire.classifiers.networks.efficientnet_lite`). So do the layers at
    both ends, which take little time: what the first ones round is most of what is wrong with a
    gradient, and logits of two or three digits leave a search in doubt at the border.
    """
    exact = {name: network.get_submodule(name) for name in _ends(network)}
    kept = {module for layer in exact.values() for module in layer.modules()}
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups == 1 and module not in kept:
            module.to(torch.bfloat16)
    for name, layer in exact.items():
        network.set_submodule(name, _InFloat32(layer))
    return network


def _ends(network: nn.Module) -> list[str]:
    """Names of the first layers, and of the last one if it is linear."""
    modules = dict(network.named_modules())
    if isinstance(network, EfficientNetLite):
        first = list(network.FIRST_LAYERS)
    else:
        first = [name for name, module in modules.items() if isinstance(module, nn.Conv2d)][:1]
    return first + [name for name, module in modules.items() if isinstance(module, nn.Linear)][-1:]


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """A copy whose batch norms are part of the convolutions before them.

    Source: torch.fx's own tutorial optimisation; EfficientNet-Lite knows its own pairs.
    """
    if isinstance(network, EfficientNetLite):
        return network.folded()
    if not any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return copy.deepcopy(network)
    from torch.fx.experimental.optimization import fuse

    fused: nn.Module = fuse(network)
    return fused
