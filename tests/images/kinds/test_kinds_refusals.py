"""What is refused or huge says so at once, and decoders print nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from image_files import bmp, chunk, png, png_of, save
from kinds_helpers import RAMP, refusal
from PIL import Image


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            b"\x89PNG\r\n\x1a\n" + chunk(b"CgBI", bytes(4)) + bytes(40),
            "PNG (Apple's own, for apps)",
        ),
        (bmp(2, 1, 0, b"\xff\xd8\xff\xe0", compression=4), "BMP (a JPEG or PNG inside)"),
        (bmp(2, 1, 0, b"\x89PNG", compression=5), "BMP (a JPEG or PNG inside)"),
    ],
)
def test_what_is_not_supported_says_so(data: bytes, words: str) -> None:
    assert f"this kind of {words} is not supported: save it as JPEG or PNG" in refusal(data)


def test_decoders_print_nothing(tmp_path: Path) -> None:
    """Also in a program that has set no logging up, where Python prints a warning's record."""
    rows = b"".join(
        b"\0" + RAMP.astype(">u2").tobytes()[y * 180 : (y + 1) * 180] for y in range(20)
    )
    long = png(30, 20, 16, 2, b"", chunk(b"IDAT", zlib.compress(rows + b"more" * 99)))
    files = {
        "long.png": long,
        "cut.tif": save(RAMP, "TIFF", compression="tiff_lzw")[:-300],
        "odd.tif": save(RAMP, "TIFF", tiffinfo={41545: b"private"}),
        "cut.jpg": save(RAMP, "JPEG")[:-40],
        "cut.webp": save(RAMP, "WEBP")[:-40],
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    code = (
        "import json, sys\nfrom cvpire.errors import PhotoError\n"
        "from cvpire.images.reading import read_photo\nsaid = {}\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n        said[path] = read_photo(path).width\n"
        "    except PhotoError as error:\n        said[path] = str(error)\n"
        "print(json.dumps(said))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *(str(tmp_path / name) for name in files)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stderr == ""
    assert json.loads(done.stdout)[str(tmp_path / "long.png")] == 30


SOME = 3_000_000


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff" * SOME,
        b"\xff\xd8" + b"\xff\xe0\0\2" * (SOME // 4),
        b"\xff\xd8\xff\xe0\0\2" + b"\xff\xd0" * (SOME // 2),
        png_of(RAMP)[:33] + chunk(b"tEXt", b"") * 1_000_001,
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"colrnclx" * (SOME // 8),
        b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + b"\0\0\0\x08free" * (SOME // 8),
    ],
    ids=["fill bytes", "empty segments", "restarts", "empty chunks", "colours", "boxes"],
)
def test_millions_of_nothing_are_refused(data: bytes) -> None:
    assert "cut off or damaged" in refusal(data)


def test_frames_are_not_counted_for_ever() -> None:
    data = save(Image.new("P", (8, 8)), "GIF")
    frame = data[data.index(b"\x2c") : -1]
    assert "an animation of more than 1000 frames" in refusal(data[:-1] + frame * 1200 + b";")
