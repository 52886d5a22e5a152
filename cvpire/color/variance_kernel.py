"""The colour-variance map's inner loop, compiled: CIEDE2000 of neighbouring pixels in float32.

`cvpire.color.ciede2000` says what is computed; here the same formula stands as one pass over a row,
without a transcendental function, so that the compiler turns it into vector instructions. The error
bound is tested over the gamut: below 1e-4 dE00 against float64, apart from where the formula itself
jumps: hues within 0.01 degrees of opposite, and a mean hue of 0 (a jump below 2e-4).

Importing this module takes numba's half a second, and the first call compiles where nothing is kept
(see `cvpire.compiled`): so the first map that is measured imports it. Lab planes are L*, a*, b* and
chroma, each (H, W) float32 and C-contiguous.
"""

from __future__ import annotations

import math
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from cvpire.compiled import compiled

Plane = NDArray[np.float32]
Planes = tuple[Plane, Plane, Plane, Plane]

# Rows that one thread takes at a time.
_BAND_ROWS = 32

# numba counts in float64 as soon as one constant is, so each of them is a float32.
_f = np.float32
_ZERO, _HALF, _ONE, _TWO = _f(0.0), _f(0.5), _f(1.0), _f(2.0)
_25_TO_THE_7 = _f(25.0**7)
_STRETCH = _f(1.5)
_LIGHTNESS_OFFSET, _LIGHTNESS_SOFTENING = _f(50.0), _f(20.0)
_WEIGHT_15, _WEIGHT_45 = _f(0.015), _f(0.045)
# Keep 0 / 0 from becoming NaN for greys, whose hue counts nothing; no other colour comes near.
_NO_CHROMA, _TINY = _f(1e-12), _f(1e-30)
# What rounding may make of a cross product that is 0, as a share of the product of the lengths.
_ROUNDING = _f(1e-7)
# The square of `cvpire.color.ciede2000.SAME_COLOR`, again: see `cvpire.compiled`.
_SAME_COLOR_SQUARED = _f(1e-4**2)


def _phase(factor: float, degrees: float) -> tuple[np.float32, np.float32]:
    """p and q with factor cos(x + degrees) = p cos(x) + q sin(x)."""
    radians = math.radians(degrees)
    return _f(factor * math.cos(radians)), _f(-factor * math.sin(radians))


# T = 1 - 0.17 cos(h - 30) + 0.24 cos(2h) + 0.32 cos(3h + 6) - 0.20 cos(4h - 63), in degrees.
_COS1, _SIN1 = _phase(-0.17, -30.0)
_COS2 = _f(0.24)
_COS3, _SIN3 = _phase(0.32, 6.0)
_COS4, _SIN4 = _phase(-0.20, -63.0)

# The blues' rotation depends on phi = h - 275 degrees: cos(phi) = p cos(h) + q sin(h).
_BLUE_COS, _BLUE_SIN = _phase(1.0, -275.0)


def _rotation_exponent() -> tuple[np.float32, ...]:
    """-(phi / 25 degrees)^2 / 16 as a polynomial in 1 - cos(phi), without its constant, which is 0.

    phi^2 = arccos(1 - q)^2 is smooth in q: a fit at Chebyshev nodes of [0, 1.1], which holds all
    hues above 180 degrees, is right to 1e-7.
    """
    q = 0.55 - 0.55 * np.cos(np.pi * (np.arange(200) + 0.5) / 200.0)
    scale = -((180.0 / math.pi / 25.0) ** 2) / 16.0
    fit = np.polynomial.Polynomial.fit(q, scale * np.arccos(1.0 - q) ** 2 / q, 6)
    return tuple(_f(value) for value in fit.convert().coef)


_E0, _E1, _E2, _E3, _E4, _E5, _E6 = _rotation_exponent()
# exp(x) for x in [-1, 0], by its series; four squarings then make exp(16 x) of it.
_X2, _X3, _X4, _X5, _X6 = (_f(1.0 / math.factorial(order)) for order in range(2, 7))
# 2 sin(60 degrees * x) for x in [0, 1], by its series.
_S1, _S3, _S5, _S7, _S9 = (
    _f(2.0 * (-1.0) ** (order // 2) * (math.pi / 3.0) ** order / math.factorial(order))
    for order in (1, 3, 5, 7, 9)
)


# NaN is left as it is: a colour that is none must show.
@compiled(fastmath={"contract", "arcp", "nsz"})
def squared_differences(
    lightness1: Plane,
    a1: Plane,
    b1: Plane,
    chroma1: Plane,
    lightness2: Plane,
    a2: Plane,
    b2: Plane,
    chroma2: Plane,
    weight: np.float32,
    squared: Plane,
) -> None:
    """weight * dE00^2 of pairs of colours, each argument but `weight` a row (n,) of float32."""
    for i in range(len(squared)):
        mean_ab = (chroma1[i] + chroma2[i]) * _HALF
        power2 = mean_ab * mean_ab
        power7 = power2 * power2 * power2 * mean_ab
        stretch = _STRETCH - _HALF * math.sqrt(power7 / (power7 + _25_TO_THE_7))
        u1, v1, u2, v2 = a1[i] * stretch, b1[i], a2[i] * stretch, b2[i]
        c1, c2 = math.sqrt(u1 * u1 + v1 * v1), math.sqrt(u2 * u2 + v2 * v2)

        # dH'^2 = 2 (C1' C2' - dot), which cancels for near hues: there it is
        # 2 cross^2 / (C1' C2' + dot).
        product, dot, cross = c1 * c2, u1 * u2 + v1 * v2, u1 * v2 - v1 * u2
        is_far = dot < _ZERO
        # Hues exactly opposite, up to rounding: the formula takes (h1 + h2) / 2 of angles in
        # [0, 360) degrees, which is a quarter turn on from the hue below 180.
        is_first_low = v1 > _ZERO or (v1 == _ZERO and u1 > _ZERO)
        is_turn_positive = cross > (-_ROUNDING if is_first_low else _ROUNDING) * product
        turn = _ONE if is_turn_positive else -_ONE
        numerator = product - dot if is_far else cross * cross
        denominator = _ONE if is_far else product + dot + _TINY
        delta_hue = turn * math.sqrt(max(_TWO * numerator / denominator, _ZERO))

        # The mean hue lies along the sum of the unit vectors, and across their difference.
        r1, r2 = c1 + _NO_CHROMA, c2 + _NO_CHROMA
        x = turn * (v2 * r1 - v1 * r2) if is_far else u1 * r2 + u2 * r1
        y = turn * (u1 * r2 - u2 * r1) if is_far else v1 * r2 + v2 * r1
        scale = _ONE / math.sqrt(x * x + y * y + _TINY)
        cos1, sin1 = x * scale, y * scale
        cos2, sin2 = _ONE - _TWO * sin1 * sin1, _TWO * sin1 * cos1
        cos3, sin3 = cos2 * cos1 - sin2 * sin1, sin2 * cos1 + cos2 * sin1
        cos4, sin4 = _ONE - _TWO * sin2 * sin2, _TWO * sin2 * cos2
        hue_weight = _ONE + _COS1 * cos1 + _SIN1 * sin1 + _COS2 * cos2
        hue_weight += _COS3 * cos3 + _SIN3 * sin3 + _COS4 * cos4 + _SIN4 * sin4

        # Hues up to 180 degrees are 95 or more away from the blues: exp(-14) there, taken as 0.
        is_low = sin1 >= _ZERO
        q = _ZERO if is_low else _ONE - (_BLUE_COS * cos1 + _BLUE_SIN * sin1)
        exponent = _E4 + q * (_E5 + q * _E6)
        exponent = q * (_E0 + q * (_E1 + q * (_E2 + q * (_E3 + q * exponent))))
        bell = _X4 + exponent * (_X5 + exponent * _X6)
        bell = _ONE + exponent * (_ONE + exponent * (_X2 + exponent * (_X3 + exponent * bell)))
        bell *= bell
        bell *= bell
        bell *= bell
        bell *= bell
        bell = _ZERO if is_low else bell
        bell2 = bell * bell
        rotation = bell * (_S1 + bell2 * (_S3 + bell2 * (_S5 + bell2 * (_S7 + bell2 * _S9))))
        mean_chroma = (c1 + c2) * _HALF
        power2 = mean_chroma * mean_chroma
        power7 = power2 * power2 * power2 * mean_chroma
        rotation *= math.sqrt(power7 / (power7 + _25_TO_THE_7))

        # The three weights: S_L as weight_l / root, S_C, S_H; one division serves them all.
        mean_l = (lightness1[i] + lightness2[i]) * _HALF - _LIGHTNESS_OFFSET
        mean_l *= mean_l
        root = math.sqrt(_LIGHTNESS_SOFTENING + mean_l)
        weight_l = root + _WEIGHT_15 * mean_l
        weight_c = _ONE + _WEIGHT_45 * mean_chroma
        weight_h = _ONE + _WEIGHT_15 * mean_chroma * hue_weight
        inverse = _ONE / (weight_l * weight_c * weight_h)
        term_l = (lightness2[i] - lightness1[i]) * root * weight_c * weight_h * inverse
        term_c = (c2 - c1) * weight_l * weight_h * inverse
        term_h = delta_hue * weight_l * weight_c * inverse
        total = term_l * term_l + term_c * term_c + term_h * term_h - rotation * term_c * term_h
        squared[i] = _ZERO if total <= _SAME_COLOR_SQUARED else weight * total


@compiled()
def _measure_band(
    planes: Planes,
    top: int,
    weights: Plane,
    row_counts: Plane,
    column_counts: Plane,
    out: Plane,
) -> None:
    """Fill `out` (h, W) with the variance of the planes' rows from `top` on."""
    lightness, a, b, chroma = planes
    height, width = lightness.shape
    radius = weights.shape[0] - 1
    bottom = top + len(out)
    row = np.empty(width, np.float32)
    out[:] = _ZERO
    # Each pair once: a pixel with those right of it and below. Rows above the band come in for
    # their pairs with it; the band above computes those anew for itself.
    for y in range(max(0, top - radius), bottom):
        for dy in range(max(0, top - y), min(radius + 1, height - y)):
            for dx in range(-radius if dy else 1, radius + 1):
                start, stop = max(0, -dx), min(width, width - dx)
                if start >= stop:
                    continue
                squared_differences(
                    lightness[y, start:stop],
                    a[y, start:stop],
                    b[y, start:stop],
                    chroma[y, start:stop],
                    lightness[y + dy, start + dx : stop + dx],
                    a[y + dy, start + dx : stop + dx],
                    b[y + dy, start + dx : stop + dx],
                    chroma[y + dy, start + dx : stop + dx],
                    weights[dy, abs(dx)],
                    row[: stop - start],
                )
                if y >= top:
                    here = out[y - top]
                    for x in range(start, stop):
                        here[x] += row[x - start]
                if y + dy < bottom:
                    there = out[y + dy - top]
                    for x in range(start, stop):
                        there[x + dx] += row[x - start]
    for y in range(len(out)):
        for x in range(width):
            count = max(row_counts[y] * column_counts[x] - _ONE, _ONE)
            out[y, x] = math.sqrt(out[y, x] / count)


def measure_rows(
    planes: Planes,
    top: int,
    weights: Plane,
    row_counts: Plane,
    column_counts: Plane,
    out: Plane,
    workers: Executor,
    count: int,
) -> None:
    """Fill consecutive rows of a map.

    Args:
        planes: of those rows and of the rows around them that they have pairs with.
        top: where among the planes' rows those of `out` begin.
        weights: (radius + 1, radius + 1), the squared Gaussian of each |dy|, |dx|.
        row_counts: (h,), for each row of `out` the rows of a window that lie in the image.
        column_counts: (W,), the same across.
        out: (h, W), to be filled.
        workers: who do it.
        count: how many of them there are.
    """
    bands = -(-len(out) // _BAND_ROWS)
    bands = min(len(out), -(-bands // count) * count)  # so that nobody waits for the last one
    edges = [len(out) * band // bands for band in range(bands + 1)]

    def measure_band(start: int, stop: int) -> None:
        rows = slice(start, stop)
        _measure_band(planes, top + start, weights, row_counts[rows], column_counts, out[rows])

    # What a worker raises comes out here.
    list(workers.map(measure_band, edges[:-1], edges[1:]))
