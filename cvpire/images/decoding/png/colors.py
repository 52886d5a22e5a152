"""What a PNG's chunks say of its colours.

The third edition's order: cICP, iCCP, sRGB, cHRM with gAMA.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from cvpire.images.decoding import color_encoding, transfer
from cvpire.images.decoding.color_encoding import ColorEncoding

# A colour profile unpacks to no more; the largest in use, of presses, have some 3 MB.
_MOST_PROFILE_BYTES = 16_000_000
# A gAMA without cHRM that is about this says no more than that the picture is an ordinary one.
_USUAL_GAMMA, _GAMMA_TOLERANCE = 1.0 / 2.2, 0.05


def read_profile(extras: Mapping[bytes, bytes]) -> bytes | None:
    """iCCP's profile; empty where it cannot be unpacked."""
    content = extras.get(b"iCCP")
    if content is None:
        return None
    _, _, packed = content.partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], _MOST_PROFILE_BYTES)
    except zlib.error:
        return b""
    return profile if unpacker.eof else b""


def read_encoding(extras: Mapping[bytes, bytes]) -> tuple[ColorEncoding | None, bool]:
    """Colours by chunks other than iCCP, and whether they go before it."""
    if (encoding := _by_cicp(extras)) is not None:
        return encoding, True
    if b"sRGB" in extras:
        return None, False
    return _by_gamma(extras), False


def _by_cicp(extras: Mapping[bytes, bytes]) -> ColorEncoding | None:
    content = extras.get(b"cICP", b"")
    if len(content) != 4:
        return None
    primaries, transfer, matrix, is_full_range = content
    # PNG has RGB samples; those of a narrow range are shown by no viewer, and taken as no cICP.
    if matrix != 0 or is_full_range != 1:
        return None
    return color_encoding.from_cicp(primaries, transfer, peak=_peak(extras))


def _peak(extras: Mapping[bytes, bytes]) -> float:
    """cLLI's largest light, else that of the screen it was made on (mDCV), in cd/m2."""
    for kind, length, at in ((b"cLLI", 8, 0), (b"mDCV", 24, 16)):
        content = extras.get(kind, b"")
        if len(content) == length and (value := int.from_bytes(content[at : at + 4], "big")):
            return value / 10_000
    return color_encoding.DEFAULT_PEAK


def _by_gamma(extras: Mapping[bytes, bytes]) -> ColorEncoding | None:
    content, chromaticities = extras.get(b"gAMA", b""), extras.get(b"cHRM", b"")
    value = int.from_bytes(content, "big") / 100_000
    if len(content) != 4 or not 0.0 < value <= 100.0:
        return None
    to_linear = transfer.gamma(1.0 / value)
    name = f"gamma {1.0 / value:.3g}"
    if len(chromaticities) != 32:
        is_usual = abs(value / _USUAL_GAMMA - 1.0) <= _GAMMA_TOLERANCE
        return None if is_usual else color_encoding.srgb_primaries(name, to_linear)
    numbers = [each / 100_000 for each in struct.unpack(">8I", chromaticities)]
    white, red, green, blue = zip(numbers[::2], numbers[1::2], strict=True)
    if not color_encoding.is_possible(red, green, blue, white):
        return None
    return ColorEncoding(f"{name} and its own primaries", red, green, blue, white, to_linear)
