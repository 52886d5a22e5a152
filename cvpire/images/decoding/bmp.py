"""BMP: by Pillow, but for samples that masks describe, which are unpacked here."""

from __future__ import annotations

import io
import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL.BmpImagePlugin import BmpImageFile

from cvpire.images.decoding.decoded import Decoded, Model
from cvpire.images.limits import check_size, not_supported

_BITFIELDS, _JPEG, _PNG, _ALPHA_BITFIELDS = 3, 4, 5, 6
# Lengths of the headers that hold masks of colours, and of alpha.
_V3, _V4, _V5 = 56, 108, 124
# Of OS/2 2.x, which may also be cut short anywhere.
_OS2, _SHORTEST_OS2 = 64, 16
_COMMON_LENGTHS = (40, 52, 56, 64, 108, 124)
_CALIBRATED = "Its header's own primaries and gamma were passed over, as browsers do."
_USUAL_MASKS = (0xFF0000, 0xFF00, 0xFF)


class _Masked(NamedTuple):
    """A picture whose samples are described by masks.

    Attributes:
        width, height: in pixels.
        is_top_down: whether the first row is the highest.
        bits: of a pixel, 16 or 32.
        offset: of the rows in the file.
        masks: of red, green, blue and alpha; 0 without it.
    """

    width: int
    height: int
    is_top_down: bool
    bits: int
    offset: int
    masks: tuple[int, int, int, int]


def decode_bmp(name: str, data: bytes, max_pixels: int) -> Decoded:
    """Decode a BMP.

    A profile that the file embeds counts. Primaries and gamma in its header (LCS_CALIBRATED_RGB) do
    not: many programs fill them with nonsense, and browsers pass them over as well.

    Args:
        name: of the file, for messages.
        data: its content.
        max_pixels: the largest width x height.

    Raises:
        PhotoError: for a picture that is too large, or of a kind that nothing here decodes.
        Exception: others, from decoders, for damaged files.
    """
    data = _padded(_normalised(data))
    profile = _profile(data)
    masked = _read_masks(name, data)
    notes: tuple[str, ...] = (_CALIBRATED,) if _is_calibrated(data) else ()
    if masked is None and (values := _two_bits(name, data, max_pixels)) is not None:
        return Decoded(values, Model.RGB, profile=profile, notes=notes)
    if masked is None:
        image = BmpImageFile(io.BytesIO(data))
        check_size(name, image.size, max_pixels)
        values = np.array(image.convert("RGB"))
        return Decoded(values, Model.RGB, profile=profile, notes=notes)
    check_size(name, (masked.width, masked.height), max_pixels)
    words = _words(data, masked)
    channels = [_unpack(words, mask) for mask in masked.masks]
    alpha = channels.pop() if masked.masks[3] else None
    depth = max(mask.bit_count() for mask in masked.masks[:3])
    if depth > 8:
        notes += (f"Reduced from {depth} to 8 bits a channel.",)
    samples = np.stack(channels[:3], axis=2)
    return Decoded(samples, Model.RGB, alpha, profile=profile, notes=notes)


def _read_masks(name: str, data: bytes) -> _Masked | None:
    """What masks describe; None where there are none."""
    (offset,) = struct.unpack_from("<I", data, 10)
    (length,) = struct.unpack_from("<I", data, 14)
    if length < 40:
        return None
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if length == _OS2:
        if compression in (_BITFIELDS, _JPEG):  # its own numbers
            what = "Huffman codes" if compression == _BITFIELDS else "run lengths of 24 bits"
            raise not_supported(name, "BMP", what)
        return None
    if compression in (_JPEG, _PNG):
        raise not_supported(name, "BMP", "a JPEG or PNG inside")
    if compression == 0 and bits == 32 and length >= _V4 and width > 0 and height:
        (alpha,) = struct.unpack_from("<I", data, 66)
        masks = (*_USUAL_MASKS, alpha)
        return _Masked(width, abs(height), height < 0, 32, offset, masks) if alpha else None
    if compression not in (_BITFIELDS, _ALPHA_BITFIELDS) or bits not in (16, 32):
        return None
    has_alpha = length >= _V3 or compression == _ALPHA_BITFIELDS
    masks = struct.unpack_from(f"<{3 + has_alpha}I", data, 54)
    if width < 1 or height == 0:
        raise ValueError("no pixels")
    red, green, blue, alpha = (*masks, 0)[:4]
    return _Masked(width, abs(height), height < 0, bits, offset, (red, green, blue, alpha))


def _normalised(data: bytes) -> bytes:
    """The file with a header of 40 bytes in place of one of OS/2's odd lengths."""
    (offset,) = struct.unpack_from("<I", data, 10)
    (length,) = struct.unpack_from("<I", data, 14)
    if length in _COMMON_LENGTHS or not _SHORTEST_OS2 <= length < _OS2:
        return data
    header = bytearray(data[14 : 14 + length].ljust(40, b"\0")[:40])
    header[:4] = (40).to_bytes(4, "little")
    start = (offset + 40 - length).to_bytes(4, "little")
    return b"".join([data[:10], start, bytes(header), data[14 + length :]])


def _padded(data: bytes) -> bytes:
    """The file with the padding of its last row, which some programs leave out."""
    (offset,) = struct.unpack_from("<I", data, 10)
    (length,) = struct.unpack_from("<I", data, 14)
    if length < 40:
        return data
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression not in (0, _BITFIELDS, _ALPHA_BITFIELDS):
        return data
    padding = -((width * bits + 7) // 8) % 4
    missing = offset + (width * bits + 31) // 32 * 4 * abs(height) - len(data)
    return data + bytes(missing) if 0 < missing <= padding else data


def _two_bits(name: str, data: bytes, max_pixels: int) -> NDArray[np.uint8] | None:
    """(H, W, 3) of a palette of four colours, which Pillow does not know; None for another file."""
    offset, length = struct.unpack_from("<II", data, 10)
    if length < 40:
        return None
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if (bits, compression) != (2, 0) or width < 1 or height == 0:
        return None
    check_size(name, (width, abs(height)), max_pixels)
    stride = (width * 2 + 31) // 32 * 4
    rows = np.frombuffer(data, np.uint8, count=stride * abs(height), offset=offset)
    indices = rows.reshape(-1, stride, 1) >> np.array([6, 4, 2, 0], np.uint8) & 3
    indices = indices.reshape(abs(height), -1)[:, :width]
    palette = np.zeros((4, 4), np.uint8)
    given = np.frombuffer(data[14 + length : min(offset, 30 + length)], np.uint8)
    palette[: len(given) // 4] = given[: len(given) // 4 * 4].reshape(-1, 4)
    colors: NDArray[np.uint8] = palette[indices, 2::-1]
    return colors if height < 0 else colors[::-1]


def _words(data: bytes, masked: _Masked) -> NDArray[Any]:
    """(H, W) uint16 or uint32, the highest row first. Rows are padded to four bytes."""
    width, height, bits = masked.width, masked.height, masked.bits
    stride = (width * bits + 31) // 32 * 4
    rows = np.frombuffer(data, np.uint8, count=stride * height, offset=masked.offset)
    words = rows.reshape(height, stride).view("<u2" if bits == 16 else "<u4")[:, :width]
    return words if masked.is_top_down else words[::-1]


def _unpack(words: NDArray[Any], mask: int) -> NDArray[np.uint8]:
    """The channel under a mask, spread over 0 to 255; 0 where there is none."""
    if mask == 0:
        return np.zeros(words.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    full = mask >> shift
    if full & (full + 1):
        raise ValueError("a mask with holes")
    values = (words.astype(np.uint32) & np.uint32(mask)) >> np.uint32(shift)
    spread: NDArray[np.uint8] = np.rint(values * (255.0 / full)).astype(np.uint8)
    return spread


def _is_calibrated(data: bytes) -> bool:
    """Whether the header has primaries and gammas of its own: LCS_CALIBRATED_RGB, not all 0."""
    (length,) = struct.unpack_from("<I", data, 14)
    return length >= _V4 and data[70:74] == bytes(4) and any(data[74:122])


def _profile(data: bytes) -> bytes | None:
    """The profile that a V5 header points to."""
    (length,) = struct.unpack_from("<I", data, 14)
    if length < _V5 or data[70:74] != b"DEBM":
        return None
    start, size = struct.unpack_from("<II", data, 14 + 112)
    return data[14 + start : 14 + start + size]
