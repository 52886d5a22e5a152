"""Transfer functions: from stored values to linear light."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating]

ToLinear = Callable[[Values], Values]

# cd/m2: diffuse white in HDR.
REFERENCE_WHITE = 203.0

BT709_TRANSFERS = (1, 6, 11, 14, 15)


Hdr = Literal["PQ", "HLG"]
"""The systems of BT.2100."""


class Transfer(NamedTuple):
    """A transfer function, with a name for notes."""

    name: str
    to_linear: ToLinear
    hdr: Hdr | None = None


def gamma(exponent: float) -> ToLinear:
    """The transfer function of a pure power."""
    return lambda values: np.maximum(values, 0.0) ** exponent


def table(values: Values) -> ToLinear:
    """The transfer function of a table: linear light at evenly spaced samples from 0 to 1."""
    at = np.linspace(0.0, 1.0, len(values))
    return lambda encoded: np.interp(encoded, at, values)


def srgb_to_linear(values: Values) -> Values:
    """sRGB's own (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _smpte240(values: Values) -> Values:
    return np.where(values < 0.0913, values / 4.0, ((values + 0.1115) / 1.1115) ** (1.0 / 0.45))


def _smpte428(values: Values) -> Values:
    return np.maximum(values, 0.0) ** 2.6 * (52.37 / 48.0)


def _pq(values: Values) -> Values:
    """SMPTE ST 2084, relative to diffuse white."""
    power = np.maximum(values, 0.0) ** (32.0 / 2523.0)
    light = np.maximum(power - 0.8359375, 0.0) / (18.8515625 - 18.6875 * power)
    nits: Values = 10_000.0 * light ** (16384.0 / 2610.0)
    return nits / REFERENCE_WHITE


def _hlg(values: Values) -> Values:
    """ARIB STD-B67 to scene light."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(values <= 0.5, values**2 / 3.0, (np.exp((values - c) / a) + b) / 12.0)


# H.273, table 3. Absent: reserved, unspecified and logarithmic ones.
TRANSFERS = {
    # BT.709 is a camera's curve; its displays have that of BT.1886.
    **dict.fromkeys(BT709_TRANSFERS, Transfer("gamma 2.4", gamma(2.4))),
    4: Transfer("gamma 2.2", gamma(2.2)),
    5: Transfer("gamma 2.8", gamma(2.8)),
    7: Transfer("SMPTE 240M", _smpte240),
    8: Transfer("linear", gamma(1.0)),
    13: Transfer("sRGB", srgb_to_linear),
    16: Transfer("PQ", _pq, "PQ"),
    17: Transfer("SMPTE ST 428", _smpte428),
    18: Transfer("HLG", _hlg, "HLG"),
}


def linear_to_srgb(linear: Values) -> Values:
    """The inverse of `srgb_to_linear`; what is beyond [0, 1] is clipped."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1.0 / 2.4) - 0.055)
