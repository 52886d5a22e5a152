"""A picture is damaged only where it is: checksums, texts and missing ends."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from image_files import SRGB, chunk, icc, png_of
from kinds_helpers import END_IS_MISSING, LINEAR, RAMP, iccp, refusal
from numpy.typing import NDArray

from cvpire.images.reading import read_photo


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"pHYs", b"tIME", b"eXIf"])
def test_a_bad_checksum_beside_the_picture(kind: bytes) -> None:
    part = chunk(kind, b"some\0\0content")[:-4] + b"\0\1\2\3"
    photo = read_photo(png_of(RAMP, part))
    assert np.array_equal(photo.pixels, RAMP)
    assert photo.notes == (
        f"A part of the file beside the picture ({kind.decode()}) is damaged and was ignored.",
    )


def test_a_bad_checksum_of_a_whole_picture() -> None:
    data = png_of(RAMP)
    at = data.index(b"IEND") - 8
    photo = read_photo(data[:at] + b"\0\1\2\3" + data[at + 4 :])
    assert np.array_equal(photo.pixels, RAMP)
    assert photo.notes == ("A checksum of the file is wrong; the picture itself is whole.",)


def test_a_picture_that_is_damaged_is_refused() -> None:
    data = png_of(RAMP)
    idat = data.index(b"IDAT") + 4
    for at, words in ((idat + 20, "damaged"), (idat + 3, "damaged"), (18, "damaged")):
        hurt = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        assert words in refusal(hurt)


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
def test_text_of_any_length(kind: bytes) -> None:
    text = np.random.default_rng(0).bytes(1_500_000)
    content = {
        b"tEXt": b"k\0" + text,
        b"zTXt": b"k\0\0" + zlib.compress(text),
        b"iTXt": b"k\0\1\0\0\0" + zlib.compress(text),
    }[kind]
    photo = read_photo(png_of(RAMP, chunk(kind, content)))
    assert np.array_equal(photo.pixels, RAMP) and photo.notes == ()


def test_a_profile_of_any_length() -> None:
    padding = b"data\0\0\0\0" + np.random.default_rng(0).bytes(1_500_000)
    primaries = {tag: data for tag, data in _matrix_tags()}
    profile = icc(b"mntr", b"RGB ", b"XYZ ", b"Long", {**primaries, b"priv": padding})
    photo = read_photo(png_of(RAMP, iccp(profile)))
    assert abs(photo.pixels - LINEAR).max() <= 2
    assert photo.notes == ("Converted from the colour profile 'Long' to sRGB.",)


def _matrix_tags() -> list[tuple[bytes, bytes]]:
    from image_files import gamma_curve, xyz

    columns = [(name, xyz(*SRGB[:, i])) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
    return columns + [(name, gamma_curve(1.0)) for name in (b"rTRC", b"gTRC", b"bTRC")]


def test_a_png_without_its_end() -> None:
    data = png_of(RAMP)
    # The end marker has 12 bytes; before it are two checksums of 4, and then the pixels.
    for missing in (1, 4, 12, 14, 16, 18, 20):
        photo = read_photo(data[:-missing])
        assert np.array_equal(photo.pixels, RAMP) and photo.notes == (END_IS_MISSING,)
    for missing in (60, 200):
        assert "cut off" in refusal(data[:-missing])


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("interlace", [0, 1])
def test_a_png_whose_own_checksum_is_wrong(depth: int, interlace: int) -> None:
    pixels = RAMP if depth == 8 else RAMP.astype(np.uint16) * 257
    data = png_of(pixels)
    if interlace:
        data = _interlaced(pixels)
    at, length = data.index(b"IDAT") + 4, int.from_bytes(data[data.index(b"IDAT") - 4 :][:4], "big")
    packed = data[at : at + length - 4] + b"\0\1\2\3"
    hurt = data[: at - 8] + chunk(b"IDAT", packed) + data[at + length + 4 :]
    photo = read_photo(hurt)
    assert np.array_equal(photo.pixels, RAMP)
    assert "A checksum of the file is wrong; the picture itself is whole." in photo.notes


def _interlaced(pixels: NDArray[Any]) -> bytes:
    """Adam7 by hand."""
    kind = ">u2" if pixels.dtype == np.uint16 else "u1"
    rows = b""
    for left, top, across, down in (
        *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
        *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
    ):
        for line in pixels[top::down, left::across].astype(kind):
            rows += b"\0" + line.tobytes()
    header = struct.pack(">IIBBBBB", 30, 20, 8 * pixels.dtype.itemsize, 2, 0, 0, 1)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
