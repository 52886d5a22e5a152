"""What a viewer shows of odd AVIF files: Chromium's own pixels beside ours."""

from __future__ import annotations

from typing import Any

import chromium_helpers
import imagecodecs
import numpy as np
import pytest
from chromium_helpers import CLEAR, P3_PROFILE, RAMP, Show, expect_same
from image_files import oriented_exif, save, with_nclx
from numpy.typing import NDArray

show = chromium_helpers.show


def avif(pixels: NDArray[Any], bits: int = 8) -> bytes:
    deep = np.rint(pixels * ((2**bits - 1) / 255)).astype(np.uint16 if bits > 8 else np.uint8)
    return bytes(
        imagecodecs.avif_encode(deep, level=95, speed=8, bitspersample=bits, pixelformat="444")
    )


def avif_without_colr(primaries: int, transfer: int, bits: int = 8) -> bytes:
    """An AVIF whose colours stand in the coded stream only."""
    samples = RAMP.astype(np.uint16) * 4 if bits == 10 else RAMP
    data = bytes(
        imagecodecs.avif_encode(
            *(samples, 95),
            speed=8,
            bitspersample=bits,
            pixelformat="444",
            primaries=primaries,
            transfer=transfer,
        )
    )
    assert data.count(b"colrnclx") == 1
    return data.replace(b"colrnclx", b"freenclx")


AVIFS = {
    "P3 in the stream": avif_without_colr(12, 13),
    "linear in the stream": avif_without_colr(1, 8),
    "PQ in the stream, 10 bits": avif_without_colr(9, 16, 10),
    **{
        f"nclx {p} {t}": with_nclx(avif(RAMP), p, t)
        for p, t in ((1, 1), (1, 8), (2, 2), (0, 8), (5, 5), (9, 14), (9, 16), (9, 18), (12, 13))
    },
    "10 bits": avif(RAMP, 10),
    "10 bits and alpha": avif(CLEAR, 10),
    "10 bits of grey": avif(RAMP[..., 0], 10),
    "10 bits, P3": with_nclx(avif(RAMP, 10), 12, 13),
    "10 bits, HLG": with_nclx(avif(RAMP, 10), 9, 18),
    "12 bits, PQ": with_nclx(avif(RAMP, 12), 9, 16),
    "a profile": save(RAMP, "AVIF", quality=95, icc_profile=P3_PROFILE),
    **{
        f"orientation {turn}": save(RAMP, "AVIF", quality=95, exif=oriented_exif(turn))
        for turn in range(2, 9)
    },
}


@pytest.mark.parametrize("name", AVIFS)
def test_avif(show: Show, name: str) -> None:
    expect_same(show(AVIFS[name], "avif"), AVIFS[name])
