"""Odd picture files, made by hand where no library writes them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms


def save(array: NDArray[Any] | Image.Image, kind: str, **options: Any) -> bytes:
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def heic(array: NDArray[np.uint8], **options: Any) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    heif_file = pillow_heif.from_pillow(Image.fromarray(array))
    heif_file.save(buffer, quality=-1, chroma=444, matrix_coefficients=0, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG by hand; `rows` without the filter bytes."""
    stride = len(rows) // height
    lines = b"".join(b"\0" + rows[y * stride : (y + 1) * stride] for y in range(height))
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
            *extra,
            chunk(b"IDAT", zlib.compress(lines)),
            chunk(b"IEND", b""),
        ]
    )


def oriented_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = orientation
    return exif


# --- colour profiles, by hand (ICC.1:2001-04) ---------------------------------------------------

D50 = (0.9642, 1.0, 0.8249)
# Columns: the D50-adapted primaries of Display P3 and of sRGB.
P3 = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + fixed(*values)


def gamma_curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def icc(kind: bytes, space: bytes, pcs: bytes, name: bytes, tags: dict[bytes, bytes]) -> bytes:
    text = b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name + b"\0" + bytes(78)
    tags = {b"desc": text, b"wtpt": xyz(*D50), b"cprt": b"text\0\0\0\0none\0", **tags}
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        table += tag + struct.pack(">II", at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", at + len(body), b"none", 0x02400000, kind, space, pcs)
    header += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(*D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def matrix_profile(matrix: NDArray[np.float64], gamma: float, name: bytes) -> bytes:
    tags = {b"rXYZ": xyz(*matrix[:, 0]), b"gXYZ": xyz(*matrix[:, 1]), b"bXYZ": xyz(*matrix[:, 2])}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma_curve(gamma))
    return icc(b"mntr", b"RGB ", b"XYZ ", name, {**tags, **curves})


def grey_profile(gamma: float) -> bytes:
    return icc(b"mntr", b"GRAY", b"XYZ ", b"Grey", {b"kTRC": gamma_curve(gamma)})


def cmyk_profile(lightness_of_black: float) -> bytes:
    """Neutral inks: L* falls linearly with K to the given value, and C, M, Y do nothing."""
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut += bytes(range(256)) * 4
    black = round(lightness_of_black * 2.55)
    lut += bytes([255, 128, 128, black, 128, 128]) * 8  # K is the last and fastest input
    lut += bytes(range(256)) * 3
    return icc(b"scnr", b"CMYK", b"Lab ", b"Press", {b"A2B0": lut, b"A2B1": lut})


def srgb_encode(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


SRGB_ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


# --- further chunks of PNG, boxes of AVIF, and BMP ------------------------------------------------


def cicp(primaries: int, transfer: int, matrix: int = 0, full_range: int = 1) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, matrix, full_range]))


def gama(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def chrm(*xy: float) -> bytes:
    """White, red, green, blue."""
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in xy)))


def png_of(pixels: NDArray[Any], *extra: bytes) -> bytes:
    """A PNG of uint8 or uint16 samples: (H, W) grey, or (H, W, 2 to 4)."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    depth = 8 * pixels.dtype.itemsize
    rows = pixels.astype(">u2" if depth == 16 else "u1").tobytes()
    return png(pixels.shape[1], pixels.shape[0], depth, kind, rows, *extra)


def with_nclx(avif: bytes, primaries: int, transfer: int) -> bytes:
    """An AVIF whose colr box says other colours; its samples stay."""
    at = avif.index(b"colrnclx") + 8
    return avif[:at] + struct.pack(">HH", primaries, transfer) + avif[at + 4 :]


def bmp(
    width: int,
    height: int,
    bits: int,
    rows: bytes,
    *,
    masks: Sequence[int] = (),
    compression: int = 0,
    header: int = 40,
    color_space: bytes = b"BGRs",
    endpoints: Sequence[float] = (0.0,) * 9,
    gammas: Sequence[float] = (0.0,) * 3,
    profile: bytes = b"",
    palette: bytes = b"",
) -> bytes:
    """A BMP with a header of 40, 52, 56, 108 or 124 bytes; its rows are padded by the caller."""
    info = struct.pack(
        "<IiiHHIIiiII",
        *(header, width, height, 1, bits, compression, len(rows), 2835, 2835),
        *(len(palette) // 4, 0),
    )
    fields = struct.pack("<4I", *[*masks, 0, 0, 0, 0][:4])
    outside = b""
    if header == 40:
        outside = struct.pack(f"<{len(masks)}I", *masks)
    info += fields[: min(16, header - 40)]
    if header >= 108:
        info += color_space + struct.pack("<9i", *(round(v * 2**30) for v in endpoints))
        info += struct.pack("<3I", *(round(v * 2**16) for v in gammas))
    start = len(info) + len(outside) + len(palette) + (16 if header == 124 else 0)
    if header == 124:
        info += struct.pack("<IIII", 4, start + len(rows) if profile else 0, len(profile), 0)
    data = info + outside + palette + rows + profile
    return b"BM" + struct.pack("<IHHI", 14 + len(data), 0, 0, 14 + start) + data
