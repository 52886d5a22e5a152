"""TIFF that is refused: kinds that are not supported, bombs and nonsense."""

from __future__ import annotations

import io
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiff_helpers import GOOD, GREY, RGB, H, W, error_of, head, page, tiff, written

NOT_SUPPORTED = "not supported: save it as"


def jp2() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "JPEG2000", irreversible=False)
    return buffer.getvalue()


def many_scans() -> bytes:
    """A grey JPEG that repeats its only scan."""
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "JPEG", progressive=True)
    jpeg = buffer.getvalue()
    at = jpeg.rindex(b"\xff\xda")
    return tiff((head(W, H, 8, 1, t259=("H", [7])), jpeg[:at] + jpeg[at:-2] * 120 + jpeg[-2:]))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (written(np.zeros((2, 2), np.complex64)), "complex numbers"),
        (written(RGB, photometric="rgb", compression="png"), "PNG compression"),
        (tiff(page(2, 2, 1, t259=("H", [50002]))), "JPEG XL compression"),
        (tiff(page(2, 2, 1, t259=("H", [34661]))), "JBIG compression"),
        (tiff(page(2, 2, 1, t259=("H", [12345]))), "compression 12345"),
        (tiff(page(2, 2, 1, t262=("H", [32845]))), "SGI LogLuv"),
        (tiff(page(2, 2, 1, t262=("H", [77]))), "photometric interpretation 77"),
        (tiff(page(2, 2, 1, t262=("H", [4]))), "a transparency mask without its photo"),
        (tiff(page(2, 2, 1, t262=("H", [2]))), "1 samples a pixel with photometric RGB"),
        (tiff(page(2, 2, 1, t258=("H", [40]))), "40-bit samples"),
        (tiff(page(2, 2, 1, t339=("H", [3]))), "8-bit samples"),
        (tiff((head(1, 1, 8, 2, 3, t258=("H", [5, 6, 5])), b"\0\0")), "samples of 5 and 6 bits"),
        (tiff((head(1, 1, 8, 5, 4, t332=("H", [2])), b"\0\0\0\0")), "inks other than CMYK"),
        (tiff((head(1, 1, 32, 8, 3), bytes(12))), "L*a*b* of 32 bits"),
        (tiff(page(2, 2, 1, t259=("H", [5]), t317=("H", [9]))), "predictor 9"),
        (tiff(page(2, 2, 1, t277=("H", [900]))), "900 samples a pixel"),
        (tiff((head(W, H, 8, 2, 3, t259=("H", [34712])), jp2())), "JPEG 2000 other than"),
        (many_scans(), "JPEG compression in more than 100 scans"),
        (
            tiff((head(8000, 7000, 64, 1, 60, t259=("H", [50000])), bytes(99))),
            "26880 MB of samples",
        ),
    ],
)
def test_kinds_that_are_not_supported_are_named(data: bytes, what: str) -> None:
    message = error_of(data)
    assert message.startswith(f"photo.tif: this kind of TIFF ({what}")
    assert f") is {NOT_SUPPORTED} JPEG or PNG and try again." in message


def test_size_is_judged_by_the_header() -> None:
    started = time.monotonic()
    message = error_of(tiff(page(2, 2, 1, t256=("I", [60_000]), t257=("I", [50_000]))))
    assert "has 60000 x 50000 pixels (3000.0 megapixels) and at most 64 megapixels" in message
    assert "at most 0.0005 megapixels" in error_of(GOOD["plain"], 500)
    assert time.monotonic() - started < 1


def bomb(compression: int, strip: bytes, channels: int = 3, **tags: Any) -> bytes:
    """A header of 7,000 x 7,000 pixels over a small strip."""
    photometric = 2 if channels == 3 else 1
    return tiff(
        (head(7000, 7000, 8, photometric, channels, t259=("H", [compression]), **tags), strip)
    )


def foreign(kind: str, **options: Any) -> bytes:
    """A file of another format, larger than the strip that it is put into."""
    buffer = io.BytesIO()
    Image.new("RGB", (3000, 3000)).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        bomb(1, bytes(1000)),
        bomb(8, bytes(1000)),
        bomb(5, bytes(1000)),
        bomb(32773, b"\x81\0" * 500),
        bomb(50000, b"\x28\xb5\x2f\xfd" + bytes(1000)),
        bomb(34925, b"\xfd7zXZ\0" + bytes(1000)),
        bomb(7, b"\xff\xd8" + bytes(1000)),
        bomb(34712, bytes(1000)),
        tiff((head(16, 16, 8, 2, 3, t259=("H", [7])), foreign("JPEG"))),
        tiff((head(16, 16, 8, 5, 4, t259=("H", [7])), foreign("JPEG"))),
        tiff((head(16, 16, 8, 2, 3, t259=("H", [34712])), foreign("JPEG2000"))),
        tiff((head(16, 16, 8, 2, 3, t259=("H", [50001])), foreign("WEBP", lossless=True))),
        tiff((head(16, 16, 8, 1, t322=("I", [1 << 30]), t323=("I", [1 << 30])), bytes(256))),
        tiff((head(60_000, 1000, 1, 1, t322=("I", [16]), t323=("I", [1])), bytes(256))),
        tiff((head(2, 2, 8, 1, t273=("I", [8] * 9), t278=("I", [0])), bytes(4))),
        tiff((head(2, 2, 8, 1, t256=("I", [0])), bytes(4))),
        tiff((head(2, 2, 8, 1, t277=("H", [0])), bytes(4))),
        tiff(page(2, 2, 1, t256=("f", [float("nan")]))),
        tiff(page(2, 2, 1, t278=("R", [[1, 0]]))),
        b"II*\0\x08\0\0\0\0\0",
        b"MM\0*",
        b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f",
    ],
)
def test_bombs_and_nonsense(data: bytes) -> None:
    started = time.monotonic()
    message = error_of(data)
    assert "is cut off or damaged" in message or NOT_SUPPORTED in message
    assert time.monotonic() - started < 10
