"""Depths and modes: deep, grey and floating-point pictures."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from image_files import heic, png, save
from numpy.typing import NDArray
from photo_helpers import ALPHA, GREY, NOISE, RNG, error_of
from PIL import Image

from cvpire.images.reading import read_photo

WIDE = RNG.integers(0, 65536, (9, 11), dtype=np.uint16)


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_sixteen_bit_grey_is_shifted(mode: str) -> None:
    image = Image.frombytes(mode, (11, 9), WIDE.astype(">u2" if "B" in mode else "<u2").tobytes())
    for kind in ("TIFF", "PNG"):
        result = read_photo(save(image, kind))
        assert (result.pixels == (WIDE >> 8)[..., None]).all()
        assert result.notes == ("Reduced from 16 to 8 bits a channel.",)


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_sixteen_bit_colour_and_alpha(colour: int, channels: int) -> None:
    values = RNG.integers(0, 65536, (5, 7, channels), dtype=np.uint16)
    result = read_photo(png(7, 5, 16, colour, values.astype(">u2").tobytes()))
    high = (values >> 8).astype(np.uint8)
    colours = channels - (channels in (2, 4))
    assert (result.pixels == high[..., :colours]).all()
    if colours < channels:
        assert result.alpha is not None and (result.alpha == high[..., -1]).all()
    assert result.notes == ("Reduced from 16 to 8 bits a channel.",)


def test_ten_bit_heic_is_noted() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    deep = pillow_heif.from_bytes(mode="RGB;16", size=(16, 16), data=bytes(16 * 16 * 6))
    buffer = io.BytesIO()
    deep.save(buffer)
    assert read_photo(buffer.getvalue()).notes == ("Reduced from 10 to 8 bits a channel.",)


def test_main_picture_of_a_heic_with_two_but_no_sequence() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    two = pillow_heif.from_pillow(Image.fromarray(NOISE))
    two.add_from_pillow(Image.fromarray(255 - NOISE))
    buffer = io.BytesIO()
    two.save(buffer, quality=-1, chroma=444, matrix_coefficients=0)
    data = buffer.getvalue()
    assert np.array_equal(read_photo(data).pixels, read_photo(heic(NOISE)).pixels)
    assert "an animation of 2 frames" in error_of(data[:8] + b"msf1" + data[12:])


def test_twelve_bit_grey_is_not_too_dark() -> None:
    tags = {256: 2, 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 3}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    strip = bytes([0xFF, 0xF8, 0x00])  # 0xfff, 0x800
    data = b"II*\0" + struct.pack("<I", 12) + strip + b"\0"
    result = read_photo(data + struct.pack("<H", len(tags)) + entries + bytes(4))
    assert result.pixels[0, :, 0].tolist() == [255, 128]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 255], [7, 9]], np.int32), [[0, 255], [7, 9]]),
        (np.array([[0, 65535], [512, 256]], np.int32), [[0, 255], [2, 1]]),
        (np.array([[0, 1], [0.5, 0.25]], np.float32), [[0, 255], [128, 64]]),
        (np.array([[0, 254.6], [2, 1]], np.float32), [[0, 255], [2, 1]]),
    ],
)
def test_grey_of_unknown_range(values: NDArray[Any], expected: list[list[int]]) -> None:
    result = read_photo(save(values, "TIFF"))
    assert result.pixels[..., 1].tolist() == expected and len(result.notes) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -0.5, 255.5])
def test_values_that_are_no_brightness_are_refused(bad: float) -> None:
    values = np.array([[0.5, bad, 0.2]], np.float32)
    assert "grey values" in error_of(save(values, "TIFF"))


@pytest.mark.parametrize("bad", [-1, 65536])
def test_integers_that_are_no_brightness_are_refused(bad: int) -> None:
    assert "grey values" in error_of(save(np.array([[5, bad]], np.int32), "TIFF"))


def test_one_bit_grey_and_grey_with_alpha() -> None:
    bits = Image.fromarray(GREY).convert("1")
    assert (read_photo(save(bits, "PNG")).pixels == np.array(bits.convert("L"))[..., None]).all()
    assert (read_photo(save(GREY, "PNG")).pixels == GREY[..., None]).all()
    result = read_photo(save(np.dstack([GREY, ALPHA]), "PNG"))
    assert (result.pixels == GREY[..., None]).all()
    assert result.alpha is not None and (result.alpha == ALPHA).all()
