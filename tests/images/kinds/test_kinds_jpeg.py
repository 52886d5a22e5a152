"""JPEG that is cut short, damaged or followed by other bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from image_files import save
from kinds_helpers import END_IS_MISSING, RAMP, refusal
from PIL import Image

from cvpire.errors import PhotoError
from cvpire.images.reading import read_photo

NOISE = np.random.default_rng(8).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 2}]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_without_its_end(options: dict[str, Any], mode: str) -> None:
    data = save(Image.fromarray(RAMP).convert(mode), "JPEG", quality=90, **options)
    assert data[-2:] == b"\xff\xd9"
    whole, cut = read_photo(data), read_photo(data[:-2])
    assert np.array_equal(cut.pixels, whole.pixels)
    assert END_IS_MISSING in cut.notes and END_IS_MISSING not in whole.notes


def test_a_jpeg_without_rows_is_refused() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = save(noise, "JPEG", quality=90)
    for missing in (3, 8, 50, 400, len(data) // 2):
        assert "cut off" in refusal(data[:-missing])
    assert END_IS_MISSING in read_photo(data[:-2]).notes


def test_a_jpeg_of_thousands_of_scans_takes_no_time() -> None:
    data = save(RAMP, "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    bomb = data[:start] + data[start:-2] * 3000 + data[-2:]
    assert "more than 200 scans) is not supported: save it as an ordinary JPEG" in refusal(bomb)


def test_a_progressive_jpeg_without_its_last_scans() -> None:
    data = save(NOISE, "JPEG", progressive=True, quality=90)
    scans = [at for at in range(len(data)) if data.startswith(b"\xff\xda", at)]
    assert len(scans) > 5
    for start in scans[2:]:
        assert "cut off" in refusal(data[:start])


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_half_a_jpeg_with_an_end_is_still_half(share: float) -> None:
    data = save(NOISE, "JPEG", quality=90)
    assert "cut off" in refusal(data[: int(len(data) * share)] + b"\xff\xd9")


def test_a_jpeg_that_the_strict_reader_cannot_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said of it; but whether one without its end is whole, nobody can tell then."""

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("Could not determine subsampling level of JPEG image")

    data = save(NOISE, "JPEG", quality=90)
    monkeypatch.setattr("cvpire.images.decoding.jpeg.simplejpeg.decode_jpeg", refuse)
    assert read_photo(data).notes == ()
    assert "cut off" in refusal(data[:-2])


def test_a_jpeg_with_flipped_bits_says_so() -> None:
    data = bytearray(save(NOISE, "JPEG", quality=90))
    start = data.index(b"\xff\xda") + 40
    notes: set[str] = set()
    for at in range(start, len(data) - 4, 17):
        hurt = bytearray(data)
        hurt[at] ^= 0x40
        try:
            notes.update(read_photo(bytes(hurt)).notes)
        except PhotoError:
            continue
    assert notes == {"The file is damaged in places, which the picture may show."}


@pytest.mark.parametrize("tail", [bytes(100), b"\r\n", b"\0" * 3, b"\xff"])
@pytest.mark.parametrize("progressive", [False, True])
def test_bytes_after_a_jpeg_that_has_no_end(tail: bytes, progressive: bool) -> None:
    data = save(RAMP, "JPEG", quality=90, progressive=progressive)
    photo = read_photo(data[:-2] + tail)
    assert np.array_equal(photo.pixels, read_photo(data).pixels)
    assert photo.notes == (END_IS_MISSING,)


def test_what_follows_a_jpeg_is_not_its_scans() -> None:
    data = save(RAMP, "JPEG", quality=90)
    photo = read_photo(data + b"\xff\xda\0\x08" * 5000)
    assert np.array_equal(photo.pixels, read_photo(data).pixels) and photo.notes == ()
