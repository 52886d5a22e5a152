"""TIFF of several pages: copies, masks, photos and raw files."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from tiff_helpers import Tags, decode, error_of, page, tiff

REDUCED, OLD_REDUCED = {"t254": ("I", [1])}, {"t255": ("H", [2])}
MASK = {"t254": ("I", [4])}


@pytest.mark.parametrize(
    "pages",
    [
        [page(40, 30, 7), page(40, 30, 9, **REDUCED)],
        [page(40, 30, 7), page(13, 30, 9, **OLD_REDUCED)],
        [page(40, 30, 7), page(40, 30, 9, **MASK), page(20, 15, 9, **REDUCED)],
        [page(40, 30, 7), page(20, 15, 9), page(10, 8, 9), page(5, 4, 9)],
        [page(800, 600, 7), page(160, 160, 9)],  # a thumbnail with bars
        [page(20, 15, 9, **REDUCED), page(40, 30, 7)],
        [page(20, 15, 9), page(40, 30, 7)],
    ],
)
@pytest.mark.parametrize("big", [False, True])
def test_copies_and_masks_are_left_out(pages: list[tuple[Tags, bytes]], big: bool) -> None:
    result = decode(tiff(*pages, big=big))
    assert (result.samples == 7).all()
    assert result.notes == ("Its smaller copies or masks on other pages were left out.",)


@pytest.mark.parametrize(
    "pages",
    [
        [page(40, 30, 7), page(40, 30, 9)],
        [page(40, 30, 7), page(38, 28, 9)],
        [page(800, 600, 7), page(400, 600, 9)],
        [page(800, 600, 7), page(400, 400, 9)],
        [page(40, 30, 7, t254=("I", [2])), page(40, 30, 9, t254=("I", [2]))],
        [page(2, 2, 7)] + [page(1, 1, 7, **REDUCED)] * 70,
    ],
)
def test_several_photos_are_refused(pages: list[tuple[Tags, bytes]]) -> None:
    assert "has several pages" in error_of(tiff(*pages))


def test_a_loop_or_a_broken_second_page_leaves_the_first() -> None:
    data = bytearray(tiff(page(40, 30, 7)))
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    for following in (first, len(data) + 9, len(data) - 3, 5):
        struct.pack_into("<I", data, first + 2 + 12 * count, following)
        assert (decode(bytes(data)).samples == 7).all()


@pytest.mark.parametrize(
    "tags",
    [
        {"t50706": ("B", [1, 4, 0, 0])},
        {"t262": ("H", [32803])},
        {"t262": ("H", [34892])},
        {"t259": ("H", [34713])},
    ],
)
def test_raw_files(tags: dict[str, Any]) -> None:
    assert "raw file" in error_of(tiff(page(40, 30, 7, **tags)))


def test_raw_file_whose_sensor_is_in_a_subdirectory() -> None:
    sensor = tiff(page(80, 60, 7, t262=("H", [32803])))
    (at,) = struct.unpack_from("<I", sensor, 4)
    shift = 20_000  # behind the file that points to it
    moved = bytearray(shift) + sensor
    outer = tiff(page(40, 30, 7, t330=("I", [shift + at])))
    moved[: len(outer)] = outer
    # What the tags of the inner file point to is elsewhere now; those that count are in place.
    assert "raw file" in error_of(bytes(moved))
    pyramid = bytearray(shift) + tiff(page(20, 15, 7))
    (at,) = struct.unpack_from("<I", pyramid, shift + 4)
    outer = tiff(page(40, 30, 7, t330=("I", [shift + at])))
    pyramid[: len(outer)] = outer
    assert (decode(bytes(pyramid)).samples == 7).all()
