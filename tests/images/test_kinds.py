"""Kinds of faults that were found outside, each with its siblings: what a file means, what is said.

Orientation, colours, transparency and depth of files beside TIFF, which has its own tests; values
are numpy's or the formats' definitions.
"""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from image_files import (
    P3,
    SRGB,
    SRGB_ICC,
    bmp,
    chunk,
    cicp,
    cmyk_profile,
    gama,
    grey_profile,
    heic,
    icc,
    matrix_profile,
    oriented_exif,
    png,
    png_of,
    save,
    srgb_encode,
    with_nclx,
)
from numpy.typing import NDArray
from PIL import Image

from cvpire.errors import PhotoError
from cvpire.images.reading import read_photo

RAMP = np.zeros((20, 30, 3), np.uint8)
RAMP[..., 0] = np.linspace(0, 255, 30)[None]
RAMP[..., 1] = np.linspace(0, 255, 20)[:, None]
RAMP[..., 2] = 90
ALPHA = np.tile(np.linspace(0, 255, 30).astype(np.uint8), (20, 1))
CLEAR = np.dstack([RAMP, ALPHA])
NOISE = np.random.default_rng(8).integers(0, 256, (64, 64, 3), dtype=np.uint8)
LINEAR = srgb_encode(RAMP / 255)
P3_PROFILE = matrix_profile(P3, 1.8, b"P3")
LINEAR_PROFILE = matrix_profile(SRGB, 1.0, b"Linear")
END_IS_MISSING = "The end of the file is missing; the picture itself is whole."


def refusal(data: bytes, **limits: int) -> str:
    with pytest.raises(PhotoError) as caught:
        read_photo(data, **limits)
    return str(caught.value)


# --- colour told by other means than a profile ----------------------------------------------------


def iccp(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"x\0\0" + zlib.compress(profile))


@pytest.mark.parametrize(
    ("extras", "expected", "words"),
    [
        ([gama(1.0)], LINEAR, "Converted from gamma 1 to sRGB."),
        ([cicp(1, 8)], LINEAR, "Converted from BT.709 (linear) to sRGB."),
        ([iccp(LINEAR_PROFILE)], LINEAR, "Converted from the colour profile 'Linear' to sRGB."),
        ([cicp(1, 8), iccp(P3_PROFILE)], LINEAR, "Converted from BT.709 (linear) to sRGB."),
        ([chunk(b"sRGB", b"\0"), gama(1.0)], RAMP, ""),
        ([cicp(1, 13), iccp(LINEAR_PROFILE), gama(1.0)], RAMP, ""),
        ([gama(1 / 2.2)], RAMP, ""),
    ],
)
def test_png_says_its_colours_in_order(
    extras: list[bytes], expected: NDArray[Any], words: str
) -> None:
    photo = read_photo(png_of(RAMP, *extras))
    assert abs(photo.pixels - expected).max() <= 2
    assert photo.notes == ((words,) if words else ())


@pytest.mark.parametrize("kind", ["avif", "heic"])
def test_nclx_of_video_pictures(kind: str) -> None:
    flat = np.full((16, 16, 3), (200, 90, 30), np.uint8)
    if kind == "avif":
        plain = save(flat, "AVIF", quality=100, subsampling="4:4:4")
        wide = with_nclx(plain, 12, 13)
    else:
        pillow_heif = pytest.importorskip("pillow_heif")
        plain, wide = heic(flat), _heic_of(pillow_heif, flat, color_primaries=12)
    # Linear light of P3 to that of sRGB, both D65.
    matrix = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])
    stored = read_photo(plain).pixels[0, 0] / 255
    light = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    photo = read_photo(wide)
    assert abs(photo.pixels[0, 0] - srgb_encode(matrix @ light)).max() <= 2
    assert photo.notes == ("Converted from Display P3 to sRGB.",)


def _heic_of(pillow_heif: Any, pixels: NDArray[np.uint8], **nclx: int) -> bytes:
    buffer = io.BytesIO()
    options: dict[str, Any] = {
        "color_primaries": 1,
        "transfer_characteristics": 13,
        "full_range_flag": 1,
        **nclx,
    }
    file = pillow_heif.from_pillow(Image.fromarray(pixels))
    file.save(buffer, quality=-1, chroma=444, matrix_coefficients=0, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_said(transfer: int, name: str) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    files = [
        png_of(RAMP, cicp(9, transfer)),
        png_of(CLEAR.astype(np.uint16) * 257, cicp(9, transfer)),
        with_nclx(save(RAMP, "AVIF"), 9, transfer),
        _heic_of(pillow_heif, RAMP, color_primaries=9, transfer_characteristics=transfer),
    ]
    for data in files:
        photo = read_photo(data)
        assert photo.notes[-1] == f"Converted from HDR ({name}, BT.2020) to sRGB."


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "BMP"])
def test_a_profile_goes_before_other_means(kind: str) -> None:
    flat = np.full((16, 16, 3), (60, 200, 90), np.uint8)
    if kind == "BMP":
        rows = flat[..., ::-1].tobytes()
        data = bmp(16, 16, 24, rows, header=124, color_space=b"DEBM", profile=LINEAR_PROFILE)
    else:
        data = save(flat, kind, icc_profile=LINEAR_PROFILE, quality=100)
    if kind == "AVIF":
        data = with_nclx(data, 12, 13) if b"colrnclx" in data else data
    expected = srgb_encode(np.array([60, 200, 90]) / 255)
    assert abs(read_photo(data).pixels[8, 8] - expected).max() <= 3
    assert read_photo(data).notes == ("Converted from the colour profile 'Linear' to sRGB.",)


# --- profiles of another kind of picture ----------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_grey_photo_takes_an_rgb_profile(kind: str) -> None:
    grey = np.tile(np.arange(0, 240, 8, dtype=np.uint8), (20, 1))
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100}
    photo = read_photo(save(grey, kind, icc_profile=LINEAR_PROFILE, **options))
    stored = read_photo(save(grey, kind, **options)).pixels
    assert abs(photo.pixels - srgb_encode(stored / 255)).max() <= 2
    assert photo.notes == ("Converted from the colour profile 'Linear' to sRGB.",)


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (grey_profile(1.0), "is for grey pictures, which this one is not, and was ignored"),
        (cmyk_profile(0), "is for CMYK pictures, which this one is not, and was ignored"),
        (
            icc(b"link", b"RGB ", b"RGB ", b"Link", {}),
            "is not one that describes a picture's colours",
        ),
        (
            icc(b"nmcl", b"RGB ", b"XYZ ", b"Inks", {}),
            "is not one that describes a picture's colours",
        ),
        (SRGB_ICC[:300], "is damaged and was ignored"),
    ],
)
def test_why_a_profile_is_not_used(profile: bytes, words: str) -> None:
    for kind in ("PNG", "JPEG"):
        photo = read_photo(save(RAMP, kind, icc_profile=profile, quality=100))
        assert np.array_equal(photo.pixels, read_photo(save(RAMP, kind, quality=100)).pixels)
        assert len(photo.notes) == 1 and words in photo.notes[0]


# --- orientation: EXIF's only ---------------------------------------------------------------------

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def _png_with_xmp() -> bytes:
    return png_of(RAMP, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))


@pytest.mark.parametrize(
    "make",
    [
        _png_with_xmp,
        lambda: save(RAMP, "JPEG", xmp=XMP),
        lambda: save(RAMP, "WEBP", xmp=XMP, lossless=True),
        lambda: save(RAMP, "AVIF", xmp=XMP),
        lambda: save(RAMP, "TIFF", tiffinfo={700: XMP}),
        # The encoder itself obeys XMP, so it is told of none.
        lambda: heic(RAMP, xmp=XMP.replace(b'"6"', b'"1"')).replace(
            b'Orientation="1"', b'Orientation="6"'
        ),
    ],
    ids=["png", "jpeg", "webp", "avif", "tiff", "heic"],
)
def test_orientation_in_xmp_turns_nothing(make: Callable[[], bytes]) -> None:
    data = make()
    assert b'Orientation="6"' in data
    photo = read_photo(data)
    assert photo.pixels.shape == RAMP.shape and photo.notes == ()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_counts_beside_xmp_and_is_said(kind: str) -> None:
    options: dict[str, Any] = {} if kind in ("PNG", "TIFF") else {"xmp": XMP}
    photo = read_photo(save(RAMP, kind, exif=oriented_exif(3), **options))
    assert photo.pixels.shape == RAMP.shape
    assert photo.notes == ("Turned upright as its EXIF orientation says.",)


# --- transparency ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pixels", "key", "alpha"),
    [
        ([[[257, 2, 3], [258, 2, 3], [1, 2, 3]]], (257, 2, 3), [0, 255, 255]),
        ([[[0, 0, 255], [0, 0, 256], [0, 0, 511]]], (0, 0, 256), [255, 0, 255]),
        ([[[65535] * 3, [65534] * 3, [65280] * 3]], (65535,) * 3, [0, 255, 255]),
        ([[257, 258, 1]], (257,), [0, 255, 255]),
    ],
)
def test_a_clear_colour_of_16_bits_is_compared_in_16(
    pixels: list[Any], key: tuple[int, ...], alpha: list[int]
) -> None:
    trns = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    photo = read_photo(png_of(np.array(pixels, np.uint16), trns))
    assert photo.alpha is not None and photo.alpha[0].tolist() == alpha


@pytest.mark.parametrize(
    ("bits", "masks", "word", "expected"),
    [
        (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), 0x80C81E0A, (200, 30, 10, 128)),
        (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000), 0x800A1EC8, (200, 30, 10, 128)),
        (16, (0xF00, 0xF0, 0xF, 0xF000), 0x8F31, (255, 51, 17, 136)),
        (16, (0x7C00, 0x3E0, 0x1F, 0x8000), 0x7C1F, (255, 0, 255, 0)),
        (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000), 0x7FF00000, (255, 0, 0, 85)),
    ],
)
@pytest.mark.parametrize("header", [56, 108, 124])
def test_alpha_of_bmp(
    header: int, bits: int, masks: tuple[int, ...], word: int, expected: tuple[int, ...]
) -> None:
    row = word.to_bytes(bits // 8, "little") * 2
    photo = read_photo(bmp(2, 1, bits, row, masks=masks, compression=3, header=header))
    assert photo.alpha is not None
    assert (*photo.pixels[0, 1].tolist(), int(photo.alpha[0, 1])) == expected


def test_bmp_without_an_alpha_mask_is_opaque() -> None:
    row = bytes([10, 30, 200, 0]) * 2
    for data in (
        bmp(2, 1, 32, row),
        bmp(2, 1, 32, row, masks=(0xFF0000, 0xFF00, 0xFF), compression=3),
        bmp(2, 1, 32, row, header=124),
    ):
        photo = read_photo(data)
        assert photo.alpha is None and photo.pixels[0, 1].tolist() == [200, 30, 10]


@pytest.mark.parametrize(
    ("screen", "at"), [((50, 40), (0, 0)), ((50, 40), (13, 7)), ((30, 25), (0, 5))]
)
def test_gif_is_clear_where_its_picture_is_not(
    screen: tuple[int, int], at: tuple[int, int]
) -> None:
    data = bytearray(save(Image.fromarray(RAMP).quantize(64), "GIF"))
    whole = read_photo(bytes(data))
    assert whole.alpha is None
    data[6:10] = struct.pack("<HH", *screen)
    place = data.index(b"\x2c\0\0\0\0") + 1
    data[place : place + 4] = struct.pack("<HH", *at)
    photo = read_photo(bytes(data))
    covered = (slice(at[1], at[1] + 20), slice(at[0], at[0] + 30))
    expected = np.zeros(screen[::-1], np.uint8)
    expected[covered] = 255
    assert photo.alpha is not None and np.array_equal(photo.alpha, expected)
    assert np.array_equal(photo.pixels[covered], whole.pixels)


def test_alpha_of_deep_and_of_premultiplied_pictures() -> None:
    deep = np.dstack([RAMP, ALPHA]).astype(np.uint16) * 257
    photo = read_photo(png_of(deep))
    assert photo.alpha is not None and np.array_equal(photo.alpha, ALPHA)
    ten = np.rint(CLEAR * (1023 / 255)).astype(np.uint16)
    encoded = imagecodecs.avif_encode(ten, level=100, bitspersample=10, pixelformat="444", speed=8)
    photo = read_photo(bytes(encoded))
    assert photo.alpha is not None and abs(photo.alpha.astype(int) - ALPHA).max() <= 2
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(CLEAR)).save(
        buffer, quality=-1, chroma=444, matrix_coefficients=0
    )
    photo = read_photo(buffer.getvalue())
    assert photo.alpha is not None and abs(photo.alpha.astype(int) - ALPHA).max() <= 2


# --- notes ----------------------------------------------------------------------------------------


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


# --- damaged only where it is ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"pHYs", b"tIME", b"eXIf"])
def test_a_bad_checksum_beside_the_picture(kind: bytes) -> None:
    part = chunk(kind, b"some\0\0content")[:-4] + b"\0\1\2\3"
    photo = read_photo(png_of(RAMP, part))
    assert np.array_equal(photo.pixels, RAMP)
    assert photo.notes == (
        f"A part of the file beside the picture ({kind.decode()}) is damaged and was ignored.",
    )


def test_a_bad_checksum_of_a_whole_picture() -> None:
    data = png_of(RAMP)
    at = data.index(b"IEND") - 8
    photo = read_photo(data[:at] + b"\0\1\2\3" + data[at + 4 :])
    assert np.array_equal(photo.pixels, RAMP)
    assert photo.notes == ("A checksum of the file is wrong; the picture itself is whole.",)


def test_a_picture_that_is_damaged_is_refused() -> None:
    data = png_of(RAMP)
    idat = data.index(b"IDAT") + 4
    for at, words in ((idat + 20, "damaged"), (idat + 3, "damaged"), (18, "damaged")):
        hurt = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        assert words in refusal(hurt)


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
def test_text_of_any_length(kind: bytes) -> None:
    text = np.random.default_rng(0).bytes(1_500_000)
    content = {
        b"tEXt": b"k\0" + text,
        b"zTXt": b"k\0\0" + zlib.compress(text),
        b"iTXt": b"k\0\1\0\0\0" + zlib.compress(text),
    }[kind]
    photo = read_photo(png_of(RAMP, chunk(kind, content)))
    assert np.array_equal(photo.pixels, RAMP) and photo.notes == ()


def test_a_profile_of_any_length() -> None:
    padding = b"data\0\0\0\0" + np.random.default_rng(0).bytes(1_500_000)
    primaries = {tag: data for tag, data in _matrix_tags()}
    profile = icc(b"mntr", b"RGB ", b"XYZ ", b"Long", {**primaries, b"priv": padding})
    photo = read_photo(png_of(RAMP, iccp(profile)))
    assert abs(photo.pixels - LINEAR).max() <= 2
    assert photo.notes == ("Converted from the colour profile 'Long' to sRGB.",)


def _matrix_tags() -> list[tuple[bytes, bytes]]:
    from image_files import gamma_curve, xyz

    columns = [(name, xyz(*SRGB[:, i])) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
    return columns + [(name, gamma_curve(1.0)) for name in (b"rTRC", b"gTRC", b"bTRC")]


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


def test_a_png_without_its_end() -> None:
    data = png_of(RAMP)
    # The end marker has 12 bytes; before it are two checksums of 4, and then the pixels.
    for missing in (1, 4, 12, 14, 16, 18, 20):
        photo = read_photo(data[:-missing])
        assert np.array_equal(photo.pixels, RAMP) and photo.notes == (END_IS_MISSING,)
    for missing in (60, 200):
        assert "cut off" in refusal(data[:-missing])


@pytest.mark.parametrize(("width", "bits"), [(3, 24), (1, 16), (3, 8), (2, 24)])
def test_a_bmp_without_the_padding_of_its_last_row(width: int, bits: int) -> None:
    stride = (width * bits + 31) // 32 * 4
    padding = stride - width * bits // 8
    palette = bytes(range(256)) * 4 if bits == 8 else b""
    rows = np.arange(1, 2 * stride + 1, dtype=np.uint8).tobytes()
    whole = bmp(width, 2, bits, rows, palette=palette)
    expected = read_photo(whole).pixels
    for missing in range(1, padding + 1):
        assert np.array_equal(read_photo(whole[:-missing]).pixels, expected)
    assert "cut off" in refusal(whole[: -padding - 1])


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


def test_a_jpeg_of_thousands_of_scans_takes_no_time() -> None:
    data = save(RAMP, "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    bomb = data[:start] + data[start:-2] * 3000 + data[-2:]
    assert "more than 200 scans) is not supported: save it as an ordinary JPEG" in refusal(bomb)


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


# --- further siblings, found by trying ------------------------------------------------------------


def test_heic_with_multiplied_colours() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    multiplied = np.rint(RAMP * (ALPHA[..., None] / 255)).astype(np.uint8)
    file = pillow_heif.from_bytes(
        mode="RGBa", size=(30, 20), data=np.dstack([multiplied, ALPHA]).tobytes()
    )
    buffer = io.BytesIO()
    file.save(buffer, quality=-1, chroma=444, matrix_coefficients=0)
    photo = read_photo(buffer.getvalue())
    assert photo.alpha is not None and abs(photo.alpha.astype(int) - ALPHA).max() <= 2
    is_seen = ALPHA > 100
    assert abs(photo.pixels.astype(int) - RAMP)[is_seen].max() <= 4


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_a_grey_avif_takes_a_grey_profile(bits: int, with_alpha: bool) -> None:
    grey = np.dstack([RAMP[..., 0], ALPHA]) if with_alpha else RAMP[..., 0]
    deep = np.rint(grey * ((2**bits - 1) / 255)).astype(np.uint16 if bits > 8 else np.uint8)
    plain = bytes(imagecodecs.avif_encode(deep, level=100, bitspersample=bits, speed=8))
    photo = read_photo(with_profile(plain, grey_profile(1.0)))
    assert photo.notes[-1] == "Converted from the colour profile 'Grey' to sRGB."
    assert abs(photo.pixels - LINEAR[..., :1]).max() <= 6
    assert (photo.alpha is not None) == with_alpha


def with_profile(avif: bytes, profile: bytes) -> bytes:
    """An AVIF whose first colr box holds a profile."""
    at = avif.index(b"colrnclx") - 4
    (size,) = struct.unpack_from(">I", avif, at)
    box = struct.pack(">I", 12 + len(profile)) + b"colrprof" + profile
    grown = len(box) - size
    data = bytearray(avif)
    for parent in (b"ipco", b"iprp", b"meta"):
        place = avif.index(parent) - 4
        struct.pack_into(">I", data, place, struct.unpack_from(">I", avif, place)[0] + grown)
    place, start = avif.index(b"iloc"), avif.index(b"mdat")
    (length,) = struct.unpack_from(">I", avif, place - 4)
    for offset in range(place, place + length - 7):
        (value,) = struct.unpack_from(">I", avif, offset)
        if start < value < len(avif):
            struct.pack_into(">I", data, offset, value + grown)
    return bytes(data[:at]) + box + bytes(data[at + size :])


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


def _with_segments(data: bytes, *segments: bytes) -> bytes:
    return data[:2] + b"".join(segments) + data[2:]


def _icc_part(number: int, count: int, content: bytes) -> bytes:
    body = b"ICC_PROFILE\0" + bytes([number, count]) + content
    return b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body


def test_parts_of_a_profile_in_a_jpeg() -> None:
    data = save(RAMP, "JPEG", quality=100, subsampling=0)
    half = len(LINEAR_PROFILE) // 2
    first, second = LINEAR_PROFILE[:half], LINEAR_PROFILE[half:]
    applied = "Converted from the colour profile 'Linear' to sRGB."
    ignored = "Its colour profile is damaged and was ignored."
    for parts, note in [
        ([(1, 2, first), (2, 2, second)], applied),
        ([(2, 2, second), (1, 2, first)], applied),
        ([(1, 1, LINEAR_PROFILE), (1, 1, LINEAR_PROFILE)], applied),
        ([(1, 2, first)], ignored),
        ([(2, 2, second)], ignored),
        ([(0, 1, LINEAR_PROFILE)], ignored),
    ]:
        photo = read_photo(_with_segments(data, *(_icc_part(*part) for part in parts)))
        assert photo.notes == (note,), parts


@pytest.mark.parametrize("bits", [8, 12])
def test_rare_jpegs_are_turned_and_converted(bits: int) -> None:
    samples = np.rint(RAMP[..., 0] * ((2**bits - 1) / 255)).astype(
        np.uint8 if bits == 8 else np.uint16
    )
    data = bytes(imagecodecs.ljpeg_encode(samples, bitspersample=bits))
    exif = b"Exif\0\0" + oriented_exif(6).tobytes().removeprefix(b"Exif\0\0")
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    photo = read_photo(_with_segments(data, segment, _icc_part(1, 1, LINEAR_PROFILE)))
    expected = np.rot90(LINEAR[..., 0], -1)
    assert photo.pixels.shape == (30, 20, 3)
    assert abs(photo.pixels[..., 0] - expected).max() <= 2
    assert "Turned upright as its EXIF orientation says." in photo.notes
    assert "cut off" in refusal(data[:-2])


@pytest.mark.parametrize("header", [108, 124])
def test_an_alpha_mask_in_a_bmp_of_plain_words(header: int) -> None:
    row = bytes([10, 30, 200, 64, 10, 30, 200, 255])
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    photo = read_photo(bmp(2, 1, 32, row, masks=masks, header=header))
    assert photo.pixels[0].tolist() == [[200, 30, 10]] * 2
    assert photo.alpha is not None and photo.alpha.tolist() == [[64, 255]]


@pytest.mark.parametrize("length", [16, 24, 36, 42, 46, 48, 60])
def test_a_bmp_whose_header_is_cut_short_or_longer(length: int) -> None:
    whole = bmp(3, 1, 24, bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0]))
    header = whole[14:54].ljust(64, b"\0")[:length]
    header = struct.pack("<I", length) + header[4:]
    rows = whole[54:]
    start = struct.pack("<I", 14 + length)
    data = whole[:10] + start + header + rows
    assert read_photo(data).pixels.tolist() == [[[3, 2, 1], [6, 5, 4], [9, 8, 7]]]


def test_a_bmp_that_is_calibrated_says_what_was_passed_over() -> None:
    row = bytes([10, 30, 200, 0])
    said = ("Its header's own primaries and gamma were passed over, as browsers do.",)
    for space, gammas, notes in (
        (bytes(4), (2.2,) * 3, said),
        (bytes(4), (0.0,) * 3, ()),
        (b"BGRs", (2.2,) * 3, ()),
        (b" niW", (2.2,) * 3, ()),
    ):
        data = bmp(1, 1, 24, row, header=108, color_space=space, gammas=gammas)
        photo = read_photo(data)
        assert photo.pixels.tolist() == [[[200, 30, 10]]] and photo.notes == notes


@pytest.mark.parametrize("height", [2, -2])
def test_a_bmp_of_four_colours(height: int) -> None:
    palette = bytes([1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 10, 11, 12, 0])
    rows = bytes([0b00011011, 0b01000000, 0, 0, 0b11111111, 0b10000000, 0, 0])
    pixels = read_photo(bmp(5, height, 2, rows, palette=palette)).pixels
    one = [[3, 2, 1], [6, 5, 4], [9, 8, 7], [12, 11, 10], [6, 5, 4]]
    other = [[12, 11, 10]] * 4 + [[9, 8, 7]]
    assert pixels.tolist() == ([other, one] if height > 0 else [one, other])


@pytest.mark.parametrize(("compression", "what"), [(3, "Huffman codes"), (4, "run lengths of 24")])
def test_what_only_os2_had(compression: int, what: str) -> None:
    info = struct.pack("<IiiHHI", 64, 8, 8, 1, 1 if compression == 3 else 24, compression)
    data = b"BM" + struct.pack("<IHHI", 200, 0, 0, 78) + info.ljust(64, b"\0") + bytes(80)
    assert f"this kind of BMP ({what}" in refusal(data)


@pytest.mark.parametrize("profile", [grey_profile(1.0), cmyk_profile(0)])
def test_beside_a_profile_of_another_model_nothing_counts(profile: bytes) -> None:
    photo = read_photo(png_of(RAMP, iccp(profile), gama(1.0)))
    assert np.array_equal(photo.pixels, RAMP) and len(photo.notes) == 1


@pytest.mark.parametrize(
    "extra", [cicp(1, 8), gama(1.0), iccp(LINEAR_PROFILE), chunk(b"acTL", struct.pack(">II", 4, 0))]
)
def test_what_a_png_says_too_late(extra: bytes) -> None:
    data = png_of(RAMP)
    photo = read_photo(data[:-12] + extra + data[-12:])
    assert np.array_equal(photo.pixels, RAMP) and photo.notes == ()


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("interlace", [0, 1])
def test_a_png_whose_own_checksum_is_wrong(depth: int, interlace: int) -> None:
    pixels = RAMP if depth == 8 else RAMP.astype(np.uint16) * 257
    data = png_of(pixels)
    if interlace:
        data = _interlaced(pixels)
    at, length = data.index(b"IDAT") + 4, int.from_bytes(data[data.index(b"IDAT") - 4 :][:4], "big")
    packed = data[at : at + length - 4] + b"\0\1\2\3"
    hurt = data[: at - 8] + chunk(b"IDAT", packed) + data[at + length + 4 :]
    photo = read_photo(hurt)
    assert np.array_equal(photo.pixels, RAMP)
    assert "A checksum of the file is wrong; the picture itself is whole." in photo.notes


def _interlaced(pixels: NDArray[Any]) -> bytes:
    """Adam7 by hand."""
    kind = ">u2" if pixels.dtype == np.uint16 else "u1"
    rows = b""
    for left, top, across, down in (
        *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
        *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
    ):
        for line in pixels[top::down, left::across].astype(kind):
            rows += b"\0" + line.tobytes()
    header = struct.pack(">IIBBBBB", 30, 20, 8 * pixels.dtype.itemsize, 2, 0, 0, 1)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("codes", [(0, 0), (3, 3), (200, 13), (1, 255)])
def test_reserved_code_points_cost_no_heic(codes: tuple[int, int]) -> None:
    plain = heic(RAMP)
    at = plain.index(b"colrnclx") + 8
    photo = read_photo(plain[:at] + struct.pack(">HH", *codes) + plain[at + 4 :])
    assert np.array_equal(photo.pixels, read_photo(plain).pixels)


@pytest.mark.parametrize("kind", ["avif", "heic"])
@pytest.mark.parametrize("turn", [2, 3, 6])
def test_a_turn_of_the_files_own_is_said_as_that(kind: str, turn: int) -> None:
    exif = oriented_exif(turn)
    data = save(RAMP, "AVIF", exif=exif) if kind == "avif" else heic(RAMP, exif=exif.tobytes())
    assert read_photo(data).notes == ("Turned upright as its own turn (irot or imir) says.",)


@pytest.mark.parametrize("bits", [10, 12])
def test_depth_that_only_the_stream_tells(bits: int) -> None:
    deep = np.rint(RAMP * ((2**bits - 1) / 255)).astype(np.uint16)
    data = bytes(
        imagecodecs.avif_encode(deep, level=100, bitspersample=bits, pixelformat="444", speed=8)
    )
    photo = read_photo(data.replace(b"pixi", b"free"))
    assert photo.notes == (f"Reduced from {bits} to 8 bits a channel.",)
    assert abs(photo.pixels.astype(int) - RAMP).max() <= 3


# --- nothing on standard error --------------------------------------------------------------------


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
        cwd=Path(__file__).parents[2],
    )
    assert done.stderr == ""
    assert json.loads(done.stdout)[str(tmp_path / "long.png")] == 30


# --- large files of nothing -----------------------------------------------------------------------

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
