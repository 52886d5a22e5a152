"""What a TIFF's own tags say of its colours: WhitePoint, PrimaryChromaticities, TransferFunction.

TIFF 6.0, section 20. What is missing is sRGB's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvpire.images.decoding.color_encoding import XY, ColorEncoding, is_possible
from cvpire.images.decoding.tiff.bit_depth import bands
from cvpire.images.decoding.tiff.tags import DamagedError, Directory
from cvpire.images.decoding.transfer import Values, srgb_to_linear, table

NAME = "TIFF's colour tags"
IGNORED = "Its colour tags are damaged and were ignored."

_WHITE_POINT, _CHROMATICITIES, _TRANSFER = 318, 319, 301
# Red, green, blue, white.
_SRGB = np.array([[0.64, 0.33], [0.30, 0.60], [0.15, 0.06], [0.3127, 0.3290]])
# Chromaticities are often written with three digits, and D65 in several ways.
_SAME_XY = 0.0015
# Curves that differ by less than this share of the range, in sRGB's encoding, look the same.
_SAME_CURVE = 1 / 255


def read_encoding(
    directory: Directory, samples: NDArray[Any], bits: int, *, inverted: bool
) -> tuple[NDArray[Any], ColorEncoding | None, str]:
    """The encoding of colours by a TIFF's own tags.

    Args:
        directory: the page's tags.
        samples: (H, W) grey or (H, W, 3) RGB.
        bits: of a stored sample, which says how long a table is.
        inverted: whether the samples were stored with white at 0.

    Returns:
        The samples, changed only where each channel has a transfer function of its own: then they
        have sRGB's afterwards. The encoding, None where the tags are missing or say sRGB. A note,
        or "".
    """
    try:
        places = _chromaticities(directory)
        curves = _curves(directory, bits, inverted)
    except DamagedError:
        return samples, None, IGNORED
    note = ""
    if len(curves) == 3 and samples.ndim == 3:
        samples, curves = _with_srgb_curve(samples, curves), []
        note = f"Converted from {NAME} to sRGB."
    has_places = bool((np.abs(places - _SRGB) > _SAME_XY).any()) and samples.ndim == 3
    if not curves and not has_places:
        return samples, None, note
    to_linear = table(curves[0]) if curves else srgb_to_linear
    encoding = ColorEncoding(NAME, *_corners(places), to_linear)
    return samples, encoding, "" if note and has_places else note


def _corners(places: NDArray[np.float64]) -> tuple[XY, XY, XY, XY]:
    red, green, blue, white = ((float(x), float(y)) for x, y in places)
    return red, green, blue, white


def _chromaticities(directory: Directory) -> NDArray[np.float64]:
    """(4, 2) of red, green, blue and white.

    Raises:
        DamagedError: if they cannot be those of a screen.
    """
    places = _SRGB.copy()
    for tag, part, count in ((_CHROMATICITIES, slice(0, 3), 6), (_WHITE_POINT, slice(3, 4), 2)):
        values = directory.numbers(tag)
        if len(values) == 0:
            continue
        if len(values) != count or not np.isfinite(values).all():
            raise DamagedError(f"tag {tag}")
        places[part] = values.reshape(-1, 2)
    if not is_possible(*_corners(places)):
        raise DamagedError("chromaticities")
    return places


def _curves(directory: Directory, bits: int, inverted: bool) -> list[Values]:
    """One table of linear light, or three that differ; none where it is sRGB's own."""
    values = directory.integers(_TRANSFER)
    if len(values) == 0:
        return []
    size = 1 << min(bits, 16)
    if len(values) not in (size, 3 * size) or not values.max():
        raise DamagedError("transfer function")
    curves = list(values.reshape(-1, size) / 65535.0)
    if inverted:
        # A table is by stored values. Samples have been inverted, so it is read from its other end,
        # unless it runs upwards: then it was made for values from black to white.
        curves = [curve[::-1] if curve[0] > curve[-1] else curve for curve in curves]
    if all(np.array_equal(curve, curves[0]) for curve in curves):
        curves = curves[:1]
    steps = np.linspace(0.0, 1.0, size)
    is_srgb = all(np.abs(_from_linear(curve) - steps).max() <= _SAME_CURVE for curve in curves)
    return [] if is_srgb else curves


def _with_srgb_curve(samples: NDArray[Any], curves: list[Values]) -> NDArray[Any]:
    """(H, W, 3) with each channel's own transfer function replaced by sRGB's: uint16 or float32."""
    if samples.dtype.kind == "f":
        full, result = 1.0, np.empty(samples.shape, np.float32)
    else:
        full, result = 65535.0, np.empty(samples.shape, np.uint16)
    own_full = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
    for channel, curve in enumerate(curves):
        to_linear = table(curve)
        for band in bands(samples):
            encoded = _from_linear(to_linear(samples[band, :, channel] / own_full))
            result[band, :, channel] = encoded if full == 1.0 else np.rint(encoded * full)
    return result


def _from_linear(linear: Values) -> Values:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
