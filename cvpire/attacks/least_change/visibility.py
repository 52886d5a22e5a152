"""What a change of grey levels costs the eye, pixel by pixel: CIEDE2000 and the loss of SSIM.

Both are taken to second order around the photo, which is exact enough for changes of a few levels
and cheap enough to weigh every pixel of a photo anew in each step of a search.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cvpire.color.ciede2000 import Terms, small_change_terms

# So much mean CIEDE2000 weighs as much as so much lost SSIM: the two are seen about equally, and a
# change of grey levels that is as small as can be has about that much of both.
_DELTA_E_UNIT = 0.026
_SSIM_UNIT = 1.5e-4

# SSIM's window and constants (Wang et al. 2004, doi:10.1109/TIP.2003.819861).
_SSIM_RADIUS, _SSIM_SIGMA, _SSIM_C2 = 5, 1.5, (0.03 * 255.0) ** 2

# At this dE00, which is just noticeable, a pixel's change of colour weighs twice as much as so many
# smaller ones: a few strong specks are seen where many faint ones are not.
_STRONG = 1.0

# How much more a change of colour weighs where the bound is 0 than where it is at its mean. Little:
# SSIM's own weights say already that busy places hide a change.
_FLAT_WEIGHT = 1.03

# dE00^2 of one level's change, below which it is taken as this: where CIEDE2000 is almost flat, a
# change would else look free.
_LEAST_SQUARED = 0.02**2

# Pixels that are weighed at a time, so that intermediate planes stay in cache.
_TILE_PIXELS = 1 << 16


@dataclass(frozen=True, eq=False)
class ChangeCost:
    """What a change costs at each pixel of one photo of H x W pixels.

    A change (r, g, b) of a pixel, in grey levels, costs c + `curvature` c^2 + its squares times
    `structure`, where c^2 is the quadratic form of `color`. Were all bounds alike and changes
    faint, the sum over a photo would be 2 where mean CIEDE2000 is 0.026 and 1 - SSIM is 0.00015.

    Attributes:
        color: (6, H, W) float32: the form's coefficients of rr, gg, bb, rg, rb and gb.
        structure: (3, H, W) float32.
        curvature: how fast strong changes of colour become dearer than faint ones.
    """

    color: Tensor
    structure: Tensor
    curvature: float


def measure_visibility(levels: Tensor, bound: Tensor) -> ChangeCost:
    """Weigh every pixel of a photo.

    Args:
        levels: (3, H, W) float32 on the CPU, sRGB, whole grey levels from 0 to 255.
        bound: (H, W), 0 or more, of any unit: change of colour is cheap where it is high.
    """
    pixels = levels.shape[-2] * levels.shape[-1]
    per_unit = pixels * _DELTA_E_UNIT
    mean = bound.mean()
    hidden = bound / mean if float(mean) > 0.0 else bound
    weight = _FLAT_WEIGHT / (1.0 + (_FLAT_WEIGHT - 1.0) * hidden) / per_unit
    color = color_form(levels).mul_(weight.square())
    structure = ssim_loss(levels).mul_(1.0 / (3.0 * pixels * _SSIM_UNIT))
    return ChangeCost(color, structure, curvature=per_unit / _STRONG)


def color_form(levels: Tensor) -> Tensor:
    """The square of CIEDE2000 as a quadratic form of a pixel's change in grey levels.

    Args:
        levels: (3, H, W) float32 on the CPU, sRGB, grey levels from 0 to 255.

    Returns:
        (6, H, W): the coefficients of rr, gg, bb, rg, rb and gb.
    """
    flat = levels.reshape(3, -1)
    form = torch.empty(6, flat.shape[1])
    for start in range(0, flat.shape[1], _TILE_PIXELS):
        part = slice(start, start + _TILE_PIXELS)
        form[:, part] = _tile_form(flat[:, part])
    return form.view(6, *levels.shape[-2:])


def _tile_form(levels: Tensor) -> Tensor:
    terms, rotation = small_change_terms(*(levels / 255.0))

    def product(one: Terms, other: Terms) -> Tensor:
        mixed = one.chroma * other.hue + other.chroma * one.hue
        straight = one.lightness * other.lightness + one.chroma * other.chroma
        return straight + one.hue * other.hue + 0.5 * rotation * mixed

    alone = [product(term, term).clamp_min_(255.0**2 * _LEAST_SQUARED) for term in terms]
    mixed = [2.0 * product(terms[one], terms[other]) for one, other in ((0, 1), (0, 2), (1, 2))]
    return torch.stack((*alone, *mixed)).div_(255.0**2)


def ssim_loss(levels: Tensor) -> Tensor:
    """What the square of a pixel's change takes from the sum of SSIM over its window.

    For a change e of local mean 0, 1 - SSIM = var(e) / (2 var + C2) in each window.

    Args:
        levels: (3, H, W) float32, grey levels from 0 to 255.

    Returns:
        (3, H, W).
    """
    variance = (local_mean(levels.square()) - local_mean(levels).square()).clamp_min_(0.0)
    return local_mean(1.0 / (2.0 * variance + _SSIM_C2))


def local_mean(planes: Tensor) -> Tensor:
    """The mean over SSIM's window around each pixel of (3, H, W), borders repeated."""
    return _mean_along(_mean_along(planes, -1), -2)


def _mean_along(planes: Tensor, dim: int) -> Tensor:
    # Sums of shifted planes: a convolution of so few channels takes twice as long.
    length = planes.shape[dim]
    ends = (planes.narrow(dim, at, 1) for at in (0, length - 1))
    first, last = (torch.cat([end] * _SSIM_RADIUS, dim) for end in ends)
    padded = torch.cat((first, planes, last), dim)
    mean = torch.zeros_like(planes)
    for offset, weight in enumerate(_ssim_window()):
        mean.add_(padded.narrow(dim, offset, length), alpha=weight)
    return mean


def _ssim_window() -> list[float]:
    offsets = torch.arange(-_SSIM_RADIUS, _SSIM_RADIUS + 1)
    window = torch.exp(-offsets.square() / (2.0 * _SSIM_SIGMA**2))
    weights: list[float] = (window / window.sum()).tolist()
    return weights
