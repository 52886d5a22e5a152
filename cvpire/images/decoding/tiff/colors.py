"""A TIFF's own kinds of colour, and what its tags say of colours.

WhitePoint, PrimaryChromaticities and TransferFunction: TIFF 6.0, section 20. What is missing is
sRGB's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvpire.images.decoding.color_encoding import (
    SRGB,
    XY,
    ColorEncoding,
    Primaries,
    is_possible,
)
from cvpire.images.decoding.samples import bands, full_of
from cvpire.images.decoding.tiff.fields import Photometric
from cvpire.images.decoding.tiff.tags import DamagedError, Directory
from cvpire.images.decoding.transfer import Values, linear_to_srgb, srgb_to_linear, table

_COLOR_MAP, _DECODE, _LUMA, _REFERENCE = 320, 433, 529, 532
# BT.601's, the default of tag 529.
_DEFAULT_LUMA = (0.299, 0.587, 0.114)

_NAME = "TIFF's colour tags"
_IGNORED = "Its colour tags are damaged and were ignored."

_WHITE_POINT, _CHROMATICITIES, _TRANSFER = 318, 319, 301
# Chromaticities are often written with three digits, and D65 in several ways.
_SAME_XY = 0.0015
# Curves that differ by less than this share of the range, in sRGB's encoding, look the same.
_SAME_CURVE = 1 / 255


def from_palette(indices: NDArray[Any], bits: int, directory: Directory) -> NDArray[np.uint8]:
    """(H, W) indices to (H, W, 3) RGB.

    Maps have 16 bits by the specification, but 8 in some old files, where no entry exceeds 255. The
    high bytes are taken: writers store 8-bit colours times 256 or times 257.
    """
    entries = directory.integers(_COLOR_MAP)
    size = 1 << bits
    if len(entries) < 3 * size:
        raise DamagedError("a colour map that is too short")
    colours = entries[: 3 * size].reshape(3, size).T
    table = (colours if colours.max() <= 255 else colours >> 8).astype(np.uint8)
    result = np.empty((*indices.shape, 3), np.uint8)
    for band in bands(indices):
        result[band] = table[indices[band].astype(np.intp)]
    return result


def reference_black_white(
    directory: Directory, bits: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Black and white codes of three channels (tag 532); None where missing or without sense."""
    values = directory.numbers(_REFERENCE).astype(np.float64)
    black, white = values[:6:2], values[1:6:2]
    if len(values) != 6 or not ((black >= 0) & (black < white) & (white < 2**bits)).all():
        return None
    return black, white


def ycbcr_to_rgb(samples: NDArray[Any], directory: Directory, bits: int) -> NDArray[Any]:
    """(H, W, 3) YCbCr, uint8 or uint16, to RGB of the same type, in place.

    By TIFF 6.0, section 21.
    """
    full, half = 2**bits - 1, 2 ** (bits - 1)
    usual = np.array([0.0, half, half]), np.array([full, full, full])
    black, white = reference_black_white(directory, bits) or usual
    scale = np.array([full, half - 1, half - 1]) / (white - black)
    luma_shares = directory.numbers(_LUMA)
    is_sensible = len(luma_shares) == 3 and ((luma_shares > 0) & (luma_shares < 1)).all()
    red, green, blue = luma_shares.tolist() if is_sensible else _DEFAULT_LUMA
    for band in bands(samples):
        luma, cb, cr = np.moveaxis((samples[band] - black) * scale, -1, 0)
        r = luma + cr * (2 - 2 * red)
        b = luma + cb * (2 - 2 * blue)
        g = (luma - red * r - blue * b) / green
        samples[band] = np.clip(np.rint(np.stack([r, g, b], axis=-1)), 0, full)
    return samples


def to_icc_lab(
    samples: NDArray[Any], photometric: Photometric, directory: Directory
) -> NDArray[Any]:
    """(H, W, 3) L*a*b* of any of TIFF's encodings, uint8 or uint16, as ICC encodes it.

    That is ICC.1:2010 (version 4): L* from 0 to 100 over all codes; a* and b* from -128 to 127 over
    all codes, so that 8 bits times 257 give 16.
    """
    is_deep = samples.dtype.itemsize == 2
    if photometric is Photometric.ICC_LAB:
        # 16 bits as in ICC version 2: 100 is 0xFF00, and 0 of a* and b* 0x8000.
        return _mapped(samples, 257 / 256) if is_deep else samples
    if photometric is Photometric.ITU_LAB:
        return _from_itu(samples, directory)
    # CIELab: L* over all codes; a* and b* are two's complement, in 16 bits 256 times the value.
    samples[..., 1:] ^= 0x8000 if is_deep else 0x80
    return _mapped(samples, [1, 257 / 256, 257 / 256]) if is_deep else samples


def _from_itu(samples: NDArray[Any], directory: Directory) -> NDArray[Any]:
    """ITU-T T.42: the tag Decode gives the values of the lowest and the highest code.

    Its defaults are those of RFC 3949: a* from -85 to 85 and b* from -75 to 125, by 8-bit codes.
    """
    decode = directory.numbers(_DECODE).astype(np.float64)
    if len(decode) != 6 or not np.isfinite(decode).all():
        decode = np.array([0, 100 * 255, -21760, 21590, -19200, 31800]) / 255
    low, high = decode[::2], decode[1::2]
    # Values to codes of ICC's encoding, as shares of the full code.
    offset, scale = np.array([0, 128, 128]), np.array([1 / 100, 1 / 255, 1 / 255])
    return _mapped(samples, (high - low) * scale, (low + offset) * scale * full_of(samples))


def _mapped(samples: NDArray[Any], factors: Any, terms: Any = 0.0) -> NDArray[Any]:
    """Each channel times a factor plus a term, clipped, in place."""
    full = np.iinfo(samples.dtype).max
    for band in bands(samples):
        values = samples[band] * np.asarray(factors, np.float64) + np.asarray(terms, np.float64)
        samples[band] = np.clip(np.rint(values), 0, full)
    return samples


def to_straight(samples: NDArray[Any], alpha: NDArray[Any]) -> None:
    """Divide colours (H, W) or (H, W, channels) by the alpha (H, W) in them, in place."""
    full, alpha_full = full_of(samples), full_of(alpha)
    for band in bands(samples):
        part = alpha[band].astype(np.float32)
        gains = np.where(part > 0, alpha_full / np.maximum(part, 1e-9), 1.0).astype(np.float32)
        straight = np.minimum(
            samples[band] * (gains if samples.ndim == 2 else gains[..., None]), full
        )
        samples[band] = straight if full == 1.0 else np.rint(straight)


def read_encoding(
    directory: Directory, samples: NDArray[Any], bits: int, *, inverted: bool
) -> tuple[NDArray[Any], ColorEncoding | None, tuple[str, ...]]:
    """The encoding of grey (H, W) or RGB (H, W, 3) by a TIFF's own tags.

    A table's length follows from the bits of a stored sample; inverted were those with white at 0.

    Returns:
        The samples, changed only where each channel has a transfer function of its own: then they
        have sRGB's afterwards. The encoding, None where the tags are missing or say sRGB. Notes.
    """
    try:
        places = _chromaticities(directory)
        curves = _curves(directory, bits, inverted)
    except DamagedError:
        return samples, None, (_IGNORED,)
    is_changed = len(curves) == 3 and samples.ndim == 3
    if is_changed:
        samples, curves = _with_srgb_curve(samples, curves), []
    has_places = (np.abs(np.subtract(places, SRGB)) > _SAME_XY).any() and samples.ndim == 3
    if not curves and not has_places:
        return samples, None, (f"Converted from {_NAME} to sRGB.",) if is_changed else ()
    to_linear = table(curves[0]) if curves else srgb_to_linear
    return samples, ColorEncoding(_NAME, *places, to_linear), ()


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
