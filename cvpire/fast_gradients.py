"""A classifier in the form that this machine takes gradients through fastest.

Batch norm is folded into the convolutions before it, feature maps lie channels-last, and
convolutions run in bfloat16 where the processor multiplies it faster than float32. Its logits are
near the classifier's, but only the classifier's own decide.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from cvpire.networks import EfficientNetLite
from cvpire.precision import has_fast_bfloat16
from cvpire.views import VIEWS


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
    is_bfloat16 = mean.device.type == "cpu" and has_fast_bfloat16()
    if is_bfloat16:
        _round_weights(folded)

    def logits(images: Tensor) -> Tensor:
        seen = (VIEWS[view](images) - mean) / std
        seen = seen.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bfloat16):
            answer: Tensor = folded(seen)
        return answer.float()

    return logits


def _round_weights(network: nn.Module) -> None:
    """Keep in bfloat16, in place, what autocast would else round anew in each pass."""
    for module in network.modules():
        # Depthwise convolutions stay float32: see `cvpire.networks`.
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1):
            module.to(torch.bfloat16)


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
