"""TIFF that is cut off or damaged, and files of public reports."""

from __future__ import annotations

import io
import logging
import random
import struct
import time
from pathlib import Path
from typing import Any

import fuzz
import numpy as np
import pytest
import tifffile
from PIL import Image
from tiff_helpers import DEEP, GOOD, decode, error_of, shares, written

from cvpire.errors import PhotoError


@pytest.mark.parametrize("kind", GOOD)
def test_cut_off_files(kind: str) -> None:
    data = GOOD[kind]
    whole = decode(data)
    for share in (0.03, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95):
        message = error_of(data[: int(len(data) * share)])
        assert "is cut off or damaged" in message
    for missing in range(1, 25):
        try:
            assert np.array_equal(decode(data[:-missing]).samples, whole.samples)
        except PhotoError:
            continue


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("where", ["in the middle", "in the checksum", "its end is missing"])
def test_a_deflated_strip_that_does_not_end_well_is_no_picture(where: str, tiled: bool) -> None:
    options: dict[str, Any] = {"tile": (16, 16)} if tiled else {}
    data = bytearray(written(DEEP, compression="zlib", predictor=2, **options))
    offset, count = first_segment(bytes(data))
    if where == "its end is missing":
        data[offset + count - 4 : offset + count] = bytes(4)
    else:
        data[offset + (count // 2 if where == "in the middle" else count - 1)] ^= 0x55
    assert "is cut off or damaged" in error_of(bytes(data))


@pytest.mark.parametrize("number", [359, 480, 645, 1972])
def test_what_memory_held_before_is_no_picture(number: int) -> None:
    """libtiff takes these for whole, and the picture was another one in each process."""
    assert "is cut off or damaged" in error_of(
        fuzz.damaged("tiff of 16 bits", number, fuzz.good_files())
    )


def first_segment(data: bytes) -> tuple[int, int]:
    """Offset and bytes of the first strip or tile."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        return page.dataoffsets[0], page.databytecounts[0]


def test_what_is_read_is_silent(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for data in GOOD.values():
        decode(data)
        for cut in (len(data) // 3, len(data) - 40):
            for start in (10, len(data) // 2):
                for version in (data[:cut], data[:start] + bytes(30) + data[start + 30 :]):
                    try:
                        decode(version)
                    except PhotoError:
                        continue
    assert capfd.readouterr() == ("", "") and caplog.records == []
    logging.getLogger("tifffile").warning("others are still heard")
    assert len(caplog.records) == 1


def test_random_damage_gives_a_picture_or_a_photo_error() -> None:
    dice = random.Random(3)
    outcomes = {"photo": 0, "error": 0}
    files = list(GOOD.values())
    for trial in range(600):
        data = bytearray(files[trial % len(files)])
        (first,) = struct.unpack_from("<I" if data[:2] == b"II" else ">I", data, 4)
        start = 0 if trial % 3 == 0 or first > len(data) else first
        end = len(data) if trial % 3 == 0 else min(len(data), start + 220)
        for _ in range(dice.randint(1, 5)):
            data[dice.randrange(start, end)] = dice.choice([0, 1, 127, 255, dice.randrange(256)])
        if trial % 5 == 0:
            other = files[dice.randrange(len(files))]
            at, of = dice.randrange(len(data)), dice.randrange(len(other))
            data[at : at + 90] = other[of : of + 90]
        started = time.monotonic()
        try:
            result = decode(bytes(data), 1_000_000)
        except PhotoError:
            outcomes["error"] += 1
        else:
            shares(result.samples)
            outcomes["photo"] += 1
        assert time.monotonic() - started < 10
    assert min(outcomes.values()) > 60


def test_files_of_public_reports(shared: Path) -> None:
    folder = shared / "cases"
    if not folder.is_dir():
        pytest.skip("the folder of odd photos, ../shared/cases, is not on this machine")
    results = {path.name: decode(path.read_bytes()) for path in folder.glob("*.tif")}
    assert len(results) >= 5
    expected = np.array(Image.open(folder / "tiff_miniswhite_u16le.tif.expected.png").convert("L"))
    shown = results["tiff_miniswhite_u16le.tif"].samples >> 8
    assert abs(shown.astype(int) - expected).max() <= 1
    for name, result in results.items():
        assert result.samples.shape[:2] == (128, 192), name
        assert (result.alpha is not None) == ("greya16" in name)
        assert result.encoding is None, name
