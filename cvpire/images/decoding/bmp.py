"""BMP: by Pillow, but for samples that masks describe, which are unpacked here."""

from __future__ import annotations

import io
import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL.BmpImagePlugin import BmpImageFile

from cvpire.images.decoding.decoded import Decoded, Model
from cvpire.images.decoding.samples import reduction
from cvpire.images.limits import check_size, not_supported

_BITFIELDS, _JPEG, _PNG, _ALPHA_BITFIELDS = 3, 4, 5, 6
# Lengths of the headers: the first with a compression, and those that hold masks of colours, and of
# alpha.
_V1, _V3, _V4, _V5 = 40, 56, 108, 124
# Of OS/2 2.x, which may also be cut short anywhere.
_OS2, _SHORTEST_OS2 = 64, 16
_COMMON_LENGTHS = (40, 52, 56, 64, 108, 124)
_CALIBRATED = "Its header's own primaries and gamma were passed over, as browsers do."
_USUAL_MASKS = (0xFF0000, 0xFF00, 0xFF)


class _Header(NamedTuple):
    """A file's header. In the oldest kind, of 12 bytes, all but the first two are left out."""

    offset: int  # of the rows in the file
    length: int  # of the header itself
    width: int = 0
    signed_height: int = 0  # below 0 where the first row is the highest
    planes: int = 0
    bits: int = 0  # of a pixel
    compression: int = 0

    @property
    def height(self) -> int:
        return abs(self.signed_height)

    @property
    def stride(self) -> int:
        """Bytes of a row, which is padded to four."""
        return (self.width * self.bits + 31) // 32 * 4


def decode_bmp(name: str, data: bytes, max_pixels: int) -> Decoded:
    """The `Decoder` of BMP.

    A profile that the file embeds counts. Primaries and gamma in its header (LCS_CALIBRATED_RGB) do
    not: many programs fill them with nonsense, and browsers pass them over as well.
    """
    data = _normalised(data)
    header = _read_header(data)
    data = _padded(data, header)
    profile = _profile(data, header)
    # LCS_CALIBRATED_RGB, with primaries and gammas that are not all 0.
    is_calibrated = header.length >= _V4 and data[70:74] == bytes(4) and any(data[74:122])
    notes: tuple[str, ...] = (_CALIBRATED,) if is_calibrated else ()
    masks = _read_masks(name, data, header)
    alpha = None
    if masks is not None:
        check_size(name, (header.width, header.height), max_pixels)
        words = _rows(data, header).view("<u2" if header.bits == 16 else "<u4")[:, : header.width]
        red, green, blue, alpha = (_unpack(words, mask) for mask in masks)
        samples = np.stack([red, green, blue], axis=2)
        alpha = alpha if masks[3] else None
        notes += reduction(max(mask.bit_count() for mask in masks[:3]))
    elif header.bits == 2 and header.compression == 0 and header.width > 0 and header.height:
        check_size(name, (header.width, header.height), max_pixels)
        samples = _two_bits(data, header)
    else:
        image = BmpImageFile(io.BytesIO(data))
        check_size(name, image.size, max_pixels)
        samples = np.array(image.convert("RGB"))
    return Decoded(samples, Model.RGB, alpha, profile=profile, notes=notes)


def _read_header(data: bytes) -> _Header:
    offset, length = struct.unpack_from("<II", data, 10)
    fields = struct.unpack_from("<iiHHI", data, 18) if length >= _V1 else ()
    return _Header(offset, length, *fields)


def _read_masks(name: str, data: bytes, header: _Header) -> tuple[int, int, int, int] | None:
    """Those of red, green, blue and alpha (0 without it); None where the file has none."""
    length, bits, compression = header.length, header.bits, header.compression
    if length == _OS2:
        if compression in (_BITFIELDS, _JPEG):  # its own numbers
            what = "Huffman codes" if compression == _BITFIELDS else "run lengths of 24 bits"
            raise not_supported(name, "BMP", what)
        return None
    if compression in (_JPEG, _PNG):
        raise not_supported(name, "BMP", "a JPEG or PNG inside")
    if compression == 0 and bits == 32 and length >= _V4 and header.width > 0 and header.height:
        (alpha,) = struct.unpack_from("<I", data, 66)
        return (*_USUAL_MASKS, alpha) if alpha else None
    if compression not in (_BITFIELDS, _ALPHA_BITFIELDS) or bits not in (16, 32):
        return None
    has_alpha = length >= _V3 or compression == _ALPHA_BITFIELDS
    masks = struct.unpack_from(f"<{3 + has_alpha}I", data, 54)
    if header.width < 1 or header.height == 0:
        raise ValueError("no pixels")
    red, green, blue, alpha = (*masks, 0)[:4]
    return red, green, blue, alpha


def _normalised(data: bytes) -> bytes:
    """The file with a header of 40 bytes in place of one of OS/2's odd lengths."""
    offset, length = struct.unpack_from("<II", data, 10)
    if length in _COMMON_LENGTHS or not _SHORTEST_OS2 <= length < _OS2:
        return data
    header = bytearray(data[14 : 14 + length].ljust(_V1, b"\0")[:_V1])
    header[:4] = _V1.to_bytes(4, "little")
    start = (offset + _V1 - length).to_bytes(4, "little")
    return b"".join([data[:10], start, bytes(header), data[14 + length :]])


def _padded(data: bytes, header: _Header) -> bytes:
    """The file with the padding of its last row, which some programs leave out."""
    if header.compression not in (0, _BITFIELDS, _ALPHA_BITFIELDS):
        return data
    padding = -((header.width * header.bits + 7) // 8) % 4
    missing = header.offset + header.stride * header.height - len(data)
    return data + bytes(missing) if 0 < missing <= padding else data


def _rows(data: bytes, header: _Header) -> NDArray[np.uint8]:
    """(H, stride), the highest row first."""
    count = header.stride * header.height
    rows = np.frombuffer(data, np.uint8, count, header.offset).reshape(header.height, -1)
    return rows if header.signed_height < 0 else rows[::-1]


def _two_bits(data: bytes, header: _Header) -> NDArray[np.uint8]:
    """(H, W, 3) of a palette of four colours, which Pillow does not know."""
    rows = _rows(data, header)
    indices = rows[..., None] >> np.array([6, 4, 2, 0], np.uint8) & 3
    palette = np.zeros((4, 4), np.uint8)
    start = 14 + header.length
    given = np.frombuffer(data[start : min(header.offset, start + 16)], np.uint8)
    palette[: len(given) // 4] = given[: len(given) // 4 * 4].reshape(-1, 4)
    colors: NDArray[np.uint8] = palette[indices.reshape(len(rows), -1)[:, : header.width], 2::-1]
    return colors


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


def _profile(data: bytes, header: _Header) -> bytes | None:
    """The profile that a V5 header points to."""
    if header.length < _V5 or data[70:74] != b"DEBM":
        return None
    start, size = struct.unpack_from("<II", data, 14 + 112)
    return data[14 + start : 14 + start + size]
