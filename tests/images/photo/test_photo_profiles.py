"""Colours: YCbCr, Lab and CMYK, and colour profiles against their definitions."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from image_files import (
    P3,
    SRGB,
    SRGB_ICC,
    chunk,
    cmyk_profile,
    grey_profile,
    matrix_profile,
    png,
    save,
    srgb_encode,
)
from numpy.typing import NDArray
from photo_helpers import ALPHA, GREY, NOISE, PALETTE, palette_image
from PIL import Image

from cvpire.images.reading import read_photo


def test_ycbcr_tiff() -> None:
    flat = Image.new("RGB", (4, 4), (200, 90, 30)).convert("YCbCr")
    pixels = read_photo(save(flat, "TIFF", compression="tiff_lzw")).pixels.astype(int)
    assert abs(pixels - [200, 90, 30]).max() <= 2


def test_lab_tiff_is_neutral_grey_where_a_and_b_are_zero() -> None:
    lab = Image.frombytes("LAB", (2, 1), bytes([136, 0, 0, 255, 0, 0]))
    result = read_photo(save(lab, "TIFF"))
    lightness = 136 / 2.55
    linear = np.array([((lightness + 16) / 116) ** 3, 1.0])
    assert abs(result.pixels[0].astype(int) - srgb_encode(linear)[:, None]).max() <= 2
    assert "L*a*b*" in result.notes[0]


def test_cmyk_jpeg_without_profile() -> None:
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:, :, 1] = 255  # full magenta
    result = read_photo(save(Image.fromarray(inks, "CMYK"), "JPEG", quality=100))
    assert abs(result.pixels.astype(int) - [255, 0, 255]).max() <= 3
    assert "CMYK" in result.notes[0]


def test_srgb_profile_changes_nothing() -> None:
    result = read_photo(save(NOISE, "PNG", icc_profile=SRGB_ICC))
    assert (result.pixels == NOISE).all() and result.notes == ()


@pytest.mark.parametrize("matrix", [P3, SRGB], ids=["wide", "gamma-only"])
def test_matrix_profile_against_its_definition(matrix: NDArray[np.float64]) -> None:
    gamma = 563 / 256
    profile = matrix_profile(matrix, gamma, b"Wide Test")
    result = read_photo(save(np.dstack([NOISE, ALPHA]), "PNG", icc_profile=profile))
    linear = (NOISE / 255) ** gamma @ matrix.T @ np.linalg.inv(SRGB).T
    assert abs(result.pixels - srgb_encode(linear)).max() <= 2
    assert abs(result.pixels.astype(int) - NOISE).max() > 5
    assert result.notes == ("Converted from the colour profile 'Wide Test' to sRGB.",)
    assert result.alpha is not None and (result.alpha == ALPHA).all()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "AVIF"])
def test_profiles_of_other_formats_count(kind: str) -> None:
    profile = matrix_profile(P3, 563 / 256, b"Wide Test")
    smooth = np.full((16, 16, 3), (60, 200, 90), np.uint8)
    plain, profiled = (read_photo(save(smooth, kind, icc_profile=p)) for p in (None, profile))
    linear = (plain.pixels / 255) ** (563 / 256) @ P3.T @ np.linalg.inv(SRGB).T
    assert abs(profiled.pixels - srgb_encode(linear)).max() <= 2


def test_grey_profile_and_palette_with_rgb_profile() -> None:
    result = read_photo(save(GREY, "PNG", icc_profile=grey_profile(1.0)))
    assert abs(result.pixels - srgb_encode(GREY / 255)[..., None]).max() <= 2
    profile = matrix_profile(P3, 563 / 256, b"Wide Test")
    paletted = read_photo(save(palette_image(), "PNG", icc_profile=profile))
    direct = read_photo(save(PALETTE[GREY], "PNG", icc_profile=profile))
    assert (paletted.pixels == direct.pixels).all()


def test_deep_grey_with_alpha_takes_a_grey_profile() -> None:
    iccp = chunk(b"iCCP", b"grey\0\0" + zlib.compress(grey_profile(1.0)))
    result = read_photo(png(1, 1, 16, 4, bytes([64, 0, 7, 0]), iccp))
    assert abs(result.pixels - srgb_encode(np.array(64 / 255))).max() <= 2
    assert result.alpha is not None and result.alpha.tolist() == [[7]]


def test_cmyk_profile_with_black_point_compensation() -> None:
    inks = np.zeros((1, 256, 4), np.uint8)
    inks[0, :, 3] = np.arange(256)
    image = Image.fromarray(inks, "CMYK")
    result = read_photo(save(image, "TIFF", icc_profile=cmyk_profile(0))).pixels[0]
    lightness = 100 * (1 - np.arange(256) / 255)
    f = (lightness + 16) / 116
    linear = np.where(lightness > 8, f**3, lightness / 903.3)
    assert abs(result - srgb_encode(linear)[:, None]).max() <= 3
    dull = read_photo(save(image, "TIFF", icc_profile=cmyk_profile(25)))
    assert dull.pixels[0, 0].min() >= 253 and dull.pixels[0, 255].max() <= 4
    assert dull.notes == ("Converted from the colour profile 'Press' to sRGB.",)


@pytest.mark.parametrize("profile", [b"nonsense", bytes(200), SRGB_ICC[:300], SRGB_ICC[:128]])
def test_unusable_profile_is_ignored_with_a_note(profile: bytes) -> None:
    result = read_photo(save(NOISE, "PNG", icc_profile=profile))
    assert (result.pixels == NOISE).all()
    assert result.notes == ("Its colour profile is damaged and was ignored.",)


def test_profile_that_cannot_be_unpacked_is_ignored_with_a_note() -> None:
    iccp = chunk(b"iCCP", b"x\0\0" + b"no zlib stream")
    result = read_photo(png(1, 1, 8, 2, bytes([1, 2, 3]), iccp))
    assert result.pixels.tolist() == [[[1, 2, 3]]] and "damaged" in result.notes[0]
