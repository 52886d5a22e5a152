"""Alpha and palettes: what is clear stays so, and colours under it are kept."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from image_files import chunk, png, save
from photo_helpers import ALPHA, GREY, NOISE, PALETTE, palette_image

from cvpire.images.reading import read_photo


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_colours_under_alpha_are_kept(kind: str) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    result = read_photo(save(np.dstack([NOISE, ALPHA]), kind, **options))
    assert (result.pixels == NOISE).all()
    assert result.alpha is not None and (result.alpha == ALPHA).all()


def test_opaque_alpha_is_dropped() -> None:
    data = save(np.dstack([NOISE, np.full_like(GREY, 255)]), "PNG")
    assert read_photo(data).alpha is None


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_palette_without_transparency(kind: str) -> None:
    result = read_photo(save(palette_image(), kind))
    assert (result.pixels == PALETTE[GREY]).all() and result.alpha is None


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_one_transparent_index(kind: str) -> None:
    index = int(GREY[3, 4])
    result = read_photo(save(palette_image(), kind, transparency=index, optimize=False))
    assert result.alpha is not None
    assert (result.alpha == np.where(index == GREY, 0, 255)).all()
    assert (result.pixels == PALETTE[GREY])[index != GREY].all()


def test_palette_with_alpha_for_each_entry() -> None:
    steps = bytes(range(255, 155, -1))
    result = read_photo(save(palette_image(), "PNG", transparency=steps))
    table = np.full(256, 255)
    table[:100] = list(steps)
    assert result.alpha is not None and (result.alpha == table[GREY]).all()
    assert (result.pixels == PALETTE[GREY]).all()


def trns(*values: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


@pytest.mark.parametrize(
    ("data", "alpha"),
    [
        (png(8, 1, 1, 0, bytes([0b10110000]), trns(1)), [0, 255, 0, 0, 255, 255, 255, 255]),
        (png(4, 1, 2, 0, bytes([0b00011011]), trns(2)), [255, 255, 0, 255]),
        (png(2, 1, 4, 0, bytes([0x3C]), trns(0xC)), [255, 0]),
        (png(3, 1, 8, 0, bytes([1, 2, 3]), trns(2)), [255, 0, 255]),
        (png(3, 1, 8, 0, bytes([1, 2, 3]), trns(2), chunk(b"iCCP", b"p\0\0")), [255, 0, 255]),
        (png(3, 1, 16, 0, bytes([1, 2, 1, 3, 2, 2]), trns(0x0103)), [255, 0, 255]),
        (png(2, 1, 8, 2, bytes([1, 2, 3, 1, 2, 4]), trns(1, 2, 4)), [255, 0]),
        (png(2, 1, 16, 2, bytes(range(12)), trns(1, 0x203, 0x405)), [0, 255]),
    ],
    ids=[
        "grey1",
        "grey2",
        "grey4",
        "grey8",
        "grey8 with a broken profile",
        "grey16",
        "rgb8",
        "rgb16",
    ],
)
def test_one_transparent_colour_of_a_png(data: bytes, alpha: list[int]) -> None:
    result = read_photo(data)
    assert result.alpha is not None and result.alpha[0].tolist() == alpha


def test_associated_alpha_becomes_straight() -> None:
    pixel = np.array([[[100, 50, 0, 128]]], np.uint8)
    straight, associated = (struct.pack("<HHIH", 338, 3, 1, kind) for kind in (2, 1))
    data = save(pixel, "TIFF")  # its tag ExtraSamples says straight
    assert data.count(straight) == 1
    result = read_photo(data.replace(straight, associated))
    assert result.alpha is not None and result.alpha.tolist() == [[128]]
    assert abs(result.pixels[0, 0].astype(int) - [199, 100, 0]).max() <= 1
