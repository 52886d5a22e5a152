"""Every odd file is made here; expectations come from numpy or from the formats' definitions."""

import errno
import io
import os
import random
import struct
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_files import (
    P3,
    SRGB,
    SRGB_ICC,
    chunk,
    cmyk_profile,
    grey_profile,
    heic,
    matrix_profile,
    oriented_exif,
    png,
    save,
    srgb_encode,
)
from numpy.typing import NDArray
from PIL import Image, ImageFile, PngImagePlugin

from cvpire.errors import PhotoError
from cvpire.images.photo import Photo, encode_png, preview, write_bytes
from cvpire.images.reading import read_photo

RNG = np.random.default_rng(7)
NOISE = RNG.integers(0, 256, (21, 34, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (21, 34), dtype=np.uint8)
GREY = NOISE[..., 0].copy()
WIDE = RNG.integers(0, 65536, (9, 11), dtype=np.uint16)


def png_chunks(data: bytes) -> list[bytes]:
    kinds, at = [], 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kinds.append(data[at + 4 : at + 8])
        at += length + 12
    assert at == len(data)
    return kinds


def turned(array: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """EXIF 2.32, tag 274: which sides of the shown picture row 0 and column 0 of the stored are."""
    turns: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, 1),
    }
    return turns[orientation](array)


def error_of(source: str | Path | bytes, **limits: int) -> str:
    with pytest.raises(PhotoError) as caught:
        read_photo(source, **limits)
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message and "Traceback" not in message
    return message


# --- formats and orientation --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_lossless_formats_give_the_very_pixels(kind: str, options: dict[str, Any]) -> None:
    result = read_photo(save(NOISE, kind, **options))
    assert (result.pixels == NOISE).all() and result.alpha is None and result.notes == ()
    assert (result.height, result.width) == (21, 34)


def test_jpeg_avif_and_heic_are_read() -> None:
    smooth = np.full((16, 24, 3), (200, 90, 30), np.uint8)
    for data in (save(smooth, "JPEG"), save(smooth, "AVIF"), heic(smooth)):
        pixels = read_photo(data).pixels
        assert pixels.shape == smooth.shape and abs(pixels.astype(int) - smooth).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_orientation_is_applied_once(kind: str, orientation: int) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    stored = read_photo(save(NOISE, kind, **options)).pixels
    result = read_photo(save(NOISE, kind, exif=oriented_exif(orientation), **options))
    assert np.array_equal(result.pixels, turned(stored, orientation))
    assert bool(result.notes) == (orientation != 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "make", [lambda **o: save(NOISE, "AVIF", **o), lambda **o: heic(NOISE, **o)]
)
def test_orientation_of_avif_and_heic(make: Callable[..., bytes], orientation: int) -> None:
    stored = read_photo(make()).pixels
    result = read_photo(make(exif=oriented_exif(orientation).tobytes())).pixels
    assert np.array_equal(result, turned(stored, orientation))


def test_alpha_is_turned_with_the_pixels() -> None:
    data = save(np.dstack([NOISE, ALPHA]), "PNG", exif=oriented_exif(6))
    result = read_photo(data)
    assert result.alpha is not None and np.array_equal(result.alpha, np.rot90(ALPHA, -1))


def test_exif_after_the_pixels_of_a_png_counts() -> None:
    data = save(NOISE, "PNG")
    exif = chunk(b"eXIf", oriented_exif(3).tobytes().removeprefix(b"Exif\0\0"))
    result = read_photo(data[:-12] + exif + data[-12:])
    assert np.array_equal(result.pixels, NOISE[::-1, ::-1])


def test_damaged_exif_does_not_cost_the_photo() -> None:
    data = save(NOISE, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f broken")
    assert (read_photo(data).pixels == NOISE).all()


def test_first_picture_of_a_jpeg_with_two() -> None:
    two = save(NOISE, "MPO", save_all=True, append_images=[Image.fromarray(255 - NOISE)])
    assert np.array_equal(read_photo(two).pixels, read_photo(save(NOISE, "JPEG")).pixels)


# --- depths and modes ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_sixteen_bit_grey_is_shifted(mode: str) -> None:
    image = Image.frombytes(mode, (11, 9), WIDE.astype(">u2" if "B" in mode else "<u2").tobytes())
    for kind in ("TIFF", "PNG"):
        result = read_photo(save(image, kind))
        assert (result.pixels == (WIDE >> 8)[..., None]).all()
        assert result.notes == ("Reduced from 16 to 8 bits a channel.",)


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_sixteen_bit_colour_and_alpha(colour: int, channels: int) -> None:
    values = RNG.integers(0, 65536, (5, 7, channels), dtype=np.uint16)
    result = read_photo(png(7, 5, 16, colour, values.astype(">u2").tobytes()))
    high = (values >> 8).astype(np.uint8)
    colours = channels - (channels in (2, 4))
    assert (result.pixels == high[..., :colours]).all()
    if colours < channels:
        assert result.alpha is not None and (result.alpha == high[..., -1]).all()
    assert result.notes == ("Reduced from 16 to 8 bits a channel.",)


def test_ten_bit_heic_is_noted() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    deep = pillow_heif.from_bytes(mode="RGB;16", size=(16, 16), data=bytes(16 * 16 * 6))
    buffer = io.BytesIO()
    deep.save(buffer)
    assert read_photo(buffer.getvalue()).notes == ("Reduced from 10 to 8 bits a channel.",)


def test_main_picture_of_a_heic_with_two_but_no_sequence() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    two = pillow_heif.from_pillow(Image.fromarray(NOISE))
    two.add_from_pillow(Image.fromarray(255 - NOISE))
    buffer = io.BytesIO()
    two.save(buffer, quality=-1, chroma=444, matrix_coefficients=0)
    data = buffer.getvalue()
    assert np.array_equal(read_photo(data).pixels, read_photo(heic(NOISE)).pixels)
    assert "an animation of 2 frames" in error_of(data[:8] + b"msf1" + data[12:])


def test_twelve_bit_grey_is_not_too_dark() -> None:
    tags = {256: 2, 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 3}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    strip = bytes([0xFF, 0xF8, 0x00])  # 0xfff, 0x800
    data = b"II*\0" + struct.pack("<I", 12) + strip + b"\0"
    result = read_photo(data + struct.pack("<H", len(tags)) + entries + bytes(4))
    assert result.pixels[0, :, 0].tolist() == [255, 128]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 255], [7, 9]], np.int32), [[0, 255], [7, 9]]),
        (np.array([[0, 65535], [512, 256]], np.int32), [[0, 255], [2, 1]]),
        (np.array([[0, 1], [0.5, 0.25]], np.float32), [[0, 255], [128, 64]]),
        (np.array([[0, 254.6], [2, 1]], np.float32), [[0, 255], [2, 1]]),
    ],
)
def test_grey_of_unknown_range(values: NDArray[Any], expected: list[list[int]]) -> None:
    result = read_photo(save(values, "TIFF"))
    assert result.pixels[..., 1].tolist() == expected and len(result.notes) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -0.5, 255.5])
def test_values_that_are_no_brightness_are_refused(bad: float) -> None:
    values = np.array([[0.5, bad, 0.2]], np.float32)
    assert "grey values" in error_of(save(values, "TIFF"))


@pytest.mark.parametrize("bad", [-1, 65536])
def test_integers_that_are_no_brightness_are_refused(bad: int) -> None:
    assert "grey values" in error_of(save(np.array([[5, bad]], np.int32), "TIFF"))


def test_one_bit_grey_and_grey_with_alpha() -> None:
    bits = Image.fromarray(GREY).convert("1")
    assert (read_photo(save(bits, "PNG")).pixels == np.array(bits.convert("L"))[..., None]).all()
    assert (read_photo(save(GREY, "PNG")).pixels == GREY[..., None]).all()
    result = read_photo(save(np.dstack([GREY, ALPHA]), "PNG"))
    assert (result.pixels == GREY[..., None]).all()
    assert result.alpha is not None and (result.alpha == ALPHA).all()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_colours_under_alpha_are_kept(kind: str) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    result = read_photo(save(np.dstack([NOISE, ALPHA]), kind, **options))
    assert (result.pixels == NOISE).all()
    assert result.alpha is not None and (result.alpha == ALPHA).all()


def test_opaque_alpha_is_dropped() -> None:
    data = save(np.dstack([NOISE, np.full_like(GREY, 255)]), "PNG")
    assert read_photo(data).alpha is None


PALETTE = RNG.integers(0, 256, (256, 3), dtype=np.uint8)


def palette_image() -> Image.Image:
    image = Image.fromarray(GREY)
    image.putpalette(PALETTE.tobytes())
    return image


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_palette_without_transparency(kind: str) -> None:
    result = read_photo(save(palette_image(), kind))
    assert (result.pixels == PALETTE[GREY]).all() and result.alpha is None


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_one_transparent_index(kind: str) -> None:
    index = int(GREY[3, 4])
    result = read_photo(save(palette_image(), kind, transparency=index, optimize=False))
    assert result.alpha is not None
    assert (result.alpha == np.where(index == GREY, 0, 255)).all()
    assert (result.pixels == PALETTE[GREY])[index != GREY].all()


def test_palette_with_alpha_for_each_entry() -> None:
    steps = bytes(range(255, 155, -1))
    result = read_photo(save(palette_image(), "PNG", transparency=steps))
    table = np.full(256, 255)
    table[:100] = list(steps)
    assert result.alpha is not None and (result.alpha == table[GREY]).all()
    assert (result.pixels == PALETTE[GREY]).all()


def trns(*values: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


@pytest.mark.parametrize(
    ("data", "alpha"),
    [
        (png(8, 1, 1, 0, bytes([0b10110000]), trns(1)), [0, 255, 0, 0, 255, 255, 255, 255]),
        (png(4, 1, 2, 0, bytes([0b00011011]), trns(2)), [255, 255, 0, 255]),
        (png(2, 1, 4, 0, bytes([0x3C]), trns(0xC)), [255, 0]),
        (png(3, 1, 8, 0, bytes([1, 2, 3]), trns(2)), [255, 0, 255]),
        (png(3, 1, 8, 0, bytes([1, 2, 3]), trns(2), chunk(b"iCCP", b"p\0\0")), [255, 0, 255]),
        (png(3, 1, 16, 0, bytes([1, 2, 1, 3, 2, 2]), trns(0x0103)), [255, 0, 255]),
        (png(2, 1, 8, 2, bytes([1, 2, 3, 1, 2, 4]), trns(1, 2, 4)), [255, 0]),
        (png(2, 1, 16, 2, bytes(range(12)), trns(1, 0x203, 0x405)), [0, 255]),
    ],
    ids=[
        "grey1",
        "grey2",
        "grey4",
        "grey8",
        "grey8 with a broken profile",
        "grey16",
        "rgb8",
        "rgb16",
    ],
)
def test_one_transparent_colour_of_a_png(data: bytes, alpha: list[int]) -> None:
    result = read_photo(data)
    assert result.alpha is not None and result.alpha[0].tolist() == alpha


def test_associated_alpha_becomes_straight() -> None:
    pixel = np.array([[[100, 50, 0, 128]]], np.uint8)
    straight, associated = (struct.pack("<HHIH", 338, 3, 1, kind) for kind in (2, 1))
    data = save(pixel, "TIFF")  # its tag ExtraSamples says straight
    assert data.count(straight) == 1
    result = read_photo(data.replace(straight, associated))
    assert result.alpha is not None and result.alpha.tolist() == [[128]]
    assert abs(result.pixels[0, 0].astype(int) - [199, 100, 0]).max() <= 1


def test_ycbcr_tiff() -> None:
    flat = Image.new("RGB", (4, 4), (200, 90, 30)).convert("YCbCr")
    pixels = read_photo(save(flat, "TIFF", compression="tiff_lzw")).pixels.astype(int)
    assert abs(pixels - [200, 90, 30]).max() <= 2


def test_lab_tiff_is_neutral_grey_where_a_and_b_are_zero() -> None:
    lab = Image.frombytes("LAB", (2, 1), bytes([136, 0, 0, 255, 0, 0]))
    result = read_photo(save(lab, "TIFF"))
    lightness = 136 / 2.55
    linear = np.array([((lightness + 16) / 116) ** 3, 1.0])
    assert abs(result.pixels[0].astype(int) - srgb_encode(linear)[:, None]).max() <= 2
    assert "L*a*b*" in result.notes[0]


def test_cmyk_jpeg_without_profile() -> None:
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:, :, 1] = 255  # full magenta
    result = read_photo(save(Image.fromarray(inks, "CMYK"), "JPEG", quality=100))
    assert abs(result.pixels.astype(int) - [255, 0, 255]).max() <= 3
    assert "CMYK" in result.notes[0]


# --- colour profiles ----------------------------------------------------------------------------


def test_srgb_profile_changes_nothing() -> None:
    result = read_photo(save(NOISE, "PNG", icc_profile=SRGB_ICC))
    assert (result.pixels == NOISE).all() and result.notes == ()


@pytest.mark.parametrize("matrix", [P3, SRGB], ids=["wide", "gamma-only"])
def test_matrix_profile_against_its_definition(matrix: NDArray[np.float64]) -> None:
    gamma = 563 / 256
    profile = matrix_profile(matrix, gamma, b"Wide Test")
    result = read_photo(save(np.dstack([NOISE, ALPHA]), "PNG", icc_profile=profile))
    linear = (NOISE / 255) ** gamma @ matrix.T @ np.linalg.inv(SRGB).T
    assert abs(result.pixels - srgb_encode(linear)).max() <= 2
    assert abs(result.pixels.astype(int) - NOISE).max() > 5
    assert result.notes == ("Converted from the colour profile 'Wide Test' to sRGB.",)
    assert result.alpha is not None and (result.alpha == ALPHA).all()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "AVIF"])
def test_profiles_of_other_formats_count(kind: str) -> None:
    profile = matrix_profile(P3, 563 / 256, b"Wide Test")
    smooth = np.full((16, 16, 3), (60, 200, 90), np.uint8)
    plain, profiled = (read_photo(save(smooth, kind, icc_profile=p)) for p in (None, profile))
    linear = (plain.pixels / 255) ** (563 / 256) @ P3.T @ np.linalg.inv(SRGB).T
    assert abs(profiled.pixels - srgb_encode(linear)).max() <= 2


def test_grey_profile_and_palette_with_rgb_profile() -> None:
    result = read_photo(save(GREY, "PNG", icc_profile=grey_profile(1.0)))
    assert abs(result.pixels - srgb_encode(GREY / 255)[..., None]).max() <= 2
    profile = matrix_profile(P3, 563 / 256, b"Wide Test")
    paletted = read_photo(save(palette_image(), "PNG", icc_profile=profile))
    direct = read_photo(save(PALETTE[GREY], "PNG", icc_profile=profile))
    assert (paletted.pixels == direct.pixels).all()


def test_deep_grey_with_alpha_takes_a_grey_profile() -> None:
    iccp = chunk(b"iCCP", b"grey\0\0" + zlib.compress(grey_profile(1.0)))
    result = read_photo(png(1, 1, 16, 4, bytes([64, 0, 7, 0]), iccp))
    assert abs(result.pixels - srgb_encode(np.array(64 / 255))).max() <= 2
    assert result.alpha is not None and result.alpha.tolist() == [[7]]


def test_cmyk_profile_with_black_point_compensation() -> None:
    inks = np.zeros((1, 256, 4), np.uint8)
    inks[0, :, 3] = np.arange(256)
    image = Image.fromarray(inks, "CMYK")
    result = read_photo(save(image, "TIFF", icc_profile=cmyk_profile(0))).pixels[0]
    lightness = 100 * (1 - np.arange(256) / 255)
    f = (lightness + 16) / 116
    linear = np.where(lightness > 8, f**3, lightness / 903.3)
    assert abs(result - srgb_encode(linear)[:, None]).max() <= 3
    dull = read_photo(save(image, "TIFF", icc_profile=cmyk_profile(25)))
    assert dull.pixels[0, 0].min() >= 253 and dull.pixels[0, 255].max() <= 4
    assert dull.notes == ("Converted from the colour profile 'Press' to sRGB.",)


@pytest.mark.parametrize("profile", [b"nonsense", bytes(200), SRGB_ICC[:300], SRGB_ICC[:128]])
def test_unusable_profile_is_ignored_with_a_note(profile: bytes) -> None:
    result = read_photo(save(NOISE, "PNG", icc_profile=profile))
    assert (result.pixels == NOISE).all()
    assert result.notes == ("Its colour profile is damaged and was ignored.",)


def test_profile_that_cannot_be_unpacked_is_ignored_with_a_note() -> None:
    iccp = chunk(b"iCCP", b"x\0\0" + b"no zlib stream")
    result = read_photo(png(1, 1, 8, 2, bytes([1, 2, 3]), iccp))
    assert result.pixels.tolist() == [[[1, 2, 3]]] and "damaged" in result.notes[0]


# --- limits and refusals ------------------------------------------------------------------------


def test_bomb_is_refused_by_its_header() -> None:
    start = time.perf_counter()
    for side in (8001, 10_000, 20_000, 60_000):  # below, between and above Pillow's own limits
        assert f"{side} x {side} pixels" in error_of(png(side, side, 8, 2, bytes(side)[:1] * side))
    assert time.perf_counter() - start < 0.5


def test_own_limits() -> None:
    data = save(NOISE, "PNG")
    assert read_photo(data, max_pixels=21 * 34, max_bytes=len(data)).width == 34
    assert "34 x 21" in error_of(data, max_pixels=21 * 34 - 1)
    assert "MB" in error_of(data, max_bytes=len(data) - 1)


def test_limit_of_bytes_holds_for_files(tmp_path: Path) -> None:
    path = tmp_path / "big.png"
    path.write_bytes(save(NOISE, "PNG"))
    assert error_of(path, max_bytes=100).startswith("big.png has")


def test_unpacking_a_profile_has_a_limit() -> None:
    zeros = zlib.compress(bytes(100_000_000))
    result = read_photo(png(1, 1, 8, 2, b"abc", chunk(b"iCCP", b"p\0\0" + zeros)))
    assert result.pixels.tolist() == [[[97, 98, 99]]]
    assert result.notes == ("Its colour profile is damaged and was ignored.",)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_animation_is_refused(kind: str) -> None:
    more = [Image.fromarray(np.roll(NOISE, shift, 1)) for shift in (5, 9)]
    data = save(NOISE, kind, save_all=True, append_images=more, duration=100)
    assert "an animation of 3 frames" in error_of(data)


def test_several_pages_are_refused() -> None:
    data = save(NOISE, "TIFF", save_all=True, append_images=[Image.fromarray(NOISE)])
    assert "several pages" in error_of(data)


def test_a_smaller_copy_alone_is_the_photo() -> None:
    assert (read_photo(save(NOISE, "TIFF", tiffinfo={254: 1})).pixels == NOISE).all()


@pytest.mark.parametrize(
    "data",
    [b"Dear sir,\n", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"8BPS\0\1", b"icns\0\0\1\0", b"<svg/>", b"\0"],
)
def test_other_kinds_are_refused(data: bytes) -> None:
    assert error_of(data).startswith("The photo is not a picture of a kind")


def test_other_formats_of_pillow_are_refused() -> None:
    for kind in ("PPM", "TGA", "ICO", "JPEG2000", "PCX", "EPS"):
        error_of(save(NOISE, kind))


def test_paths_that_give_no_photo(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not a photo")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    assert error_of(b"").startswith("The photo is empty")
    assert error_of(tmp_path / "empty.jpg").startswith("empty.jpg is empty")
    assert error_of(tmp_path / "text.jpg").startswith("text.jpg is not a picture")
    assert "folder" in error_of(tmp_path)
    assert "no such file" in error_of(str(tmp_path / "gone.png"))
    assert "no such file" in error_of(tmp_path / "text.jpg" / "x.png")
    for odd in ("pipe.png", "loop.png", "x" * 300):
        assert "could not be read" in error_of(tmp_path / odd)
    error_of("a\0b")
    error_of("")
    for path in (tmp_path / "gone.png", tmp_path / "empty.jpg", tmp_path / "pipe.png"):
        assert str(tmp_path) not in error_of(path)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "closed.png"
    path.write_bytes(save(NOISE, "PNG"))

    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert error_of(path).startswith("closed.png could not be read: permission was denied")


def test_without_pillow_heif_only_heic_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic(NOISE)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert "pip install pillow-heif" in error_of(data)
    read_photo(save(NOISE, "AVIF"))


def small_files() -> dict[str, bytes]:
    tiny = NOISE[:12, :15].copy()
    profile = matrix_profile(P3, 2.2, b"Wide")
    options: dict[str, Any] = {"exif": oriented_exif(6), "icc_profile": profile}
    return {
        "png": save(tiny, "PNG", **options),
        "png palette": save(Image.fromarray(tiny).quantize(16), "PNG", transparency=3),
        "jpeg": save(tiny, "JPEG", **options),
        "progressive jpeg": save(tiny, "JPEG", progressive=True),
        "mpo": save(tiny, "MPO", save_all=True, append_images=[Image.fromarray(tiny)]),
        "webp": save(tiny, "WEBP", **options),
        "lossless webp": save(tiny, "WEBP", lossless=True),
        "gif": save(tiny, "GIF"),
        "bmp": save(tiny, "BMP"),
        "tiff": save(tiny, "TIFF", **options),
        "lzw tiff": save(tiny, "TIFF", compression="tiff_lzw"),
        "float tiff": save(tiny[..., 0].astype(np.float32), "TIFF"),
        "avif": save(tiny, "AVIF", **options),
        "heic": heic(tiny, exif=oriented_exif(6).tobytes()),
    }


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return small_files()


def test_cut_off_files_are_refused(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as some libraries do
    for name, data in files.items():
        if name == "mpo":  # its first picture is whole long before its end
            continue
        whole = read_photo(data)
        for share in (0.03, 0.1, 0.3, 0.5, 0.7, 0.85):
            message = error_of(data[: int(len(data) * share)])
            assert "cut off" in message or share < 0.11, (name, share, message)
        # At the very end only bytes without pixels may be missing.
        for missing in range(1, 25):
            try:
                assert np.array_equal(read_photo(data[:-missing]).pixels, whole.pixels), name
            except PhotoError:
                continue
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_random_damage_gives_a_photo_or_a_photo_error(files: dict[str, bytes]) -> None:
    dice = random.Random(5)
    outcomes = {"photo": 0, "error": 0}
    for trial in range(350):
        data = bytearray(list(files.values())[trial % len(files)])
        # Every second trial hits the header, where the structure is.
        end = len(data) if trial % 2 else min(len(data), 120)
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(end)] = dice.choice([0, 1, 127, 255, dice.randrange(256)])
        try:
            result = read_photo(bytes(data), max_pixels=1_000_000)
        except PhotoError:
            outcomes["error"] += 1
        else:
            assert result.pixels.dtype == np.uint8 and result.pixels.ndim == 3
            outcomes["photo"] += 1
    assert min(outcomes.values()) > 30


def test_threads_leave_the_process_as_it_was(files: dict[str, bytes]) -> None:
    before = (list(warnings.filters), Image.MAX_IMAGE_PIXELS, sorted(Image.OPEN))
    broken_exif = save(NOISE, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    faults: list[BaseException] = []

    def work() -> None:
        try:
            for data in (files["jpeg"], files["png"], broken_exif, files["heic"]):
                read_photo(data)
            with pytest.raises(PhotoError):
                read_photo(png(20_000, 20_000, 8, 2, bytes(20_000)))
        except BaseException as fault:  # handed to the main thread
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert before == (list(warnings.filters), Image.MAX_IMAGE_PIXELS, sorted(Image.OPEN))


# --- writing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_no_metadata_survives(kind: str) -> None:
    secret = "SECRETPLACE"
    exif = Image.Exif()
    exif[0x010E] = secret
    exif.get_ifd(0x8825)[0x001B] = secret.encode()
    xmp = f"<x:xmpmeta>{secret}</x:xmpmeta>".encode()
    options: dict[str, Any] = {"exif": exif, "icc_profile": SRGB_ICC}
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", secret)
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options |= {"pnginfo": text, "dpi": (72, 72)}
    elif kind != "TIFF":
        options["xmp"] = xmp
    if kind == "JPEG":
        options["comment"] = secret
    data = save(NOISE, kind, **options)
    assert secret.encode() in data
    encoded = encode_png(read_photo(data), compress_level=0)
    assert set(png_chunks(encoded)) == {b"IHDR", b"IDAT", b"IEND"}
    assert secret.encode() not in encoded and b"xmp" not in encoded and b"sRGB" not in encoded


def test_what_is_written_is_what_is_read() -> None:
    for trial in range(30):
        height, width = (1, 1) if trial == 0 else RNG.integers(1, 40, 2)
        height = 1 if trial % 5 == 1 else height
        pixels = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
        alpha = RNG.integers(0, 256, (height, width), dtype=np.uint8) if trial % 2 else None
        original = Photo(pixels, alpha)
        data = encode_png(original)
        assert data == encode_png(original)
        result = read_photo(data)
        assert np.array_equal(result.pixels, pixels) and result.notes == ()
        if original.alpha is None:
            assert result.alpha is None
        else:
            assert result.alpha is not None and np.array_equal(result.alpha, original.alpha)


def test_several_idat_chunks_and_nothing_else() -> None:
    large = RNG.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    data = encode_png(Photo(large))
    assert set(png_chunks(data)) == {b"IHDR", b"IDAT", b"IEND"}
    assert (read_photo(data).pixels == large).all()


def test_arrays_are_owned_and_contiguous() -> None:
    view = NOISE[::-1, ::-1]
    part = Photo(NOISE[2:9], ALPHA[2:9])  # contiguous, but owned by the whole
    for result in (Photo(view, ALPHA[::-1]), part, read_photo(save(NOISE, "PNG"))):
        for array in (result.pixels, result.alpha):
            if array is not None:
                assert array.flags.c_contiguous and array.flags.owndata and array.flags.writeable
    oriented = read_photo(save(np.dstack([NOISE, ALPHA]), "PNG", exif=oriented_exif(5)))
    assert oriented.alpha is not None
    assert oriented.pixels.flags.owndata and oriented.alpha.flags.owndata


def test_with_pixels_keeps_the_rest() -> None:
    original = Photo(NOISE, ALPHA, ("A note.",))
    changed = original.with_pixels(255 - NOISE)
    assert (changed.pixels == 255 - NOISE).all() and changed.notes == ("A note.",)
    assert changed.alpha is not None and (changed.alpha == ALPHA).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Photo(NOISE.astype(np.float32)),
        lambda: Photo(NOISE[..., 0]),
        lambda: Photo(NOISE, ALPHA[1:]),
        lambda: Photo(NOISE[:0]),
        lambda: Photo(NOISE).with_pixels(NOISE[1:].copy()),
    ],
)
def test_wrong_arrays_are_refused_at_the_door(make: Callable[[], Photo]) -> None:
    with pytest.raises(ValueError, match="expected"):
        make()


def test_write_bytes_replaces_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    mask = os.umask(0o022)
    try:
        write_bytes(path, b"one")
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o644
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_full_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"older")

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(PhotoError, match=r"^out.png could not be written: the disk is full"):
        write_bytes(path, b"newer")
    assert path.read_bytes() == b"older" and list(tmp_path.iterdir()) == [path]


def test_interrupted_writing_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "out.png", b"data")
    assert list(tmp_path.iterdir()) == []


def test_places_that_take_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path, words in [
        (tmp_path / "gone" / "out.png", "no such file or folder"),
        (tmp_path / "file" / "out.png", "no such file or folder"),
        (tmp_path / "folder", "folder is at that path"),
    ]:
        with pytest.raises(PhotoError, match=words):
            write_bytes(path, b"data")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}


# --- preview ------------------------------------------------------------------------------------


def test_preview_shrinks_and_never_enlarges() -> None:
    original = Photo(np.full((90, 240, 3), 77, np.uint8), np.full((90, 240), 99, np.uint8), ("N.",))
    small = preview(original, 80)
    assert small.pixels.shape == (30, 80, 3) and (small.pixels == 77).all()
    assert small.alpha is not None and small.alpha.shape == (30, 80) and (small.alpha == 99).all()
    assert small.notes == ("N.",)
    assert preview(original, 240) is original and preview(original) is original
    assert preview(Photo(np.zeros((1, 5000, 3), np.uint8))).pixels.shape == (1, 1600, 3)


def test_preview_does_not_mix_in_hidden_colours() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, ::2] = 200
    alpha = np.zeros((8, 8), np.uint8)
    alpha[:, ::2] = 255
    assert preview(Photo(pixels, alpha), 4).pixels.min() >= 198
