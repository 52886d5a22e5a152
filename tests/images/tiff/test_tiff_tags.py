"""What the tags of a TIFF tell: primaries, curves, orientation and profile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tiff_helpers import decode, head, shares, tiff

from cvpire.images.decoding.decoded import Decoded
from cvpire.images.reading import read_photo

P3 = [[680, 1000], [320, 1000], [265, 1000], [690, 1000], [150, 1000], [60, 1000]]
SRGB = [[640, 1000], [330, 1000], [300, 1000], [600, 1000], [150, 1000], [60, 1000]]
D65, D50 = [[3127, 10000], [3290, 10000]], [[3457, 10000], [3585, 10000]]


def coloured(strip: bytes = bytes([10, 128, 250]), **tags: Any) -> Decoded:
    return decode(tiff((head(1, 1, 8, 2, 3, **tags), strip)))


def test_primaries_and_white() -> None:
    encoding = coloured(t319=("R", P3), t318=("R", D50)).encoding
    assert encoding is not None and encoding.name == "TIFF's colour tags"
    assert encoding.green == (0.265, 0.69) and encoding.white == (0.3457, 0.3585)
    levels = np.array([0.0, 0.04, 0.5, 1.0])
    srgb = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    assert abs(encoding.to_linear(levels) - srgb).max() < 1e-9
    assert coloured(t319=("R", P3)).encoding is not None
    assert coloured(t318=("R", D50)).encoding is not None


def test_tags_that_say_srgb() -> None:
    # GIMP writes these numbers, whatever the photo.
    gimp = [[10492471, 33554432], [689963, 2097152]]
    levels = np.arange(256) / 255
    curve = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    table = np.rint(curve * 65535).astype(int).tolist()
    for tags in (
        {"t319": ("R", SRGB), "t318": ("R", D65)},
        {"t318": ("R", gimp)},
        {"t301": ("H", table)},
        {"t301": ("H", table * 3)},
    ):
        result = coloured(**tags)
        assert result.encoding is None and result.notes == ()


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("exponent", [1.0, 1.8, 2.6])
def test_transfer_function(exponent: float, times: int) -> None:
    table = np.rint((np.arange(256) / 255) ** exponent * 65535).astype(int).tolist()
    result = coloured(t301=("H", table * times))
    assert result.encoding is not None and result.samples.tolist() == [[[10, 128, 250]]]
    values = np.array([0.0, 51 / 255, 1.0])
    assert abs(result.encoding.to_linear(values) - values**exponent).max() < 1e-4
    grey = decode(tiff((head(1, 1, 8, 1, t301=("H", table)), b"\x80")))
    assert grey.encoding is not None
    # By stored values: where 0 is white, the table falls.
    white = decode(tiff((head(1, 1, 8, 0, t301=("H", table[::-1])), b"\x33"))).encoding
    assert white is not None and abs(white.to_linear(values) - values**exponent).max() < 1e-4


def test_transfer_functions_that_differ_between_channels() -> None:
    levels = np.arange(256) / 255
    tables = [np.rint(levels**exponent * 65535).astype(int) for exponent in (1.0, 1.8, 2.6)]
    result = coloured(t301=("H", np.concatenate(tables).tolist()))
    linear = np.array([10, 128, 250]) / 255
    linear = linear ** [1.0, 1.8, 2.6]
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert result.encoding is None and len(result.notes) == 1
    assert abs(shares(result.samples)[0, 0] - expected).max() < 1e-4


@pytest.mark.parametrize(
    "tags",
    [
        {"t319": ("R", [[1, 3]] * 6)},  # on one point
        {"t318": ("R", [[1, 0], [1, 3]])},
        {"t318": ("f", [float("inf"), 0.3])},
        {"t318": ("R", [[9, 10], [5, 100]])},  # no mixture of the primaries
        {"t319": ("R", P3[:4])},
        {"t301": ("H", [0, 1, 2])},
        {"t301": ("H", [0] * 256)},
    ],
)
def test_damaged_colour_tags_do_not_cost_the_photo(tags: dict[str, Any]) -> None:
    result = coloured(**tags)
    assert result.encoding is None and result.samples.tolist() == [[[10, 128, 250]]]
    assert result.notes == ("Its colour tags are damaged and were ignored.",)


def test_profile_goes_before_tags() -> None:
    result = coloured(t319=("R", P3), t34675=("B", list(b"a profile")))
    assert result.profile == b"a profile" and result.encoding is None


def test_reference_black_and_white_of_rgb() -> None:
    studio = [[16, 1], [235, 1]] * 3
    samples = coloured(bytes([16, 235, 126]), t532=("R", studio)).samples
    assert samples.tolist() == [[[0, 255, round(110 / 219 * 255)]]]
    uneven = [[0, 1], [255, 1], [20, 1], [220, 1], [0, 1], [255, 1]]
    assert coloured(bytes([20, 20, 20]), t532=("R", uneven)).samples.tolist() == [[[20, 0, 20]]]
    for usual in ([[0, 1], [255, 1]] * 3, [[0, 1], [15, 1]] * 3, [[9, 1], [3, 1]] * 3):
        assert coloured(t532=("R", usual)).samples.tolist() == [[[10, 128, 250]]]


@pytest.mark.parametrize("orientation", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_orientation_is_told_and_not_applied(orientation: int) -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    tags = head(2, 1, 8, 1, t274=("H", [orientation]), t700=("B", list(xmp)))
    result = decode(tiff((tags, b"\x05\x09")))
    assert result.orientation == (orientation if 1 <= orientation <= 8 else 1)
    assert result.samples.tolist() == [[5, 9]]
    del tags[274]
    assert decode(tiff((tags, b"\x05\x09"))).orientation == 1


def test_photos_of_tiffs_as_a_user_gets_them() -> None:
    """Through the steps that all formats share: 8 bits, sRGB, upright, with notes."""
    row = np.array([[0, 40_000, 65_535]], "<u2")
    tags = head(3, 1, 16, 0, t274=("H", [6]))
    photo = read_photo(tiff((tags, row.tobytes())))
    assert photo.pixels[..., 0].tolist() == [[255], [(65_535 - 40_000) >> 8], [0]]
    turned, reduced = photo.notes
    assert "upright" in turned and reduced == "Reduced from 16 to 8 bits a channel."
    wide = head(2, 1, 8, 2, 3, t319=("R", P3), t318=("R", D65))
    photo = read_photo(tiff((wide, bytes([60, 200, 90, 255, 255, 255]))))
    # Display P3 to sRGB, by the matrix of their definitions (W3C, CSS Color 4).
    matrix = np.array(
        [
            [1.2249401763, -0.2249401763, 0.0],
            [-0.0420569547, 1.0420569547, 0.0],
            [-0.0196375546, -0.0786360456, 1.0982736001],
        ]
    )
    levels = np.array([60, 200, 90]) / 255
    linear = matrix @ ((levels + 0.055) / 1.055) ** 2.4
    expected = 255 * (1.055 * np.clip(linear, 0.0031308, 1) ** (1 / 2.4) - 0.055)
    expected[linear < 0.0031308] = 255 * 12.92 * np.clip(linear[linear < 0.0031308], 0, 1)
    assert abs(photo.pixels[0, 0] - expected).max() <= 1
    assert photo.pixels[0, 1].tolist() == [255, 255, 255]
    assert photo.notes == ("Converted from TIFF's colour tags to sRGB.",)
