"""Colours that a file tells by other means than a profile."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from image_files import (
    P3,
    chunk,
    cicp,
    gama,
    heic,
    matrix_profile,
    png_of,
    save,
    srgb_encode,
    with_nclx,
)
from kinds_helpers import CLEAR, LINEAR, LINEAR_PROFILE, RAMP, iccp
from numpy.typing import NDArray
from PIL import Image

from cvpire.images.reading import read_photo

P3_PROFILE = matrix_profile(P3, 1.8, b"P3")


@pytest.mark.parametrize(
    ("extras", "expected", "words"),
    [
        ([gama(1.0)], LINEAR, "Converted from gamma 1 to sRGB."),
        ([cicp(1, 8)], LINEAR, "Converted from BT.709 (linear) to sRGB."),
        ([iccp(LINEAR_PROFILE)], LINEAR, "Converted from the colour profile 'Linear' to sRGB."),
        ([cicp(1, 8), iccp(P3_PROFILE)], LINEAR, "Converted from BT.709 (linear) to sRGB."),
        ([chunk(b"sRGB", b"\0"), gama(1.0)], RAMP, ""),
        ([cicp(1, 13), iccp(LINEAR_PROFILE), gama(1.0)], RAMP, ""),
        ([gama(1 / 2.2)], RAMP, ""),
    ],
)
def test_png_says_its_colours_in_order(
    extras: list[bytes], expected: NDArray[Any], words: str
) -> None:
    photo = read_photo(png_of(RAMP, *extras))
    assert abs(photo.pixels - expected).max() <= 2
    assert photo.notes == ((words,) if words else ())


@pytest.mark.parametrize("kind", ["avif", "heic"])
def test_nclx_of_video_pictures(kind: str) -> None:
    flat = np.full((16, 16, 3), (200, 90, 30), np.uint8)
    if kind == "avif":
        plain = save(flat, "AVIF", quality=100, subsampling="4:4:4")
        wide = with_nclx(plain, 12, 13)
    else:
        pillow_heif = pytest.importorskip("pillow_heif")
        plain, wide = heic(flat), _heic_of(pillow_heif, flat, color_primaries=12)
    # Linear light of P3 to that of sRGB, both D65.
    matrix = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])
    stored = read_photo(plain).pixels[0, 0] / 255
    light = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    photo = read_photo(wide)
    assert abs(photo.pixels[0, 0] - srgb_encode(matrix @ light)).max() <= 2
    assert photo.notes == ("Converted from Display P3 to sRGB.",)


def _heic_of(pillow_heif: Any, pixels: NDArray[np.uint8], **nclx: int) -> bytes:
    buffer = io.BytesIO()
    options: dict[str, Any] = {
        "color_primaries": 1,
        "transfer_characteristics": 13,
        "full_range_flag": 1,
        **nclx,
    }
    file = pillow_heif.from_pillow(Image.fromarray(pixels))
    file.save(buffer, quality=-1, chroma=444, matrix_coefficients=0, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_said(transfer: int, name: str) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    files = [
        png_of(RAMP, cicp(9, transfer)),
        png_of(CLEAR.astype(np.uint16) * 257, cicp(9, transfer)),
        with_nclx(save(RAMP, "AVIF"), 9, transfer),
        _heic_of(pillow_heif, RAMP, color_primaries=9, transfer_characteristics=transfer),
    ]
    for data in files:
        photo = read_photo(data)
        assert photo.notes[-1] == f"Converted from HDR ({name}, BT.2020) to sRGB."


@pytest.mark.parametrize(
    "extra", [cicp(1, 8), gama(1.0), iccp(LINEAR_PROFILE), chunk(b"acTL", struct.pack(">II", 4, 0))]
)
def test_what_a_png_says_too_late(extra: bytes) -> None:
    data = png_of(RAMP)
    photo = read_photo(data[:-12] + extra + data[-12:])
    assert np.array_equal(photo.pixels, RAMP) and photo.notes == ()


@pytest.mark.parametrize("codes", [(0, 0), (3, 3), (200, 13), (1, 255)])
def test_reserved_code_points_cost_no_heic(codes: tuple[int, int]) -> None:
    plain = heic(RAMP)
    at = plain.index(b"colrnclx") + 8
    photo = read_photo(plain[:at] + struct.pack(">HH", *codes) + plain[at + 4 :])
    assert np.array_equal(photo.pixels, read_photo(plain).pixels)
