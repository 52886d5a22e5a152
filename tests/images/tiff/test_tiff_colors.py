"""Colours and transparency of TIFF: palettes, CMYK, YCbCr, Lab and alpha."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tiff_helpers import (
    GREY,
    RGB,
    RNG,
    H,
    Tags,
    W,
    decode,
    error_of,
    head,
    packed,
    shares,
    tiff,
    written,
)

from cvpire.images.decoding.decoded import Model


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
