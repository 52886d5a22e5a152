"""What a viewer shows of odd GIF, JPEG, WebP and BMP files: Chromium's own pixels beside ours."""

from __future__ import annotations

import chromium_helpers
import numpy as np
import pytest
from chromium_helpers import CLEAR, P3_PROFILE, RAMP, Show, expect_same
from image_files import bmp, grey_profile, save
from PIL import Image

show = chromium_helpers.show


def gif_on_screen(left: int, top: int, width: int, height: int) -> bytes:
    """A GIF whose picture lies somewhere on a screen."""
    data = bytearray(save(Image.fromarray(RAMP).quantize(64), "GIF"))
    data[6:10] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    at = data.index(b"\x2c\0\0\0\0") + 1
    data[at : at + 4] = left.to_bytes(2, "little") + top.to_bytes(2, "little")
    return bytes(data)


WORDS = np.random.default_rng(5).integers(0, 2**32, (40, 60), dtype=np.uint32)
HALVES = WORDS.astype(np.uint16)
MASKS = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
BGR = RAMP[::-1, :, ::-1].tobytes()
P3_XYZ = (0.5151, 0.2412, -0.0011, 0.292, 0.6922, 0.0419, 0.1571, 0.0666, 0.7841)
OTHERS: dict[str, tuple[str, bytes]] = {
    "GIF": ("gif", save(Image.fromarray(RAMP).quantize(64), "GIF")),
    "GIF, one colour clear": (
        "gif",
        save(Image.fromarray(RAMP).quantize(64), "GIF", transparency=3),
    ),
    "GIF in a corner of its screen": ("gif", gif_on_screen(5, 7, 90, 70)),
    "GIF beyond its screen": ("gif", gif_on_screen(30, 7, 60, 40)),
    "GIF without its end": ("gif", save(Image.fromarray(RAMP).quantize(64), "GIF")[:-1]),
    "BMP 5-6-5": (
        "bmp",
        bmp(60, 40, 16, HALVES.tobytes(), compression=3, masks=(0xF800, 0x7E0, 0x1F)),
    ),
    "BMP 5-5-5": ("bmp", bmp(60, 40, 16, HALVES.tobytes())),
    "BMP 4-4-4-4, downwards": (
        "bmp",
        bmp(
            *(60, -40, 16, HALVES.tobytes()),
            compression=3,
            masks=(0xF00, 0xF0, 0xF, 0xF000),
            header=108,
        ),
    ),
    "BMP 1-5-5-5": (
        "bmp",
        bmp(
            *(60, 40, 16, HALVES.tobytes()),
            compression=3,
            masks=(0x7C00, 0x3E0, 0x1F, 0x8000),
            header=124,
        ),
    ),
    "BMP 10-10-10-2": (
        "bmp",
        bmp(
            *(60, 40, 32, (WORDS | 0xC0000000).tobytes()),
            compression=3,
            masks=(0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000),
            header=108,
        ),
    ),
    **{
        f"BMP with alpha, header {header}": (
            "bmp",
            bmp(60, 40, 32, WORDS.tobytes(), compression=3, masks=MASKS, header=header),
        )
        for header in (56, 108, 124)
    },
    "BMP with alpha masks after the header": (
        "bmp",
        bmp(60, 40, 32, WORDS.tobytes(), compression=6, masks=MASKS),
    ),
    "BMP of 32 bits without masks": ("bmp", bmp(60, 40, 32, WORDS.tobytes())),
    "BMP, red and blue exchanged": (
        "bmp",
        bmp(60, 40, 32, WORDS.tobytes(), compression=3, masks=(0xFF, 0xFF00, 0xFF0000)),
    ),
    "BMP with a profile": (
        "bmp",
        bmp(60, 40, 24, BGR, header=124, color_space=b"DEBM", profile=P3_PROFILE),
    ),
    "BMP with a linked profile": (
        "bmp",
        bmp(60, 40, 24, BGR, header=124, color_space=b"KNIL", profile=b"c:\\p.icc\0"),
    ),
    "BMP, calibrated": (
        "bmp",
        bmp(
            *(60, 40, 24, BGR),
            header=108,
            color_space=bytes(4),
            endpoints=P3_XYZ,
            gammas=(1.0,) * 3,
        ),
    ),
    "JPEG, grey, grey profile": (
        "jpeg",
        save(RAMP[..., 0], "JPEG", quality=95, icc_profile=grey_profile(1.0)),
    ),
    "JPEG, grey, RGB profile": (
        "jpeg",
        save(RAMP[..., 0], "JPEG", quality=95, icc_profile=P3_PROFILE),
    ),
    "JPEG, RGB, grey profile": (
        "jpeg",
        save(RAMP, "JPEG", quality=95, icc_profile=grey_profile(1.0)),
    ),
    "JPEG, CMYK": ("jpeg", save(Image.fromarray(RAMP).convert("CMYK"), "JPEG", quality=95)),
    "JPEG, progressive, without its end": (
        "jpeg",
        save(RAMP, "JPEG", quality=95, progressive=True)[:-2],
    ),
    "WebP, profile and alpha": ("webp", save(CLEAR, "WEBP", lossless=True, icc_profile=P3_PROFILE)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_kinds(show: Show, name: str) -> None:
    kind, data = OTHERS[name]
    expect_same(show(data, kind), data)
