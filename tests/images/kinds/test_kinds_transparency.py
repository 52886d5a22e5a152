"""Transparency of PNG, BMP, GIF and of deep and multiplied pictures."""

from __future__ import annotations

import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
from image_files import bmp, chunk, png_of, save
from kinds_helpers import ALPHA, CLEAR, RAMP
from PIL import Image

from cvpire.images.reading import read_photo


@pytest.mark.parametrize(
    ("pixels", "key", "alpha"),
    [
        ([[[257, 2, 3], [258, 2, 3], [1, 2, 3]]], (257, 2, 3), [0, 255, 255]),
        ([[[0, 0, 255], [0, 0, 256], [0, 0, 511]]], (0, 0, 256), [255, 0, 255]),
        ([[[65535] * 3, [65534] * 3, [65280] * 3]], (65535,) * 3, [0, 255, 255]),
        ([[257, 258, 1]], (257,), [0, 255, 255]),
    ],
)
def test_a_clear_colour_of_16_bits_is_compared_in_16(
    pixels: list[Any], key: tuple[int, ...], alpha: list[int]
) -> None:
    trns = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    photo = read_photo(png_of(np.array(pixels, np.uint16), trns))
    assert photo.alpha is not None and photo.alpha[0].tolist() == alpha


@pytest.mark.parametrize(
    ("bits", "masks", "word", "expected"),
    [
        (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), 0x80C81E0A, (200, 30, 10, 128)),
        (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000), 0x800A1EC8, (200, 30, 10, 128)),
        (16, (0xF00, 0xF0, 0xF, 0xF000), 0x8F31, (255, 51, 17, 136)),
        (16, (0x7C00, 0x3E0, 0x1F, 0x8000), 0x7C1F, (255, 0, 255, 0)),
        (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000), 0x7FF00000, (255, 0, 0, 85)),
    ],
)
@pytest.mark.parametrize("header", [56, 108, 124])
def test_alpha_of_bmp(
    header: int, bits: int, masks: tuple[int, ...], word: int, expected: tuple[int, ...]
) -> None:
    row = word.to_bytes(bits // 8, "little") * 2
    photo = read_photo(bmp(2, 1, bits, row, masks=masks, compression=3, header=header))
    assert photo.alpha is not None
    assert (*photo.pixels[0, 1].tolist(), int(photo.alpha[0, 1])) == expected


def test_bmp_without_an_alpha_mask_is_opaque() -> None:
    row = bytes([10, 30, 200, 0]) * 2
    for data in (
        bmp(2, 1, 32, row),
        bmp(2, 1, 32, row, masks=(0xFF0000, 0xFF00, 0xFF), compression=3),
        bmp(2, 1, 32, row, header=124),
    ):
        photo = read_photo(data)
        assert photo.alpha is None and photo.pixels[0, 1].tolist() == [200, 30, 10]


@pytest.mark.parametrize(
    ("screen", "at"), [((50, 40), (0, 0)), ((50, 40), (13, 7)), ((30, 25), (0, 5))]
)
def test_gif_is_clear_where_its_picture_is_not(
    screen: tuple[int, int], at: tuple[int, int]
) -> None:
    data = bytearray(save(Image.fromarray(RAMP).quantize(64), "GIF"))
    whole = read_photo(bytes(data))
    assert whole.alpha is None
    data[6:10] = struct.pack("<HH", *screen)
    place = data.index(b"\x2c\0\0\0\0") + 1
    data[place : place + 4] = struct.pack("<HH", *at)
    photo = read_photo(bytes(data))
    covered = (slice(at[1], at[1] + 20), slice(at[0], at[0] + 30))
    expected = np.zeros(screen[::-1], np.uint8)
    expected[covered] = 255
    assert photo.alpha is not None and np.array_equal(photo.alpha, expected)
    assert np.array_equal(photo.pixels[covered], whole.pixels)


def test_alpha_of_deep_and_of_premultiplied_pictures() -> None:
    deep = np.dstack([RAMP, ALPHA]).astype(np.uint16) * 257
    photo = read_photo(png_of(deep))
    assert photo.alpha is not None and np.array_equal(photo.alpha, ALPHA)
    ten = np.rint(CLEAR * (1023 / 255)).astype(np.uint16)
    encoded = imagecodecs.avif_encode(ten, level=100, bitspersample=10, pixelformat="444", speed=8)
    photo = read_photo(bytes(encoded))
    assert photo.alpha is not None and abs(photo.alpha.astype(int) - ALPHA).max() <= 2
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(CLEAR)).save(
        buffer, quality=-1, chroma=444, matrix_coefficients=0
    )
    photo = read_photo(buffer.getvalue())
    assert photo.alpha is not None and abs(photo.alpha.astype(int) - ALPHA).max() <= 2


def test_heic_with_multiplied_colours() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    multiplied = np.rint(RAMP * (ALPHA[..., None] / 255)).astype(np.uint8)
    file = pillow_heif.from_bytes(
        mode="RGBa", size=(30, 20), data=np.dstack([multiplied, ALPHA]).tobytes()
    )
    buffer = io.BytesIO()
    file.save(buffer, quality=-1, chroma=444, matrix_coefficients=0)
    photo = read_photo(buffer.getvalue())
    assert photo.alpha is not None and abs(photo.alpha.astype(int) - ALPHA).max() <= 2
    is_seen = ALPHA > 100
    assert abs(photo.pixels.astype(int) - RAMP)[is_seen].max() <= 4
