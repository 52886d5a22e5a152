"""What all attacks share: what they are given, what they report, and what they find.

Images are (N, 3, H, W), sRGB in [0, 1] on the 8-bit grid (multiples of 1/255); an epsilon map is
(N, 1, H, W), the largest change of each channel in [0, 1] units. Inside, changes are counted in
grey levels (1/255). An attack knows neither where the bound comes from nor what the labels mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# An attack stops at this slack, in logits, rather than at 0: the same pixels give logits that
# differ by about 1e-5 on another machine or in another batch, and must be protected there too.
SAFETY_MARGIN = 1e-3

# Relative rounding error of a bound that was stored as float32 (k / 255 * 255 must be k).
_FLOAT32_SLIP = 2.0**-22


@dataclass(frozen=True, eq=False)
class AttackResult:
    """What an attack found.

    Attributes:
        images: (N, 3, H, W) in [0, 1] on the 8-bit grid; where `success` is False the attempt with
            the largest slack, which is not protected.
        success: (N,) bool, the condition holds on `images` with the safety margin.
        steps: (N,) int64, steps taken on each image.
    """

    images: Tensor
    success: Tensor
    steps: Tensor


def in_levels(epsilon_map: Tensor) -> Tensor:
    """The bound in grey levels; a whole number that float32 stored as k / 255 is whole again."""
    return epsilon_map * (255.0 * (1.0 + _FLOAT32_SLIP))


def bounds(levels: Tensor, limit: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest change of each channel: from its limit, and from black and white.

    Args:
        levels: (N, 3, H, W), grey levels.
        limit: (N, 1, H, W), of the same unit.

    Returns:
        (N, 3, H, W) each, not rounded: 0 or less, and 0 or more.
    """
    return torch.maximum(-limit, -levels), torch.minimum(limit, 255.0 - levels)


def check_inputs(images: Tensor, epsilon_map: Tensor) -> None:
    """Refuse what no attack can work on.

    Raises:
        ValueError: for images off the 8-bit grid, a bound below 0, or shapes that do not agree.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"expected images of shape (N, 3, H, W), got {tuple(images.shape)}")
    wanted = (images.shape[0], 1, *images.shape[2:])
    if tuple(epsilon_map.shape) != wanted:
        raise ValueError(f"expected an epsilon map of shape {wanted}, got {epsilon_map.shape}")
    for plane in images.flatten(0, 1):  # one at a time, to hold little at once
        levels = plane * 255.0
        # So put, NaN fails it too.
        if not bool(((levels - levels.round().clamp_(0.0, 255.0)).abs_() < 1e-3).all()):
            raise ValueError(
                "expected images in [0, 1] on the 8-bit grid: round them to k / 255 first"
            )
    if not bool((epsilon_map >= 0.0).all()):
        raise ValueError("expected an epsilon map of values of 0 or more, got a negative or NaN")
