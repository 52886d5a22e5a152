"""Colours that a file describes by primaries and a transfer function, rather than by a profile.

The code points are those of ITU-T H.273 (CICP), which PNG's cICP and the nclx box of HEIC and AVIF
use. Values are encoded samples in [0, 1]; linear light is relative to diffuse white, which is 1.0:
HDR goes beyond it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating]
ToLinear = Callable[[Values], Values]
XY = tuple[float, float]


@dataclass(frozen=True, eq=False)
class ColorEncoding:
    """Primaries, white and transfer function.

    Attributes:
        name: for a note: "converted from NAME to sRGB".
        red, green, blue, white: CIE 1931 xy of the primaries and of white.
        to_linear: encoded values in [0, 1], any shape, to linear light of the same shape.
        is_hdr: whether light beyond diffuse white is to be expected.
    """

    name: str
    red: XY
    green: XY
    blue: XY
    white: XY
    to_linear: ToLinear
    is_hdr: bool = False


def gamma(exponent: float) -> ToLinear:
    """The transfer function of a pure power."""
    return lambda values: np.maximum(values, 0.0) ** exponent


def table(values: Values) -> ToLinear:
    """The transfer function of a table: linear light at evenly spaced samples from 0 to 1."""
    at = np.linspace(0.0, 1.0, len(values))
    return lambda encoded: np.interp(encoded, at, values)
