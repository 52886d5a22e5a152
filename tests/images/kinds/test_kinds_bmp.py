"""BMP with every header: masks, padding, calibration and what only OS/2 had."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from image_files import bmp
from kinds_helpers import refusal

from cvpire.images.reading import read_photo


@pytest.mark.parametrize(("width", "bits"), [(3, 24), (1, 16), (3, 8), (2, 24)])
def test_a_bmp_without_the_padding_of_its_last_row(width: int, bits: int) -> None:
    stride = (width * bits + 31) // 32 * 4
    padding = stride - width * bits // 8
    palette = bytes(range(256)) * 4 if bits == 8 else b""
    rows = np.arange(1, 2 * stride + 1, dtype=np.uint8).tobytes()
    whole = bmp(width, 2, bits, rows, palette=palette)
    expected = read_photo(whole).pixels
    for missing in range(1, padding + 1):
        assert np.array_equal(read_photo(whole[:-missing]).pixels, expected)
    assert "cut off" in refusal(whole[: -padding - 1])


@pytest.mark.parametrize("header", [108, 124])
def test_an_alpha_mask_in_a_bmp_of_plain_words(header: int) -> None:
    row = bytes([10, 30, 200, 64, 10, 30, 200, 255])
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    photo = read_photo(bmp(2, 1, 32, row, masks=masks, header=header))
    assert photo.pixels[0].tolist() == [[200, 30, 10]] * 2
    assert photo.alpha is not None and photo.alpha.tolist() == [[64, 255]]


@pytest.mark.parametrize("length", [16, 24, 36, 42, 46, 48, 60])
def test_a_bmp_whose_header_is_cut_short_or_longer(length: int) -> None:
    whole = bmp(3, 1, 24, bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0]))
    header = whole[14:54].ljust(64, b"\0")[:length]
    header = struct.pack("<I", length) + header[4:]
    rows = whole[54:]
    start = struct.pack("<I", 14 + length)
    data = whole[:10] + start + header + rows
    assert read_photo(data).pixels.tolist() == [[[3, 2, 1], [6, 5, 4], [9, 8, 7]]]


def test_a_bmp_that_is_calibrated_says_what_was_passed_over() -> None:
    row = bytes([10, 30, 200, 0])
    said = ("Its header's own primaries and gamma were passed over, as browsers do.",)
    for space, gammas, notes in (
        (bytes(4), (2.2,) * 3, said),
        (bytes(4), (0.0,) * 3, ()),
        (b"BGRs", (2.2,) * 3, ()),
        (b" niW", (2.2,) * 3, ()),
    ):
        data = bmp(1, 1, 24, row, header=108, color_space=space, gammas=gammas)
        photo = read_photo(data)
        assert photo.pixels.tolist() == [[[200, 30, 10]]] and photo.notes == notes


@pytest.mark.parametrize("height", [2, -2])
def test_a_bmp_of_four_colours(height: int) -> None:
    palette = bytes([1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 10, 11, 12, 0])
    rows = bytes([0b00011011, 0b01000000, 0, 0, 0b11111111, 0b10000000, 0, 0])
    pixels = read_photo(bmp(5, height, 2, rows, palette=palette)).pixels
    one = [[3, 2, 1], [6, 5, 4], [9, 8, 7], [12, 11, 10], [6, 5, 4]]
    other = [[12, 11, 10]] * 4 + [[9, 8, 7]]
    assert pixels.tolist() == ([other, one] if height > 0 else [one, other])


@pytest.mark.parametrize(("compression", "what"), [(3, "Huffman codes"), (4, "run lengths of 24")])
def test_what_only_os2_had(compression: int, what: str) -> None:
    info = struct.pack("<IiiHHI", 64, 8, 8, 1, 1 if compression == 3 else 24, compression)
    data = b"BM" + struct.pack("<IHHI", 200, 0, 0, 78) + info.ljust(64, b"\0") + bytes(80)
    assert f"this kind of BMP ({what}" in refusal(data)
