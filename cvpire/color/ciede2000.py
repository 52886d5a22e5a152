"""Colour as people see it: sRGB to CIELAB, and the CIEDE2000 colour difference.

CIELAB is taken under D65 with the 2 degree observer; L* is in [0, 100], a* and b* roughly in
[-110, 110]. Tensors hold their channels in dimension -3, as images do: (..., 3, H, W).
White point and matrix are those of `skimage.color.rgb2lab`, the authority that the tests compare
with, from RGB end to end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

# Linear sRGB to CIE XYZ, and the D65 white point (IEC 61966-2-1; ASTM E308).
_XYZ_FROM_LINEAR_RGB = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_WHITE = (0.95047, 1.0, 1.08883)

# Where CIELAB's cube root ends near black, and the slope of the line that goes on from there.
_LINE_END, _LINE_SLOPE = 0.008856, 7.787

_25_TO_THE_7 = 25.0**7

# Colours closer than this, in dE00, are taken as equal: vector and scalar code round powers
# differently, by up to some 1e-6. The least that two 8-bit colours differ by is 0.02.
SAME_COLOR = 1e-4

# A chroma below this is grey: it counts for less than rounding does.
_GREY = 1e-3


def srgb_to_lab(images: Tensor) -> Tensor:
    """Convert sRGB to CIELAB (D65, 2 degrees).

    Args:
        images: (..., 3, H, W), sRGB in [0, 1], float32 or float64.

    Returns:
        (..., 3, H, W): L*, a*, b*, of the same dtype.
    """
    return lab_from_linear(*linear_rgb(images).unbind(-3))


def linear_rgb(images: Tensor) -> Tensor:
    """sRGB in [0, 1] without its gamma, of any shape."""
    # The power's base is kept positive: a negative one would turn into NaN.
    return torch.where(
        images > 0.04045, ((images.clamp(min=0.0) + 0.055) / 1.055) ** 2.4, images / 12.92
    )


def lab_from_linear(red: Tensor, green: Tensor, blue: Tensor) -> Tensor:
    """CIELAB (..., 3, H, W) of linear RGB, each channel (..., H, W)."""
    roots = (_root(t) for t in _relative_xyz(red, green, blue))
    return torch.stack(_lab_from_roots(*roots), dim=-3)


def _relative_xyz(red: Tensor, green: Tensor, blue: Tensor) -> Iterator[Tensor]:
    """X, Y and Z as shares of the white point's."""
    for (r, g, b), white in zip(_XYZ_FROM_LINEAR_RGB, _WHITE, strict=True):
        yield (r * red + g * green + b * blue) / white


def _root(t: Tensor) -> Tensor:
    """The cube root, continued as a straight line near black."""
    curved = t.clamp(min=_LINE_END) ** (1.0 / 3.0)
    return torch.where(t > _LINE_END, curved, _LINE_SLOPE * t + 16.0 / 116.0)


def _lab_from_roots(fx: Tensor, fy: Tensor, fz: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return 116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)


class LabPlanes(NamedTuple):
    """A Lab image taken apart, with the chroma that every pair of its pixels needs.

    Each plane has the same shape, whatever it is; `chroma` is C*ab = sqrt(a*^2 + b*^2).
    """

    lightness: Tensor
    a: Tensor
    b: Tensor
    chroma: Tensor

    @classmethod
    def from_lab(cls, lab: Tensor) -> LabPlanes:
        """Take apart a (..., 3, H, W) Lab tensor into (..., H, W) planes."""
        lightness, a, b = lab.unbind(-3)
        return cls(lightness, a, b, _norm(a, b))

    def window(self, rows: slice, columns: slice) -> LabPlanes:
        """The part of each plane in these rows and columns (views, nothing is copied)."""
        return LabPlanes(*(plane[..., rows, columns] for plane in self))


class Terms(NamedTuple):
    """The three weighted differences of CIEDE2000, each of one shape."""

    lightness: Tensor
    chroma: Tensor
    hue: Tensor


def ciede2000(lab1: Tensor, lab2: Tensor) -> Tensor:
    """CIEDE2000 colour difference, with all parametric weights at 1.

    Args:
        lab1: (..., 3, H, W) CIELAB.
        lab2: (..., 3, H, W) CIELAB, of the same shape.

    Returns:
        (..., H, W): the difference dE00, 0 or more; about 1 is just noticeable.

    Source: Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula", Color Research and
    Application 30(1), 2005, doi:10.1002/col.20070.

    Example:
        >>> black, grey = (srgb_to_lab(torch.full((1, 3, 1, 1), level)) for level in (0.0, 0.5))
        >>> round(float(ciede2000(black, grey)), 1)
        39.7
    """
    return squared_ciede2000(LabPlanes.from_lab(lab1), LabPlanes.from_lab(lab2)).sqrt()


def squared_ciede2000(first: LabPlanes, second: LabPlanes) -> Tensor:
    """The square of CIEDE2000 between two sets of planes; symmetric in its arguments.

    The published formula goes through four hue angles. Here a hue is the unit vector (a', b') / C'
    instead, and the mean hue is the direction of the sum of two such vectors, which is the mean
    over the shorter arc, so the formula's case distinctions need no cases. Cosines of multiples of
    the mean hue follow from its own cosine and sine.

    Args:
        first: planes of any shape.
        second: planes of the same shape.

    Returns:
        The squared difference, of that shape, 0 or more.
    """
    stretch = 1.5 - 0.5 * _chroma_saturation((first.chroma + second.chroma) * 0.5)  # 1 + G
    a1, a2 = first.a * stretch, second.a * stretch
    b1, b2 = first.b, second.b
    chroma1, chroma2 = _norm(a1, b1), _norm(a2, b2)

    delta_lightness = second.lightness - first.lightness
    delta_chroma = chroma2 - chroma1
    delta_hue, cosine, sine = _hue_terms(a1, b1, chroma1, a2, b2, chroma2)

    mean_lightness = ((first.lightness + second.lightness) * 0.5 - 50.0).square()
    mean_chroma = (chroma1 + chroma2) * 0.5

    weight_lightness = 1.0 + 0.015 * mean_lightness / (20.0 + mean_lightness).sqrt()
    weight_chroma = 1.0 + 0.045 * mean_chroma
    weight_hue = 1.0 + 0.015 * mean_chroma * _hue_weighting(cosine, sine)

    lightness_term = delta_lightness / weight_lightness
    chroma_term = delta_chroma / weight_chroma
    hue_term = delta_hue / weight_hue
    rotation = _blue_rotation(cosine, sine) * _chroma_saturation(mean_chroma)
    squared = (
        lightness_term.square()
        + chroma_term.square()
        + hue_term.square()
        + rotation * chroma_term * hue_term
    )
    # |rotation| <= 2 makes this a square in theory; rounding may leave it a hair below zero.
    return squared.clamp(min=0.0)


def small_change_terms(red: Tensor, green: Tensor, blue: Tensor) -> tuple[list[Terms], Tensor]:
    """What CIEDE2000 makes of a small change of each channel, to first order.

    With r, g and b in [0, 1] units, and each term summed over the channels (`lightness` = r times
    the red one's plus g times the green one's and so on), dE00^2 is lightness^2 + chroma^2 + hue^2
    + rotation * chroma * hue.

    Args:
        red: sRGB in [0, 1], of any shape.
        green: of the same shape.
        blue: of the same shape.

    Returns:
        The terms of each channel, and the rotation.
    """
    channels = (red, green, blue)
    linear = [linear_rgb(channel) for channel in channels]
    ratios = list(_relative_xyz(*linear))
    roots = [_root(t) for t in ratios]
    lightness, a, b = _lab_from_roots(*roots)
    stretch = 1.5 - 0.5 * _chroma_saturation(_norm(a, b))
    a = a * stretch
    chroma = _norm(a, b)
    # A grey has no hue: any will do, and its three weights are the same for all.
    is_grey, inverse = chroma < _GREY, 1.0 / chroma.clamp(min=_GREY)
    cosine = torch.where(is_grey, 1.0, a * inverse)
    sine = torch.where(is_grey, 0.0, b * inverse)
    offset = (lightness - 50.0).square()
    of_lightness = 1.0 / (1.0 + 0.015 * offset / (20.0 + offset).sqrt())
    of_chroma = 1.0 / (1.0 + 0.045 * chroma)
    of_hue = 1.0 / (1.0 + 0.015 * chroma * _hue_weighting(cosine, sine))
    # Along a channel, linear light has the gamma's slope, and a root that of the cube root.
    slopes = [
        torch.where(t > _LINE_END, root / (3.0 * t.clamp(min=_LINE_END)), _LINE_SLOPE) / white
        for t, root, white in zip(ratios, roots, _WHITE, strict=True)
    ]
    terms = []
    for position, (channel, light) in enumerate(zip(channels, linear, strict=True)):
        gamma = torch.where(channel > 0.04045, 2.4 * light / (channel + 0.055), 1.0 / 12.92)
        fx, fy, fz = (
            slope * row[position] * gamma
            for slope, row in zip(slopes, _XYZ_FROM_LINEAR_RGB, strict=True)
        )
        across, along = 500.0 * (fx - fy) * stretch, 200.0 * (fy - fz)
        terms.append(
            Terms(
                116.0 * fy * of_lightness,
                (cosine * across + sine * along) * of_chroma,
                (cosine * along - sine * across) * of_hue,
            )
        )
    return terms, _blue_rotation(cosine, sine) * _chroma_saturation(chroma)


def _norm(x: Tensor, y: Tensor) -> Tensor:
    # Not torch.hypot: its guard against overflow is slow, and no colour comes near.
    return (x * x + y * y).sqrt()


def _chroma_saturation(chroma: Tensor) -> Tensor:
    """sqrt(C^7 / (C^7 + 25^7)), in [0, 1): how far a chroma is from grey."""
    squared = chroma * chroma  # products: a general power costs many times as much
    power7 = squared * squared * squared * chroma
    return (power7 / (power7 + _25_TO_THE_7)).sqrt()


def _hue_terms(
    a1: Tensor, b1: Tensor, chroma1: Tensor, a2: Tensor, b2: Tensor, chroma2: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The hue difference dH' and the cosine and sine of the mean hue.

    dH' = 2 sqrt(C1' C2') sin((h2 - h1) / 2) has the sign of the turn from the first hue to the
    second. The mean hue lies along the sum of the two hues' unit vectors and across their
    difference; a grey has no hue and leaves the other's. Either quantity has a form that is exact
    for near hues and one that is for opposite ones, where the first is 0 / 0.
    """
    tiny = torch.finfo(a1.dtype).tiny
    delta_a, delta_b = a2 - a1, b2 - b1
    cross = a1 * delta_b - b1 * delta_a
    product, dot = chroma1 * chroma2, a1 * a2 + b1 * b2

    near = cross * ((product + dot) * 0.5).clamp(min=tiny).rsqrt()
    squared = delta_a * delta_a + delta_b * delta_b - (chroma2 - chroma1).square()
    far = torch.copysign(squared.clamp(min=0.0).sqrt(), cross)
    is_far = dot < -0.5 * product
    delta_hue = torch.where(is_far, far, near)

    scale1, scale2 = 1.0 / chroma1.clamp(min=tiny), 1.0 / chroma2.clamp(min=tiny)
    cos1, sin1, cos2, sin2 = a1 * scale1, b1 * scale1, a2 * scale2, b2 * scale2
    # Hues exactly opposite: the formula takes (h1 + h2) / 2 of angles in [0, 360) degrees, which is
    # a quarter turn on from the hue below 180.
    is_turn_positive = (cross > 0.0) | ((cross == 0.0) & ((b1 > 0.0) | ((b1 == 0.0) & (a1 > 0.0))))
    turn = torch.where(is_turn_positive, 1.0, -1.0).to(a1.dtype)
    cosine = torch.where(is_far, (sin2 - sin1) * turn, cos1 + cos2)
    sine = torch.where(is_far, (cos1 - cos2) * turn, sin1 + sin2)
    length = _norm(cosine, sine).clamp(min=tiny)
    return delta_hue, cosine / length, sine / length


def _hue_weighting(cosine: Tensor, sine: Tensor) -> Tensor:
    """T: 1 - 0.17 cos(h - 30) + 0.24 cos(2h) + 0.32 cos(3h + 6) - 0.20 cos(4h - 63), in degrees."""
    cos2, sin2 = 1.0 - 2.0 * sine * sine, 2.0 * sine * cosine
    cos3, sin3 = cos2 * cosine - sin2 * sine, sin2 * cosine + cos2 * sine
    cos4, sin4 = 1.0 - 2.0 * sin2 * sin2, 2.0 * sin2 * cos2
    terms = (
        (-0.17, -30.0, cosine, sine),
        (0.24, 0.0, cos2, sin2),
        (0.32, 6.0, cos3, sin3),
        (-0.20, -63.0, cos4, sin4),
    )
    total = torch.ones_like(cosine)
    for factor, degrees, cos_multiple, sin_multiple in terms:
        phase = math.radians(degrees)
        total = total + factor * (math.cos(phase) * cos_multiple - math.sin(phase) * sin_multiple)
    return total


def _blue_rotation(cosine: Tensor, sine: Tensor) -> Tensor:
    """-2 sin(2 dTheta), dTheta = 30 exp(-((h - 275) / 25)^2) degrees: the turn in the blues."""
    hue = torch.atan2(sine, cosine) * (180.0 / math.pi)
    hue = torch.where(hue < 0.0, hue + 360.0, hue)
    return -2.0 * torch.sin((math.pi / 3.0) * torch.exp(-((hue - 275.0) / 25.0).square()))
