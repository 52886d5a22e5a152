"""What a TIFF's own tags say of its colours: WhitePoint, PrimaryChromaticities, TransferFunction.

TIFF 6.0, section 20. What is missing is sRGB's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvpire.images.decoding.color_encoding import SRGB, XY, ColorEncoding, Primaries, is_possible
from cvpire.images.decoding.samples import bands, full_of
from cvpire.images.decoding.tiff.tags import DamagedError, Directory
from cvpire.images.decoding.transfer import Values, linear_to_srgb, srgb_to_linear, table

NAME = "TIFF's colour tags"
IGNORED = "Its colour tags are damaged and were ignored."

_WHITE_POINT, _CHROMATICITIES, _TRANSFER = 318, 319, 301
# Chromaticities are often written with three digits, and D65 in several ways.
_SAME_XY = 0.0015
# Curves that differ by less than this share of the range, in sRGB's encoding, look the same.
_SAME_CURVE = 1 / 255


def read_encoding(
    directory: Directory, samples: NDArray[Any], bits: int, *, inverted: bool
) -> tuple[NDArray[Any], ColorEncoding | None, tuple[str, ...]]:
    """The encoding of colours by a TIFF's own tags.

    Args:
        directory: the page's tags.
        samples: (H, W) grey or (H, W, 3) RGB.
        bits: of a stored sample, which says how long a table is.
        inverted: whether the samples were stored with white at 0.

    Returns:
        The samples, changed only where each channel has a transfer function of its own: then they
        have sRGB's afterwards. The encoding, None where the tags are missing or say sRGB. Notes.
    """
    try:
        places = _chromaticities(directory)
        curves = _curves(directory, bits, inverted)
    except DamagedError:
        return samples, None, (IGNORED,)
    is_changed = len(curves) == 3 and samples.ndim == 3
    if is_changed:
        samples, curves = _with_srgb_curve(samples, curves), []
    has_places = (np.abs(np.subtract(places, SRGB)) > _SAME_XY).any() and samples.ndim == 3
    if not curves and not has_places:
        return samples, None, (f"Converted from {NAME} to sRGB.",) if is_changed else ()
    to_linear = table(curves[0]) if curves else srgb_to_linear
    return samples, ColorEncoding(NAME, *places, to_linear), ()


def _chromaticities(directory: Directory) -> Primaries:
    """Those of the tags, sRGB's where a tag is missing.

    Raises:
        DamagedError: if they cannot be those of a screen.
    """
    places: list[XY] = list(SRGB)
    for tag, part, count in ((_CHROMATICITIES, slice(0, 3), 6), (_WHITE_POINT, slice(3, 4), 2)):
        values = directory.numbers(tag)
        if len(values) == 0:
            continue
        if len(values) != count or not np.isfinite(values).all():
            raise DamagedError(f"tag {tag}")
        places[part] = [(float(x), float(y)) for x, y in values.reshape(-1, 2)]
    red, green, blue, white = places
    if not is_possible(red, green, blue, white):
        raise DamagedError("chromaticities")
    return red, green, blue, white


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
    is_srgb = all(np.abs(linear_to_srgb(curve) - steps).max() <= _SAME_CURVE for curve in curves)
    return [] if is_srgb else curves


def _with_srgb_curve(samples: NDArray[Any], curves: list[Values]) -> NDArray[Any]:
    """(H, W, 3) with each channel's own transfer function replaced by sRGB's: uint16 or float32."""
    is_float = samples.dtype.kind == "f"
    result = np.empty(samples.shape, np.float32 if is_float else np.uint16)
    for channel, curve in enumerate(curves):
        to_linear = table(curve)
        for band in bands(samples):
            encoded = linear_to_srgb(to_linear(samples[band, :, channel] / full_of(samples)))
            result[band, :, channel] = encoded if is_float else np.rint(encoded * 65535.0)
    return result
