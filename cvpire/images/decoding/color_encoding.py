"""Colours that a file describes by primaries and a transfer function, rather than by a profile.

Code points are those of ITU-T H.273 (CICP), which PNG's cICP and the nclx box of HEIC and AVIF use.
Encoded values are in [0, 1]; linear light is relative to diffuse white, which is 1.0: HDR goes
beyond it. What the screen is to show is sRGB (IEC 61966-2-1), 8 bits.

HDR: diffuse white is 203 cd/m2 (ITU-R BT.2408), HLG is displayed at 1000 cd/m2 (BT.2100), and what
is brighter than diffuse white is compressed by the reference white tone mapping operator of SMPTE
ST 2094-50, which current browsers apply as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvpire.images.decoding.samples import PROBE, as_rgb, bands
from cvpire.images.decoding.transfer import (
    BT709_TRANSFERS,
    REFERENCE_WHITE,
    TRANSFERS,
    Hdr,
    ToLinear,
    Values,
    linear_to_srgb,
)

XY = tuple[float, float]
Primaries = tuple[XY, XY, XY, XY]
"""CIE 1931 xy of red, green, blue and white."""

# cd/m2: the peak of content that states none.
DEFAULT_PEAK = 1000.0

_D65: XY = (0.3127, 0.3290)
_ILLUMINANT_C: XY = (0.310, 0.316)
SRGB: Primaries = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65)


@dataclass(frozen=True, eq=False)
class ColorEncoding:
    """Primaries, white and transfer function.

    Attributes:
        name: for a note: "Converted from NAME to sRGB."
        red, green, blue, white: CIE 1931 xy of the primaries and of white.
        to_linear: encoded values in [0, 1], any shape, to linear light of the same shape, each
            channel by itself. Of PQ it is display light, of HLG scene light (1.0 is its peak).
        hdr: the HDR system; None for SDR.
        peak: the brightest content in cd/m2, of HDR.
    """

    name: str
    red: XY
    green: XY
    blue: XY
    white: XY
    to_linear: ToLinear
    hdr: Hdr | None = None
    peak: float = DEFAULT_PEAK


# H.273, table 2. Absent: reserved and unspecified ones.
_PRIMARIES: dict[int, tuple[str, Primaries]] = {
    1: ("BT.709", SRGB),
    4: ("BT.470M", ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _ILLUMINANT_C)),
    5: ("BT.470BG", ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65)),
    6: ("BT.601", ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)),
    7: ("SMPTE 240M", ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)),
    8: ("film", ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _ILLUMINANT_C)),
    9: ("BT.2020", ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65)),
    10: ("CIE XYZ", ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (1.0 / 3.0, 1.0 / 3.0))),
    11: ("DCI-P3", ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351))),
    12: ("Display P3", ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65)),
    22: ("EBU 3213", ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65)),
}
_UNSPECIFIED = 2
# Unspecified, logarithmic, and BT.1361's.
_OTHER_TRANSFERS = (_UNSPECIFIED, 9, 10, 12)
_SRGB_TRANSFER = 13


def is_primaries(code: int) -> bool:
    """Whether H.273 gives this code point of ColourPrimaries a meaning ("unspecified" is one)."""
    return code in _PRIMARIES or code == _UNSPECIFIED


def is_transfer(code: int) -> bool:
    """Whether H.273 gives this code point of TransferCharacteristics a meaning."""
    return code in TRANSFERS or code in _OTHER_TRANSFERS


def from_cicp(
    primaries: int, transfer: int, *, is_video: bool = False, peak: float = DEFAULT_PEAK
) -> ColorEncoding | None:
    """The encoding of two code points of H.273; None where either is unspecified or unknown.

    Args:
        primaries: ColourPrimaries.
        transfer: TransferCharacteristics.
        is_video: whether they come from a video codec's picture (HEIC, AVIF). There, the camera
            curve of BT.709 stands for "as usual", which viewers show as sRGB; "unspecified" is that
            as well.
        peak: the brightest content, in cd/m2, for HDR.
    """
    if is_video:
        if 0 in (primaries, transfer):  # reserved: the file says nothing that makes sense
            return None
        primaries = primaries if primaries in _PRIMARIES else 1
        is_known = transfer in TRANSFERS and transfer not in BT709_TRANSFERS
        transfer = transfer if is_known else _SRGB_TRANSFER
    if primaries not in _PRIMARIES or transfer not in TRANSFERS:
        return None
    name, places = _PRIMARIES[primaries]
    curve, to_linear, hdr = TRANSFERS[transfer]
    if hdr is not None:
        name = f"HDR ({curve}, {name})"
    elif transfer != _SRGB_TRANSFER:
        name = f"{name} ({curve})"
    return ColorEncoding(name, *places, to_linear, hdr, peak)


def is_srgb(encoding: ColorEncoding) -> bool:
    """Whether an encoding is sRGB but for rounding; then samples are better left alone."""
    return bool(np.abs(encoded_to_srgb(PROBE, encoding).astype(int) - PROBE).max() <= 2)


def encoded_to_srgb(samples: NDArray[Any], encoding: ColorEncoding) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB of samples as of `Decoded`: (H, W) or (H, W, 3)."""
    if samples.ndim == 2 and samples.dtype.kind != "f":
        levels = np.arange(np.iinfo(samples.dtype).max + 1, dtype=samples.dtype)[:, None]
        converted: NDArray[np.uint8] = encoded_to_srgb(as_rgb(levels), encoding)[samples, 0]
        return converted
    samples = as_rgb(samples) if samples.ndim == 2 else samples
    result = np.empty(samples.shape, np.uint8)
    to_linear = _linearizer(samples.dtype, encoding)
    matrix = rgb_matrix(encoding)
    for band in bands(samples):
        result[band] = _linear_to_srgb(to_linear(samples[band]), matrix, encoding)
    return result


def _linearizer(dtype: np.dtype[Any], encoding: ColorEncoding) -> Callable[[NDArray[Any]], Values]:
    """Samples to linear light, float32; of whole numbers by a table of all of them."""
    if dtype.kind == "f":
        return lambda samples: encoding.to_linear(np.clip(samples, 0.0, 1.0)).astype(np.float32)
    full = np.iinfo(dtype).max
    values = encoding.to_linear(np.arange(full + 1) / full).astype(np.float32)
    return lambda samples: values[samples]


def _linear_to_srgb(linear: Values, matrix: Values, encoding: ColorEncoding) -> NDArray[np.uint8]:
    if encoding.hdr is not None:
        linear = _tone_mapped(linear @ (_SRGB_TO_BT2020 @ matrix).T.astype(np.float32), encoding)
        matrix = _BT2020_TO_SRGB
    shown = linear_to_srgb(linear @ matrix.T.astype(np.float32))
    pixels: NDArray[np.uint8] = np.rint(255.0 * shown).astype(np.uint8)
    return pixels


def _tone_mapped(light: Values, encoding: ColorEncoding) -> Values:
    """HDR to [0, 1]: (..., 3) linear BT.2020, diffuse white 1.0 (HLG: scene light).

    SMPTE ST 2094-50, "reference white tone mapping": below diffuse white the light is scaled, above
    it follows a quadratic Bezier curve that ends in 1.0 at the content's peak. The gain is that of
    the largest channel, so that no hue changes.
    """
    light = np.maximum(light, 0.0)
    if encoding.hdr == "HLG":
        # BT.2100's OOTF, at 1000 cd/m2, where its system gamma is 1.2.
        luminance = light @ np.array([0.2627, 0.6780, 0.0593], np.float32)
        light = light * (luminance[..., None] ** 0.2 * (DEFAULT_PEAK / REFERENCE_WHITE))
    peak = max(encoding.peak, REFERENCE_WHITE) / REFERENCE_WHITE
    share = min(np.log2(peak) / np.log2(DEFAULT_PEAK / REFERENCE_WHITE), 1.0)
    white = 1.0 - 0.5 * share
    largest = light.max(axis=-1, keepdims=True)
    mapped = white * np.minimum(largest, 1.0)
    if peak > 1.0:
        mapped = np.where(largest > 1.0, _shoulder(largest, white, peak), mapped)
    gain = np.where(largest > 0.0, mapped / np.maximum(largest, 1e-9), 0.0)
    scaled: Values = light * gain.astype(np.float32)
    return scaled


def _shoulder(values: Values, white: float, peak: float) -> Values:
    """The quadratic Bezier curve from (1, white) to (peak, 1), 1 beyond it."""
    bend = 0.65
    middle_x = (1.0 - bend) + bend / white
    middle_y = (1.0 - bend) * white + bend
    x = np.clip(values, 1.0, peak)
    # x(t) = (1-t)^2 + 2 t (1-t) middle_x + t^2 peak, solved for t in [0, 1].
    a, b = 1.0 - 2.0 * middle_x + peak, 2.0 * (middle_x - 1.0)
    root = np.sqrt(b * b + 4.0 * a * (x - 1.0))
    t = 2.0 * (x - 1.0) / np.maximum(b + root, 1e-9)
    curve: Values = (1.0 - t) ** 2 * white + 2.0 * t * (1.0 - t) * middle_y + t**2
    return np.minimum(curve, 1.0)


def rgb_matrix(encoding: ColorEncoding) -> Values:
    """(3, 3): linear light of the encoding's primaries to linear sRGB, white to white (Bradford).

    A ValueError for a white that cannot be adapted.
    """
    own = _to_xyz(encoding.red, encoding.green, encoding.blue, encoding.white)
    matrix: Values = _SRGB_FROM_XYZ @ _adaptation(encoding.white) @ own
    if not np.isfinite(matrix).all():
        raise ValueError("expected primaries that span a plane")
    return matrix


def is_possible(red: XY, green: XY, blue: XY, white: XY) -> bool:
    """Whether these primaries can mix this white."""
    if not white[1] > 0.0:
        return False
    try:
        # Each column is a share of one primary's xyz, which add up to 1.
        shares = _to_xyz(red, green, blue, white).sum(axis=0)
    except np.linalg.LinAlgError:
        return False
    return bool(np.isfinite(shares).all() and (shares > 1e-6).all())


def _xyz(xy: XY) -> Values:
    x, y = xy
    return np.array([x, y, 1.0 - x - y])


def _white_xyz(white: XY) -> Values:
    return _xyz(white) / white[1]


def _to_xyz(red: XY, green: XY, blue: XY, white: XY) -> Values:
    """(3, 3): amounts of the primaries to XYZ, the same amount of each to white of luminance 1."""
    primaries = np.stack([_xyz(red), _xyz(green), _xyz(blue)], axis=1)
    scaled: Values = primaries * np.linalg.solve(primaries, _white_xyz(white))
    return scaled


def _adaptation(white: XY) -> Values:
    """Bradford's chromatic adaptation from a white to D65, both (3, 3) in XYZ."""
    bradford = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    gains = (bradford @ _white_xyz(_D65)) / (bradford @ _white_xyz(white))
    adapted: Values = np.linalg.solve(bradford, gains[:, None] * bradford)
    return adapted


_SRGB_FROM_XYZ: Values = np.linalg.inv(_to_xyz(*SRGB))
_BT2020_TO_SRGB: Values = _SRGB_FROM_XYZ @ _to_xyz(*_PRIMARIES[9][1])
_SRGB_TO_BT2020: Values = np.linalg.inv(_BT2020_TO_SRGB)
