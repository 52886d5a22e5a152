"""The depth of a file is said as it is."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from image_files import bmp
from kinds_helpers import ALPHA, CLEAR, RAMP

from cvpire.images.reading import read_photo


def test_depth_is_said_as_it_is() -> None:
    words = np.arange(20 * 30, dtype=np.uint16).tobytes()
    for masks in ((0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F), (0xF00, 0xF0, 0xF)):
        assert read_photo(bmp(30, 20, 16, words, masks=masks, compression=3)).notes == ()
    ten = bmp(
        *(1, 1, 32, bytes(4)),
        masks=(0x3FF00000, 0xFFC00, 0x3FF),
        compression=3,
    )
    assert read_photo(ten).notes == ("Reduced from 10 to 8 bits a channel.",)


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_depth_of_avif(bits: int, channels: int) -> None:
    source = RAMP[..., 0] if channels == 1 else CLEAR[..., :channels]
    full = 2**bits - 1
    samples = np.rint(source * (full / 255)).astype(np.uint16 if bits > 8 else np.uint8)
    data = imagecodecs.avif_encode(
        samples, level=100, bitspersample=bits, pixelformat="444", speed=8
    )
    photo = read_photo(bytes(data))
    expected = np.repeat(RAMP[..., :1], 3, axis=2) if channels == 1 else RAMP
    is_seen = np.ones(RAMP.shape[:2], bool) if channels < 4 else ALPHA > 16
    assert abs(photo.pixels.astype(int) - expected)[is_seen].max() <= 4
    note = (f"Reduced from {bits} to 8 bits a channel.",) if bits > 8 else ()
    assert photo.notes == note


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("mode", ["RGB;16", "RGBA;16", "L;16", "I;16"])
def test_depth_of_heic(bits: int, mode: str) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    channels = {"RGB;16": 3, "RGBA;16": 4}.get(mode, 1)
    values = np.full((16, 16, channels), 0x8000, np.uint16)
    before = pillow_heif.options.SAVE_HDR_TO_12_BIT
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    try:
        buffer = io.BytesIO()
        try:
            file = pillow_heif.from_bytes(mode=mode, size=(16, 16), data=values.tobytes())
        except (KeyError, ValueError):
            pytest.skip(f"this pillow-heif takes no {mode}")
        file.save(buffer, quality=-1)
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = before
    photo = read_photo(buffer.getvalue())
    assert abs(photo.pixels.astype(int) - 128).max() <= 2
    assert photo.notes == (f"Reduced from {bits} to 8 bits a channel.",)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless_and_deep_jpegs(bits: int) -> None:
    samples = np.rint(RAMP[..., 0] * ((2**bits - 1) / 255)).astype(
        np.uint8 if bits == 8 else np.uint16
    )
    data = bytes(imagecodecs.ljpeg_encode(samples, bitspersample=bits))
    photo = read_photo(data)
    assert abs(photo.pixels[..., 0].astype(int) - RAMP[..., 0]).max() <= 1
    note = (f"Reduced from {bits} to 8 bits a channel.",) if bits > 8 else ()
    assert photo.notes == note


@pytest.mark.parametrize("bits", [10, 12])
def test_depth_that_only_the_stream_tells(bits: int) -> None:
    deep = np.rint(RAMP * ((2**bits - 1) / 255)).astype(np.uint16)
    data = bytes(
        imagecodecs.avif_encode(deep, level=100, bitspersample=bits, pixelformat="444", speed=8)
    )
    photo = read_photo(data.replace(b"pixi", b"free"))
    assert photo.notes == (f"Reduced from {bits} to 8 bits a channel.",)
    assert abs(photo.pixels.astype(int) - RAMP).max() <= 3
