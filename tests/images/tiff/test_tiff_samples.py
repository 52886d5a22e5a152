"""Samples of TIFF: every depth and type of number means what TIFF 6.0 says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiff_helpers import (
    RNG,
    H,
    Tags,
    W,
    decode,
    error_of,
    full_of,
    head,
    packed,
    shares,
    tiff,
    written,
)

from cvpire.images.decoding.decoded import Model


@pytest.mark.parametrize("photometric", [0, 1], ids=["WhiteIsZero", "BlackIsZero"])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8, 9, 10, 12, 14, 15, 16, 24, 31])
def test_whole_numbers_of_any_depth(bits: int, photometric: int) -> None:
    full = 2**bits - 1
    values = [0, full, full // 3, full // 2, 1]
    strip = packed(values, bits)
    order = "<" if bits in (8, 16, 24) else ">"
    if bits in (16, 24):
        step = bits // 8
        strip = b"".join(strip[i : i + step][::-1] for i in range(0, len(strip), step))
    result = decode(tiff((head(5, 1, bits, photometric), strip), order=order))
    expected = np.array(values) / full
    expected = expected if photometric else 1 - expected
    half_step = 0.5 / full_of(result.samples)
    assert abs(shares(result.samples)[0] - expected).max() <= half_step + 1e-12
    assert result.samples.dtype == (np.uint8 if bits <= 8 else np.uint16)
    assert result.model is Model.GREY and result.samples.shape == (1, 5)
    assert result.notes == ((f"Reduced from {bits} to 8 bits a channel.",) if bits > 8 else ())


@pytest.mark.parametrize("photometric", ["miniswhite", "minisblack"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "f2", "f4", "f8"])
def test_number_types_of_both_byte_orders(dtype: str, order: str, photometric: str) -> None:
    kind = np.dtype(dtype)
    levels = np.array([[0.0, 0.25, 0.5, 0.75, 1.0]])
    full = 1 if kind.kind == "f" else int(np.iinfo(kind).max)
    stored = levels if full == 1 else [[full * quarter // 4 for quarter in range(5)]]
    values: NDArray[Any] = np.array(stored, dtype=kind)
    result = decode(written(values, photometric=photometric, byteorder=order))
    expected = levels if photometric == "minisblack" else 1 - levels
    assert abs(shares(result.samples) - expected).max() < 0.01
    assert {0.0, 1.0} <= set(shares(result.samples)[0])


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_signed_numbers_with_negatives_use_their_whole_range(bits: int) -> None:
    least = -(2 ** (bits - 1))
    values = [least, least // 2, 0, -least - 1]
    order = ">"
    strip = packed(values, bits)
    signed = {339: ("h", [2])}
    result = decode(tiff((head(4, 1, bits, 1) | signed, strip), order=order))
    assert abs(shares(result.samples)[0] - [0, 0.25, 0.5, 1]).max() < 0.004
    bright = decode(
        tiff((head(2, 1, bits, 1) | signed, packed([0, -least - 1], bits)), order=order)
    )
    assert shares(bright.samples)[0].tolist() == [0, 1]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [4, 10, 12, 14])
def test_packed_rgb(bits: int, order: str) -> None:
    """Packed samples start with their highest bit, whatever the byte order of the file."""
    values = RNG.integers(0, 2**bits, (H, W, 3))
    strip = b"".join(packed(row.ravel().tolist(), bits) for row in values)
    result = decode(tiff((head(W, H, bits, 2, 3), strip), order=order))
    assert abs(shares(result.samples) - values / (2**bits - 1)).max() < 1e-5
    assert result.model is Model.RGB
    assert len(result.notes) == (bits > 8)


@pytest.mark.parametrize(
    ("dtype", "tags", "values", "white"),
    [
        ("u2", {281: ("H", [4095])}, [0, 4095, 1024], 4095),
        ("u2", {341: ("H", [1023])}, [0, 1023, 512], 1023),
        ("u2", {281: ("H", [255])}, [0, 255, 51], 255),
        ("i2", {341: ("h", [4095])}, [0, 4095, 1024], 4095),
        ("u4", {341: ("I", [2**20 - 1])}, [0, 2**20 - 1, 2**18], 2**20 - 1),
        ("f4", {341: ("f", [4095.0])}, [0, 4095, 1024], 4095),
        ("f4", {341: ("f", [255.0])}, [0, 0.5, 1.0], 255),
        # Statistics, not depths: by the specification they do not change how a photo looks.
        ("u2", {281: ("H", [1000])}, [0, 1000, 500], 65535),
        ("u1", {281: ("H", [127])}, [0, 127, 5], 255),
        # A depth that the samples exceed is wrong.
        ("u2", {281: ("H", [4095])}, [0, 40950, 1024], 65535),
    ],
)
def test_stated_white(dtype: str, tags: Tags, values: list[float], white: float) -> None:
    kind = np.dtype("<" + dtype)
    number = {"u": 1, "i": 2, "f": 3}[kind.kind]
    tags = head(3, 1, kind.itemsize * 8, 1) | {339: ("H", [number])} | tags
    result = decode(tiff((tags, np.array(values, kind).tobytes())))
    assert abs(shares(result.samples)[0] - np.array(values) / white).max() < 0.002
    if white == 4095 and dtype != "f4":
        assert result.notes == ("Reduced from 12 to 8 bits a channel.",)


@pytest.mark.parametrize(
    ("values", "white"),
    [
        (np.array([0, 255, 7], np.uint32), 255),
        (np.array([0, 65535, 256], np.uint32), 65535),
        (np.array([0, 2**32 - 1, 2**30], np.uint32), 2**32 - 1),
        (np.array([0, 2**31 - 1, 2**29], np.int32), 2**31 - 1),
        (np.array([0, 0.5, 1], np.float16), 1),
        (np.array([0, 254.5, 2], np.float64), 255),
        (np.array([0, 60000.0, 2], np.float32), 65535),
        (np.array([0, 1.02, 0.5], np.float32), 1),  # resampling overshoots
    ],
)
def test_range_of_numbers_without_a_usual_white(values: NDArray[Any], white: float) -> None:
    result = decode(written(values[None]))
    expected = np.clip(values.astype(np.float64) / white, 0, 1)
    assert abs(shares(result.samples)[0] - expected).max() < 0.002
    assert len(result.notes) == 1


@pytest.mark.parametrize(
    "values",
    [
        np.array([0.5, np.nan], np.float32),
        np.array([0.5, np.inf], np.float16),
        np.array([0.5, -np.inf], np.float64),
        np.array([0.5, -0.5], np.float32),
        np.array([0.5, 255.5], np.float32),
        np.array([5, 65536], np.uint32),
        np.array([5, -1], np.int32),
    ],
)
def test_grey_values_that_are_no_brightness(values: NDArray[Any]) -> None:
    assert "photo.tif has grey values from" in error_of(written(values[None]))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "predictor": True}])
def test_float_rgb_is_clipped(dtype: type, options: dict[str, Any]) -> None:
    values: NDArray[Any] = RNG.random((H, W, 3)).astype(dtype)
    values[0, 0] = -0.1, 1.3, 0.5  # a colour outside sRGB's gamut, a highlight
    result = decode(written(values, photometric="rgb", **options))
    assert result.samples.dtype == np.float32
    assert abs(result.samples - np.clip(values.astype(np.float64), 0, 1)).max() < 1e-6
    bits = np.dtype(dtype).itemsize * 8
    assert result.notes == (f"Read its float{bits} values as 0 to 1 and reduced them to 8 bits.",)
    values[1, 1, 1] = np.nan
    assert "colour values from nan" in error_of(written(values, photometric="rgb"))


def test_float24() -> None:
    # Sign, 7 bits of exponent (bias 63), 16 of mantissa: 1.0, 0.5, 0.0.
    numbers = b"".join(value.to_bytes(3, "big") for value in (63 << 16, 62 << 16, 0))
    tags = head(1, 1, 24, 2, 3, t339=("H", [3, 3, 3]))
    assert decode(tiff((tags, numbers), order=">")).samples.tolist() == [[[1.0, 0.5, 0.0]]]
