"""TIFF: every kind of sample means what TIFF 6.0 says; files are made by tifffile or by hand."""

from __future__ import annotations

import io
import logging
import random
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from cvpire.errors import PhotoError
from cvpire.images.decoding.decoded import Decoded, Model
from cvpire.images.decoding.tiff.decoding import decode_tiff
from cvpire.images.reading import read_photo

RNG = np.random.default_rng(21)
H, W = 18, 35
RGB = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (H, W, 3), dtype=np.uint16)
GREY = RGB[..., 0].copy()
FLAT = np.full((H, W, 3), (200, 90, 30), np.uint8)
NOT_SUPPORTED = "not supported: save it as"

Tags = dict[int, tuple[str, Any]]
_KINDS = {
    "B": (1, 1),
    "H": (3, 2),
    "I": (4, 4),
    "R": (5, 8),
    "h": (8, 2),
    "f": (11, 4),
    "Q": (16, 8),
}


def decode(data: bytes, max_pixels: int = 64_000_000) -> Decoded:
    return decode_tiff("photo.tif", data, max_pixels)


def error_of(data: bytes, max_pixels: int = 64_000_000) -> str:
    with pytest.raises(PhotoError) as caught:
        decode(data, max_pixels)
    message = str(caught.value)
    assert message.startswith("photo.tif") and "\n" not in message
    return message


def written(array: NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, metadata=None, **options)
    return buffer.getvalue()


def by_pillow(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", **options)
    return buffer.getvalue()


def tiff(*pages: tuple[Tags, bytes], order: str = "<", big: bool = False) -> bytes:
    """A TIFF by hand: for each page its tags, without those of its only strip, and the strip.

    A tag is (code, values), with the code of a kind above; "R" takes (numerator, denominator).
    """
    inline, code, head = (8, "Q", 16) if big else (4, "I", 8)
    file = bytearray(head)
    file[:2] = b"II" if order == "<" else b"MM"
    file[2:4] = struct.pack(order + "H", 43 if big else 42)
    if big:
        file[4:8] = struct.pack(order + "HH", 8, 0)
    link = head - inline
    for tags, strip in pages:
        at = len(file)
        file += strip + bytes(-len(strip) % 2)
        ours: Tags = {273: ("Q" if big else "I", [at]), 279: ("I", [len(strip)])}
        fields = sorted((ours | tags).items())
        struct.pack_into(order + code, file, link, len(file))
        entries, values = b"", b""
        after = len(file) + (8 if big else 2) + len(fields) * (20 if big else 12) + inline
        for tag, (letter, given) in fields:
            kind, _ = _KINDS[letter]
            items = list(np.ravel(given).tolist())
            count = len(items) // (2 if letter == "R" else 1)
            raw = struct.pack(f"{order}{len(items)}{'I' if letter == 'R' else letter}", *items)
            if len(raw) > inline:
                place = struct.pack(order + code, after + len(values))
                values += raw + bytes(len(raw) % 2)
            else:
                place = raw.ljust(inline, b"\0")
            entries += struct.pack(order + "HH" + code, tag, kind, count) + place
        file += struct.pack(order + ("Q" if big else "H"), len(fields)) + entries
        link = len(file)
        file += bytes(inline) + values
    return bytes(file)


def head(
    width: int, height: int, bits: int, photometric: int, channels: int = 1, **more: Any
) -> Tags:
    tags: Tags = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [bits] * channels),
        259: ("H", [1]),
        262: ("H", [photometric]),
        277: ("H", [channels]),
        278: ("I", [height]),
    }
    return tags | {int(tag[1:]): value for tag, value in more.items()}


def packed(values: list[int], bits: int) -> bytes:
    """One row of whole numbers, the first in the highest bits, filled up to a byte."""
    text = "".join(format(value & ((1 << bits) - 1), f"0{bits}b") for value in values)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))


def full_of(samples: NDArray[Any]) -> float:
    return 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)


def shares(samples: NDArray[Any]) -> NDArray[np.float64]:
    assert samples.dtype in (np.uint8, np.uint16, np.float32)
    return samples.astype(np.float64) / full_of(samples)


# --- depths and number types --------------------------------------------------------------------


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


# --- storage ------------------------------------------------------------------------------------

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


# --- colours ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 4, 8, 16])
def test_palette(bits: int) -> None:
    size = 1 << bits
    table = RNG.integers(0, 256, (3, size))
    indices = RNG.integers(0, size, 7).tolist()
    strip = packed(indices, bits)
    for factor in (1, 256, 257):  # old 8-bit maps, and two ways to write 16 bits
        map_tag: Tags = {320: ("H", (table * factor).ravel().tolist())}
        result = decode(tiff((head(7, 1, bits, 3) | map_tag, strip), order=">"))
        assert result.samples[0].tolist() == table.T[indices].tolist()
        assert result.model is Model.RGB and result.notes == ()
    assert "cut off" in error_of(
        tiff((head(7, 1, bits, 3, t320=("H", [5, 6, 7])), strip), order=">")
    )


def test_cmyk_with_and_without_alpha() -> None:
    inks = RNG.integers(0, 256, (H, W, 5), dtype=np.uint8)
    plain = decode(written(np.ascontiguousarray(inks[..., :4]), photometric="separated"))
    assert plain.model is Model.CMYK and np.array_equal(plain.samples, inks[..., :4])
    clear = decode(written(inks, photometric="separated", extrasamples=["unassalpha"]))
    assert np.array_equal(clear.samples, inks[..., :4])
    assert clear.alpha is not None and np.array_equal(clear.alpha, inks[..., 4])
    deep = decode(written(inks[..., :4].astype(np.uint16) * 257, photometric="separated"))
    assert deep.model is Model.CMYK and np.array_equal(deep.samples, inks[..., :4] * np.uint16(257))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", [1, 2])
def test_ycbcr_by_its_definition(bits: int, planar: int) -> None:
    """TIFF 6.0, section 21, with BT.709's luma and the codes of studio video."""
    luma = np.array([0.2126, 0.7152, 0.0722])
    unit = 2 ** (bits - 8)
    reference = np.array([15, 235, 128, 240, 128, 240]) * unit
    rgb = RNG.random((H, W, 3))
    y = rgb @ luma
    cb, cr = (rgb[..., 2] - y) / (2 - 2 * luma[2]), (rgb[..., 0] - y) / (2 - 2 * luma[0])
    low, high = reference[::2], reference[1::2]
    full = np.array([1, 127 / 255, 127 / 255]) if bits == 8 else np.array([1, 0.5, 0.5])
    codes = np.stack([y, cb, cr], axis=-1) / full * (high - low) + low
    stored = np.clip(np.rint(codes), 0, 2**bits - 1).astype(f"<u{bits // 8}")
    strip = (stored if planar == 1 else np.moveaxis(stored, 2, 0)).tobytes()
    tags = head(
        W,
        H,
        bits,
        6,
        3,
        t530=("H", [1, 1]),
        t529=("R", [[2126, 10000], [7152, 10000], [722, 10000]]),
        t532=("R", [[int(value), 1] for value in reference]),
        t284=("H", [planar]),
    )
    data = tiff((tags, strip))
    if planar == 2:  # three strips
        size = len(strip) // 3
        tags |= {273: ("I", [8, 8 + size, 8 + 2 * size]), 279: ("I", [size] * 3)}
        data = tiff((tags, strip))
    # Chroma is clipped in 8 bits where it is strongest.
    inside = (abs(cb) < 0.48) & (abs(cr) < 0.48)
    difference = abs(shares(decode(data).samples) - rgb)[inside]
    assert difference.max() < (0.011 if bits == 8 else 0.001)


@pytest.mark.parametrize(("across", "down"), [(2, 2), (2, 1), (4, 4), (1, 2), (4, 1)])
@pytest.mark.parametrize("compression", [1, 8])
def test_subsampled_ycbcr(across: int, down: int, compression: int) -> None:
    """Blocks of luma with one chroma each, in two strips, of a size that blocks do not divide."""
    ycbcr = np.array(Image.fromarray(RGB).convert("YCbCr"))
    ycbcr = ycbcr[::down, ::across].repeat(down, axis=0).repeat(across, axis=1)[:H, :W]
    ycbcr[..., 0] = GREY // 2 + 60
    ycbcr[..., 1:] = ycbcr[..., 1:] // 8 + 112
    padded = np.pad(ycbcr, ((0, -H % down), (0, -W % across), (0, 0)), mode="edge")
    strips = []
    for rows in (padded[:12], padded[12:]):
        blocks = b""
        for y in range(0, len(rows), down):
            for x in range(0, rows.shape[1], across):
                block = rows[y : y + down, x : x + across]
                blocks += block[..., 0].tobytes() + block[0, 0, 1:].tobytes()
        strips.append(zlib.compress(blocks) if compression == 8 else blocks)
    first, second = map(len, strips)
    tags = head(W, H, 8, 6, 3, t530=("H", [across, down]), t278=("I", [12]))
    tags |= {259: ("H", [compression]), 273: ("I", [8, 8 + first]), 279: ("I", [first, second])}
    data = tiff((tags, b"".join(strips)))
    expected = np.array(Image.fromarray(ycbcr, "YCbCr").convert("RGB"))
    assert abs(decode(data).samples.astype(int) - expected).max() <= 2
    assert "cut off" in error_of(data[: len(data) // 2])


def lab_of(codes: NDArray[Any]) -> NDArray[np.float64]:
    """ICC's encoding, version 4, to L*, a*, b*."""
    share = shares(codes)
    return np.stack(
        [100 * share[..., 0], 255 * share[..., 1] - 128, 255 * share[..., 2] - 128], axis=-1
    )


LAB = np.array([[[0, 0, 0], [100, 0, 0], [50, -100, 100], [25.4, 12, -70], [80, 127, -128]]])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("photometric", [8, 9, 10])
def test_lab(photometric: int, bits: int) -> None:
    lightness, a, b = np.moveaxis(LAB, -1, 0)
    unit = 1 if bits == 8 else 256
    full = 2**bits - 1
    if photometric == 8:  # signed a* and b*
        codes = np.stack([lightness / 100 * full, a * unit, b * unit], axis=-1)
    elif photometric == 9:  # ICC: offset by 128, and in 16 bits 100 is 0xFF00
        white = 255 * unit
        codes = np.stack([lightness / 100 * white, (a + 128) * unit, (b + 128) * unit], axis=-1)
    else:  # ITU-T T.42
        in_range = [
            lightness / 100 * full,
            (a + 21760 / 255) / 170 * full,
            (b + 19200 / 255) / 200 * full,
        ]
        codes = np.clip(np.stack(in_range, axis=-1), 0, full)
    stored = np.rint(codes).astype(int) & full
    strip = stored.astype(f"<u{bits // 8}").tobytes()
    result = decode(tiff((head(5, 1, bits, photometric, 3), strip)))
    assert result.model is Model.LAB
    inside = np.array([0, 1, 3]) if photometric == 10 else np.arange(5)
    difference = abs(lab_of(result.samples)[:, inside] - LAB[:, inside])
    assert difference.max() < (0.9 if bits == 8 else 0.01)


# --- transparency -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("colours", [1, 3])
def test_alpha(colours: int, dtype: type) -> None:
    full = 1 if dtype is np.float32 else np.iinfo(dtype).max
    straight: NDArray[Any] = (RNG.random((H, W, colours)) * full).astype(dtype)
    alpha: NDArray[Any] = (RNG.random((H, W)) * full).astype(dtype)
    alpha[0, 0], alpha[0, 1] = 0, full
    kind = "minisblack" if colours == 1 else "rgb"
    options: dict[str, Any] = {"photometric": kind, "planarconfig": "contig"}
    result = decode(written(np.dstack([straight, alpha]), extrasamples=["unassalpha"], **options))
    assert np.array_equal(result.samples.reshape(straight.shape), straight)
    assert result.alpha is not None and np.array_equal(result.alpha, alpha)
    scaled = straight * (alpha[..., None] / full)
    multiplied: NDArray[Any] = (np.rint(scaled) if full > 1 else scaled).astype(dtype)
    result = decode(written(np.dstack([multiplied, alpha]), extrasamples=["assocalpha"], **options))
    assert result.alpha is not None and np.array_equal(result.alpha, alpha)
    visible = alpha > full / 8
    difference = abs(shares(result.samples).reshape(straight.shape) - straight / full)[visible]
    assert difference.max() < (0.02 if dtype is np.uint8 else 0.001)


def test_unspecified_extra_samples_are_no_transparency() -> None:
    for extra in (1, 2):
        values = np.dstack([RGB] + [GREY] * extra)
        data = written(values, photometric="rgb", extrasamples=["unspecified"] * extra)
        result = decode(data)
        assert np.array_equal(result.samples, RGB) and result.alpha is None
        assert len(result.notes) == 1 and "extra channels" in result.notes[0]
    both = np.dstack([RGB, 255 - GREY, GREY])
    result = decode(written(both, photometric="rgb", extrasamples=["unspecified", "unassalpha"]))
    assert result.alpha is not None and np.array_equal(result.alpha, GREY)


def test_missing_tag_of_one_extra_sample() -> None:
    strip = bytes([10, 20, 30, 128])
    result = decode(tiff((head(1, 1, 8, 2, 4), strip)))
    assert result.alpha is not None and result.alpha.tolist() == [[128]]


# --- colour tags, orientation, profile ----------------------------------------------------------

P3 = [[680, 1000], [320, 1000], [265, 1000], [690, 1000], [150, 1000], [60, 1000]]
SRGB = [[640, 1000], [330, 1000], [300, 1000], [600, 1000], [150, 1000], [60, 1000]]
D65, D50 = [[3127, 10000], [3290, 10000]], [[3457, 10000], [3585, 10000]]


def coloured(strip: bytes = bytes([10, 128, 250]), **tags: Any) -> Decoded:
    return decode(tiff((head(1, 1, 8, 2, 3, **tags), strip)))


def test_primaries_and_white() -> None:
    encoding = coloured(t319=("R", P3), t318=("R", D50)).encoding
    assert encoding is not None and encoding.name == "TIFF's colour tags"
    assert encoding.green == (0.265, 0.69) and encoding.white == (0.3457, 0.3585)
    levels = np.array([0.0, 0.04, 0.5, 1.0])
    srgb = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    assert abs(encoding.to_linear(levels) - srgb).max() < 1e-9
    assert coloured(t319=("R", P3)).encoding is not None
    assert coloured(t318=("R", D50)).encoding is not None


def test_tags_that_say_srgb() -> None:
    # GIMP writes these numbers, whatever the photo.
    gimp = [[10492471, 33554432], [689963, 2097152]]
    levels = np.arange(256) / 255
    curve = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    table = np.rint(curve * 65535).astype(int).tolist()
    for tags in (
        {"t319": ("R", SRGB), "t318": ("R", D65)},
        {"t318": ("R", gimp)},
        {"t301": ("H", table)},
        {"t301": ("H", table * 3)},
    ):
        result = coloured(**tags)
        assert result.encoding is None and result.notes == ()


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("exponent", [1.0, 1.8, 2.6])
def test_transfer_function(exponent: float, times: int) -> None:
    table = np.rint((np.arange(256) / 255) ** exponent * 65535).astype(int).tolist()
    result = coloured(t301=("H", table * times))
    assert result.encoding is not None and result.samples.tolist() == [[[10, 128, 250]]]
    values = np.array([0.0, 51 / 255, 1.0])
    assert abs(result.encoding.to_linear(values) - values**exponent).max() < 1e-4
    grey = decode(tiff((head(1, 1, 8, 1, t301=("H", table)), b"\x80")))
    assert grey.encoding is not None
    # By stored values: where 0 is white, the table falls.
    white = decode(tiff((head(1, 1, 8, 0, t301=("H", table[::-1])), b"\x33"))).encoding
    assert white is not None and abs(white.to_linear(values) - values**exponent).max() < 1e-4


def test_transfer_functions_that_differ_between_channels() -> None:
    levels = np.arange(256) / 255
    tables = [np.rint(levels**exponent * 65535).astype(int) for exponent in (1.0, 1.8, 2.6)]
    result = coloured(t301=("H", np.concatenate(tables).tolist()))
    linear = np.array([10, 128, 250]) / 255
    linear = linear ** [1.0, 1.8, 2.6]
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert result.encoding is None and len(result.notes) == 1
    assert abs(shares(result.samples)[0, 0] - expected).max() < 1e-4


@pytest.mark.parametrize(
    "tags",
    [
        {"t319": ("R", [[1, 3]] * 6)},  # on one point
        {"t318": ("R", [[1, 0], [1, 3]])},
        {"t318": ("f", [float("inf"), 0.3])},
        {"t318": ("R", [[9, 10], [5, 100]])},  # no mixture of the primaries
        {"t319": ("R", P3[:4])},
        {"t301": ("H", [0, 1, 2])},
        {"t301": ("H", [0] * 256)},
    ],
)
def test_damaged_colour_tags_do_not_cost_the_photo(tags: dict[str, Any]) -> None:
    result = coloured(**tags)
    assert result.encoding is None and result.samples.tolist() == [[[10, 128, 250]]]
    assert result.notes == ("Its colour tags are damaged and were ignored.",)


def test_profile_goes_before_tags() -> None:
    result = coloured(t319=("R", P3), t34675=("B", list(b"a profile")))
    assert result.profile == b"a profile" and result.encoding is None


def test_reference_black_and_white_of_rgb() -> None:
    studio = [[16, 1], [235, 1]] * 3
    samples = coloured(bytes([16, 235, 126]), t532=("R", studio)).samples
    assert samples.tolist() == [[[0, 255, round(110 / 219 * 255)]]]
    uneven = [[0, 1], [255, 1], [20, 1], [220, 1], [0, 1], [255, 1]]
    assert coloured(bytes([20, 20, 20]), t532=("R", uneven)).samples.tolist() == [[[20, 0, 20]]]
    for usual in ([[0, 1], [255, 1]] * 3, [[0, 1], [15, 1]] * 3, [[9, 1], [3, 1]] * 3):
        assert coloured(t532=("R", usual)).samples.tolist() == [[[10, 128, 250]]]


@pytest.mark.parametrize("orientation", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_orientation_is_told_and_not_applied(orientation: int) -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    tags = head(2, 1, 8, 1, t274=("H", [orientation]), t700=("B", list(xmp)))
    result = decode(tiff((tags, b"\x05\x09")))
    assert result.orientation == (orientation if 1 <= orientation <= 8 else 1)
    assert result.samples.tolist() == [[5, 9]]
    del tags[274]
    assert decode(tiff((tags, b"\x05\x09"))).orientation == 1


def test_photos_of_tiffs_as_a_user_gets_them() -> None:
    """Through the steps that all formats share: 8 bits, sRGB, upright, with notes."""
    row = np.array([[0, 40_000, 65_535]], "<u2")
    tags = head(3, 1, 16, 0, t274=("H", [6]))
    photo = read_photo(tiff((tags, row.tobytes())))
    assert photo.pixels[..., 0].tolist() == [[255], [(65_535 - 40_000) >> 8], [0]]
    turned, reduced = photo.notes
    assert "upright" in turned and reduced == "Reduced from 16 to 8 bits a channel."
    wide = head(2, 1, 8, 2, 3, t319=("R", P3), t318=("R", D65))
    photo = read_photo(tiff((wide, bytes([60, 200, 90, 255, 255, 255]))))
    # Display P3 to sRGB, by the matrix of their definitions (W3C, CSS Color 4).
    matrix = np.array(
        [
            [1.2249401763, -0.2249401763, 0.0],
            [-0.0420569547, 1.0420569547, 0.0],
            [-0.0196375546, -0.0786360456, 1.0982736001],
        ]
    )
    levels = np.array([60, 200, 90]) / 255
    linear = matrix @ ((levels + 0.055) / 1.055) ** 2.4
    expected = 255 * (1.055 * np.clip(linear, 0.0031308, 1) ** (1 / 2.4) - 0.055)
    expected[linear < 0.0031308] = 255 * 12.92 * np.clip(linear[linear < 0.0031308], 0, 1)
    assert abs(photo.pixels[0, 0] - expected).max() <= 1
    assert photo.pixels[0, 1].tolist() == [255, 255, 255]
    assert photo.notes == ("Converted from TIFF's colour tags to sRGB.",)


# --- pages --------------------------------------------------------------------------------------


def page(width: int, height: int, value: int, **tags: Any) -> tuple[Tags, bytes]:
    return head(width, height, 8, 1, **tags), bytes([value]) * (width * height)


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


# --- what is refused ----------------------------------------------------------------------------


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


GOOD = {
    "plain": written(RGB, photometric="rgb"),
    "strips": written(DEEP, photometric="rgb", rowsperstrip=4, byteorder=">"),
    "lzw": written(RGB, photometric="rgb", compression="lzw", predictor=True),
    "deflate tiles": written(RGB, photometric="rgb", compression="zlib", tile=(16, 16)),
    "packbits": written(FLAT, photometric="rgb", compression="packbits"),
    "zstd": written(DEEP, photometric="rgb", compression="zstd"),
    "lzma": written(GREY, compression="lzma"),
    "webp": written(RGB, photometric="rgb", compression="webp"),
    "jpeg": written(RGB, photometric="rgb", compression="jpeg", rowsperstrip=8),
    "jpeg cmyk": written(np.dstack([RGB, GREY]), photometric="separated", compression="jpeg"),
    "jpeg 2000": written(RGB, photometric="rgb", compression="jpeg2000"),
    "float": written(
        DEEP / np.float32(65535), photometric="rgb", compression="zlib", predictor=True
    ),
    "big": written(RGB, photometric="rgb", bigtiff=True, compression="zlib"),
    "fax": by_pillow(Image.fromarray(GREY > 127), compression="group4"),
    "palette": by_pillow(Image.fromarray(RGB).quantize(32)),
    "ycbcr": by_pillow(Image.fromarray(RGB).convert("YCbCr"), compression="tiff_lzw"),
    "alpha": written(
        np.dstack([DEEP, DEEP[..., :1]]), photometric="rgb", extrasamples=["assocalpha"]
    ),
}


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


# --- real files ---------------------------------------------------------------------------------


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
