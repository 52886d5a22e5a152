"""Formats and orientation: each file gives the very pixels, turned once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from image_files import chunk, heic, oriented_exif, save
from numpy.typing import NDArray
from photo_helpers import ALPHA, NOISE
from PIL import Image

from cvpire.images.reading import read_photo


def turned(array: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """EXIF 2.32, tag 274: which sides of the shown picture row 0 and column 0 of the stored are."""
    turns: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, 1),
    }
    return turns[orientation](array)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_lossless_formats_give_the_very_pixels(kind: str, options: dict[str, Any]) -> None:
    result = read_photo(save(NOISE, kind, **options))
    assert (result.pixels == NOISE).all() and result.alpha is None and result.notes == ()
    assert (result.height, result.width) == (21, 34)


def test_jpeg_avif_and_heic_are_read() -> None:
    smooth = np.full((16, 24, 3), (200, 90, 30), np.uint8)
    for data in (save(smooth, "JPEG"), save(smooth, "AVIF"), heic(smooth)):
        pixels = read_photo(data).pixels
        assert pixels.shape == smooth.shape and abs(pixels.astype(int) - smooth).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_orientation_is_applied_once(kind: str, orientation: int) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    stored = read_photo(save(NOISE, kind, **options)).pixels
    result = read_photo(save(NOISE, kind, exif=oriented_exif(orientation), **options))
    assert np.array_equal(result.pixels, turned(stored, orientation))
    assert bool(result.notes) == (orientation != 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "make", [lambda **o: save(NOISE, "AVIF", **o), lambda **o: heic(NOISE, **o)]
)
def test_orientation_of_avif_and_heic(make: Callable[..., bytes], orientation: int) -> None:
    stored = read_photo(make()).pixels
    result = read_photo(make(exif=oriented_exif(orientation).tobytes())).pixels
    assert np.array_equal(result, turned(stored, orientation))


def test_alpha_is_turned_with_the_pixels() -> None:
    data = save(np.dstack([NOISE, ALPHA]), "PNG", exif=oriented_exif(6))
    result = read_photo(data)
    assert result.alpha is not None and np.array_equal(result.alpha, np.rot90(ALPHA, -1))


def test_exif_after_the_pixels_of_a_png_counts() -> None:
    data = save(NOISE, "PNG")
    exif = chunk(b"eXIf", oriented_exif(3).tobytes().removeprefix(b"Exif\0\0"))
    result = read_photo(data[:-12] + exif + data[-12:])
    assert np.array_equal(result.pixels, NOISE[::-1, ::-1])


def test_damaged_exif_does_not_cost_the_photo() -> None:
    data = save(NOISE, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f broken")
    assert (read_photo(data).pixels == NOISE).all()


def test_first_picture_of_a_jpeg_with_two() -> None:
    two = save(NOISE, "MPO", save_all=True, append_images=[Image.fromarray(255 - NOISE)])
    assert np.array_equal(read_photo(two).pixels, read_photo(save(NOISE, "JPEG")).pixels)
