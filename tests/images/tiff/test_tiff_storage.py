"""How TIFF stores its samples: compressions, strips, tiles and planes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tiff_helpers import (
    DEEP,
    FLAT,
    GREY,
    RGB,
    H,
    W,
    by_pillow,
    decode,
    error_of,
    head,
    tiff,
    written,
)

COMPRESSIONS = ["none", "packbits", "lzw", "zlib", "adobe_deflate", "zstd", "lzma"]


@pytest.mark.parametrize("layout", [{}, {"rowsperstrip": 5}, {"tile": (16, 32)}])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_lossless_storage(compression: str, layout: dict[str, Any], planar: str) -> None:
    pictures: tuple[NDArray[Any], ...] = RGB, DEEP
    for index, values in enumerate(pictures):
        array = values if planar == "contig" else np.moveaxis(values, 2, 0)
        data = written(
            array,
            photometric="rgb",
            planarconfig=planar,
            compression=compression,
            predictor=index == 1 and compression not in ("none", "packbits"),
            byteorder="<>"[index],
            bigtiff=index == 0,
            **layout,
        )
        result = decode(data)
        assert np.array_equal(result.samples, values) and result.alpha is None
        assert result.samples.flags.c_contiguous


@pytest.mark.parametrize("compression", ["tiff_ccitt", "group3", "group4"])
def test_fax(compression: str) -> None:
    bits = Image.fromarray(GREY > 127)
    result = decode(by_pillow(bits, compression=compression))
    assert np.array_equal(result.samples, np.where(GREY > 127, 255, 0))


def test_lowest_bit_first() -> None:
    tags = head(8, 1, 1, 1, t266=("H", [2]))
    assert decode(tiff((tags, b"\x01"))).samples.tolist() == [[255, 0, 0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize("channels", [3, 4])
def test_webp(channels: int) -> None:
    values = np.dstack([RGB, GREY | 1])[..., :channels]
    lossless = {"lossless": True}
    data = written(values, photometric="rgb", compression="webp", compressionargs=lossless)
    result = decode(data)
    assert np.array_equal(result.samples, RGB)
    if channels == 4:
        assert result.alpha is not None and np.array_equal(result.alpha, GREY | 1)


def test_jpeg_2000() -> None:
    pictures: tuple[NDArray[Any], ...] = RGB, DEEP, GREY
    for values in pictures:
        data = written(values, compression="jpeg2000", tile=(16, 16))
        assert np.array_equal(decode(data).samples, values)


@pytest.mark.parametrize(
    "options",
    [
        {"photometric": "rgb"},
        {"photometric": "rgb", "tile": (16, 16)},
        {
            "photometric": "rgb",
            "subsampling": (2, 2),
            "compressionargs": {"outcolorspace": "ycbcr"},
        },
        {"photometric": "separated"},
        {"photometric": "rgb", "planarconfig": "separate"},
        {"photometric": "minisblack"},
    ],
)
def test_jpeg(options: dict[str, Any]) -> None:
    values: NDArray[Any] = np.tile(FLAT[0, 0], (32, 48, 1))
    if options["photometric"] == "separated":
        values = np.dstack([values, values[..., :1]])
    elif options["photometric"] == "minisblack":
        values = values[..., 0]
    stored = np.moveaxis(values, 2, 0) if "planarconfig" in options else values
    result = decode(written(stored, compression="jpeg", **options))
    assert abs(result.samples.astype(int) - values).max() <= 2
    assert result.model.value == {"separated": "CMYK", "minisblack": "grey"}.get(
        options["photometric"], "RGB"
    )


def test_jpeg_by_pillow_and_old_style() -> None:
    assert (
        abs(decode(by_pillow(Image.fromarray(FLAT), compression="jpeg")).samples - 0.0 - FLAT).max()
        <= 2
    )
    buffer = io.BytesIO()
    Image.fromarray(FLAT).save(buffer, "JPEG", quality=95)
    jpeg = buffer.getvalue()
    old = head(W, H, 8, 6, 3, t259=("H", [6]), t513=("I", [8]), t514=("I", [len(jpeg)]))
    assert abs(decode(tiff((old, jpeg))).samples.astype(int) - FLAT).max() <= 2
    without = {tag: value for tag, value in old.items() if tag not in (513, 514)}
    assert "old-style JPEG" in error_of(tiff((without, jpeg)))
