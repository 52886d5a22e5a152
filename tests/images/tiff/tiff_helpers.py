"""What the tests of TIFF share: files made by tifffile or by hand, and how they are read."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from cvpire.errors import PhotoError
from cvpire.images.decoding.decoded import Decoded
from cvpire.images.decoding.tiff.decoding import decode_tiff

RNG = np.random.default_rng(21)
H, W = 18, 35
RGB = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (H, W, 3), dtype=np.uint16)
GREY = RGB[..., 0].copy()
FLAT = np.full((H, W, 3), (200, 90, 30), np.uint8)
Tags = dict[int, tuple[str, Any]]
_KINDS = {
    "B": (1, 1),
    "H": (3, 2),
    "I": (4, 4),
    "R": (5, 8),
    "h": (8, 2),
    "f": (11, 4),
    "Q": (16, 8),
}


def decode(data: bytes, max_pixels: int = 64_000_000) -> Decoded:
    return decode_tiff("photo.tif", data, max_pixels)


def error_of(data: bytes, max_pixels: int = 64_000_000) -> str:
    with pytest.raises(PhotoError) as caught:
        decode(data, max_pixels)
    message = str(caught.value)
    assert message.startswith("photo.tif") and "\n" not in message
    return message


def written(array: NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, metadata=None, **options)
    return buffer.getvalue()


def by_pillow(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", **options)
    return buffer.getvalue()


def tiff(*pages: tuple[Tags, bytes], order: str = "<", big: bool = False) -> bytes:
    """A TIFF by hand: for each page its tags, without those of its only strip, and the strip.

    A tag is (code, values), with the code of a kind above; "R" takes (numerator, denominator).
    """
    inline, code, head = (8, "Q", 16) if big else (4, "I", 8)
    file = bytearray(head)
    file[:2] = b"II" if order == "<" else b"MM"
    file[2:4] = struct.pack(order + "H", 43 if big else 42)
    if big:
        file[4:8] = struct.pack(order + "HH", 8, 0)
    link = head - inline
    for tags, strip in pages:
        at = len(file)
        file += strip + bytes(-len(strip) % 2)
        ours: Tags = {273: ("Q" if big else "I", [at]), 279: ("I", [len(strip)])}
        fields = sorted((ours | tags).items())
        struct.pack_into(order + code, file, link, len(file))
        entries, values = b"", b""
        after = len(file) + (8 if big else 2) + len(fields) * (20 if big else 12) + inline
        for tag, (letter, given) in fields:
            kind, _ = _KINDS[letter]
            items = list(np.ravel(given).tolist())
            count = len(items) // (2 if letter == "R" else 1)
            raw = struct.pack(f"{order}{len(items)}{'I' if letter == 'R' else letter}", *items)
            if len(raw) > inline:
                place = struct.pack(order + code, after + len(values))
                values += raw + bytes(len(raw) % 2)
            else:
                place = raw.ljust(inline, b"\0")
            entries += struct.pack(order + "HH" + code, tag, kind, count) + place
        file += struct.pack(order + ("Q" if big else "H"), len(fields)) + entries
        link = len(file)
        file += bytes(inline) + values
    return bytes(file)


def head(
    width: int, height: int, bits: int, photometric: int, channels: int = 1, **more: Any
) -> Tags:
    tags: Tags = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [bits] * channels),
        259: ("H", [1]),
        262: ("H", [photometric]),
        277: ("H", [channels]),
        278: ("I", [height]),
    }
    return tags | {int(tag[1:]): value for tag, value in more.items()}


def packed(values: list[int], bits: int) -> bytes:
    """One row of whole numbers, the first in the highest bits, filled up to a byte."""
    text = "".join(format(value & ((1 << bits) - 1), f"0{bits}b") for value in values)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))


def full_of(samples: NDArray[Any]) -> float:
    return 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)


def shares(samples: NDArray[Any]) -> NDArray[np.float64]:
    assert samples.dtype in (np.uint8, np.uint16, np.float32)
    return samples.astype(np.float64) / full_of(samples)


def page(width: int, height: int, value: int, **tags: Any) -> tuple[Tags, bytes]:
    return head(width, height, 8, 1, **tags), bytes([value]) * (width * height)


GOOD = {
    "plain": written(RGB, photometric="rgb"),
    "strips": written(DEEP, photometric="rgb", rowsperstrip=4, byteorder=">"),
    "lzw": written(RGB, photometric="rgb", compression="lzw", predictor=True),
    "deflate tiles": written(RGB, photometric="rgb", compression="zlib", tile=(16, 16)),
    "packbits": written(FLAT, photometric="rgb", compression="packbits"),
    "zstd": written(DEEP, photometric="rgb", compression="zstd"),
    "lzma": written(GREY, compression="lzma"),
    "webp": written(RGB, photometric="rgb", compression="webp"),
    "jpeg": written(RGB, photometric="rgb", compression="jpeg", rowsperstrip=8),
    "jpeg cmyk": written(np.dstack([RGB, GREY]), photometric="separated", compression="jpeg"),
    "jpeg 2000": written(RGB, photometric="rgb", compression="jpeg2000"),
    "float": written(
        DEEP / np.float32(65535), photometric="rgb", compression="zlib", predictor=True
    ),
    "big": written(RGB, photometric="rgb", bigtiff=True, compression="zlib"),
    "fax": by_pillow(Image.fromarray(GREY > 127), compression="group4"),
    "palette": by_pillow(Image.fromarray(RGB).quantize(32)),
    "ycbcr": by_pillow(Image.fromarray(RGB).convert("YCbCr"), compression="tiff_lzw"),
    "alpha": written(
        np.dstack([DEEP, DEEP[..., :1]]), photometric="rgb", extrasamples=["assocalpha"]
    ),
}
