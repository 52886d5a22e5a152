"""Profiles: before other means, of another kind of picture, in parts, or not used."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest
from image_files import (
    SRGB_ICC,
    bmp,
    cmyk_profile,
    gama,
    grey_profile,
    icc,
    png_of,
    save,
    srgb_encode,
    with_nclx,
)
from kinds_helpers import ALPHA, LINEAR, LINEAR_PROFILE, RAMP, icc_part, iccp, with_segments

from cvpire.images.reading import read_photo


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "BMP"])
def test_a_profile_goes_before_other_means(kind: str) -> None:
    flat = np.full((16, 16, 3), (60, 200, 90), np.uint8)
    if kind == "BMP":
        rows = flat[..., ::-1].tobytes()
        data = bmp(16, 16, 24, rows, header=124, color_space=b"DEBM", profile=LINEAR_PROFILE)
    else:
        data = save(flat, kind, icc_profile=LINEAR_PROFILE, quality=100)
    if kind == "AVIF":
        data = with_nclx(data, 12, 13) if b"colrnclx" in data else data
    expected = srgb_encode(np.array([60, 200, 90]) / 255)
    assert abs(read_photo(data).pixels[8, 8] - expected).max() <= 3
    assert read_photo(data).notes == ("Converted from the colour profile 'Linear' to sRGB.",)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_grey_photo_takes_an_rgb_profile(kind: str) -> None:
    grey = np.tile(np.arange(0, 240, 8, dtype=np.uint8), (20, 1))
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100}
    photo = read_photo(save(grey, kind, icc_profile=LINEAR_PROFILE, **options))
    stored = read_photo(save(grey, kind, **options)).pixels
    assert abs(photo.pixels - srgb_encode(stored / 255)).max() <= 2
    assert photo.notes == ("Converted from the colour profile 'Linear' to sRGB.",)


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (grey_profile(1.0), "is for grey pictures, which this one is not, and was ignored"),
        (cmyk_profile(0), "is for CMYK pictures, which this one is not, and was ignored"),
        (
            icc(b"link", b"RGB ", b"RGB ", b"Link", {}),
            "is not one that describes a picture's colours",
        ),
        (
            icc(b"nmcl", b"RGB ", b"XYZ ", b"Inks", {}),
            "is not one that describes a picture's colours",
        ),
        (SRGB_ICC[:300], "is damaged and was ignored"),
    ],
)
def test_why_a_profile_is_not_used(profile: bytes, words: str) -> None:
    for kind in ("PNG", "JPEG"):
        photo = read_photo(save(RAMP, kind, icc_profile=profile, quality=100))
        assert np.array_equal(photo.pixels, read_photo(save(RAMP, kind, quality=100)).pixels)
        assert len(photo.notes) == 1 and words in photo.notes[0]


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_a_grey_avif_takes_a_grey_profile(bits: int, with_alpha: bool) -> None:
    grey = np.dstack([RAMP[..., 0], ALPHA]) if with_alpha else RAMP[..., 0]
    deep = np.rint(grey * ((2**bits - 1) / 255)).astype(np.uint16 if bits > 8 else np.uint8)
    plain = bytes(imagecodecs.avif_encode(deep, level=100, bitspersample=bits, speed=8))
    photo = read_photo(with_profile(plain, grey_profile(1.0)))
    assert photo.notes[-1] == "Converted from the colour profile 'Grey' to sRGB."
    assert abs(photo.pixels - LINEAR[..., :1]).max() <= 6
    assert (photo.alpha is not None) == with_alpha


def with_profile(avif: bytes, profile: bytes) -> bytes:
    """An AVIF whose first colr box holds a profile."""
    at = avif.index(b"colrnclx") - 4
    (size,) = struct.unpack_from(">I", avif, at)
    box = struct.pack(">I", 12 + len(profile)) + b"colrprof" + profile
    grown = len(box) - size
    data = bytearray(avif)
    for parent in (b"ipco", b"iprp", b"meta"):
        place = avif.index(parent) - 4
        struct.pack_into(">I", data, place, struct.unpack_from(">I", avif, place)[0] + grown)
    place, start = avif.index(b"iloc"), avif.index(b"mdat")
    (length,) = struct.unpack_from(">I", avif, place - 4)
    for offset in range(place, place + length - 7):
        (value,) = struct.unpack_from(">I", avif, offset)
        if start < value < len(avif):
            struct.pack_into(">I", data, offset, value + grown)
    return bytes(data[:at]) + box + bytes(data[at + size :])


def test_parts_of_a_profile_in_a_jpeg() -> None:
    data = save(RAMP, "JPEG", quality=100, subsampling=0)
    half = len(LINEAR_PROFILE) // 2
    first, second = LINEAR_PROFILE[:half], LINEAR_PROFILE[half:]
    applied = "Converted from the colour profile 'Linear' to sRGB."
    ignored = "Its colour profile is damaged and was ignored."
    for parts, note in [
        ([(1, 2, first), (2, 2, second)], applied),
        ([(2, 2, second), (1, 2, first)], applied),
        ([(1, 1, LINEAR_PROFILE), (1, 1, LINEAR_PROFILE)], applied),
        ([(1, 2, first)], ignored),
        ([(2, 2, second)], ignored),
        ([(0, 1, LINEAR_PROFILE)], ignored),
    ]:
        photo = read_photo(with_segments(data, *(icc_part(*part) for part in parts)))
        assert photo.notes == (note,), parts


@pytest.mark.parametrize("profile", [grey_profile(1.0), cmyk_profile(0)])
def test_beside_a_profile_of_another_model_nothing_counts(profile: bytes) -> None:
    photo = read_photo(png_of(RAMP, iccp(profile), gama(1.0)))
    assert np.array_equal(photo.pixels, RAMP) and len(photo.notes) == 1
