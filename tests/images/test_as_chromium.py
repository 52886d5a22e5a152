"""What a viewer shows of odd files: Chromium's own pixels beside ours.

Chromium reads PNG, JPEG, WebP, GIF, BMP and AVIF. It reduces 16 bits to 8 before it converts
colours, and ours afterwards; of pixels that are nearly clear it keeps rough colours only.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from image_files import (
    P3,
    bmp,
    chrm,
    chunk,
    cicp,
    cmyk_profile,
    gama,
    grey_profile,
    matrix_profile,
    oriented_exif,
    png_of,
    save,
    with_nclx,
)
from numpy.typing import NDArray
from PIL import Image

from cvpire.images.reading import read_photo

if TYPE_CHECKING:
    from playwright.sync_api import Page
else:
    pytest.importorskip("playwright", reason="playwright is not installed")

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
# A canvas in sRGB, whatever the screen.
FLAGS.append("--force-color-profile=srgb")
READ_PIXELS = """
async ([data, type]) => {
  const image = new Image();
  image.src = `data:${type};base64,${data}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d", {colorSpace: "srgb"});
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let text = "";
  for (let at = 0; at < pixels.length; at += 8192)
    text += String.fromCharCode(...pixels.subarray(at, at + 8192));
  return [canvas.width, canvas.height, btoa(text)];
}
"""
Pixels = NDArray[np.uint8]
Show = Callable[[bytes, str], Pixels]

pytestmark = pytest.mark.skipif(
    not CHROMIUM.is_file(), reason=f"{CHROMIUM} is missing: install Debian's package chromium"
)

RAMP = np.zeros((40, 60, 3), np.uint8)
RAMP[..., 0] = np.linspace(0, 255, 60)[None]
RAMP[..., 1] = np.linspace(0, 255, 40)[:, None]
RAMP[..., 2] = 90
ALPHA = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
CLEAR = np.dstack([RAMP, ALPHA])
NOISE = np.random.default_rng(4).integers(0, 256, (40, 60, 3), dtype=np.uint8)
DISPLAY_P3 = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
ADOBE = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
PROPHOTO = (0.3457, 0.3585, 0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001)


@pytest.fixture(scope="module")
def show() -> Iterator[Show]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = browser.new_page()
        page.goto("about:blank")
        yield lambda data, kind: _shown(page, data, kind)
        browser.close()


def _shown(page: Page, data: bytes, kind: str) -> Pixels:
    text = base64.b64encode(data).decode()
    width, height, pixels = page.evaluate(READ_PIXELS, [text, f"image/{kind}"])
    return np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(height, width, 4)


def expect_same(shown: Pixels, data: bytes, *, most: float = 2.0) -> None:
    """Ours within so many levels of the shown pixels, on average; none far off where opaque."""
    photo = read_photo(data)
    assert photo.pixels.shape[:2] == shown.shape[:2]
    alpha = np.full(shown.shape[:2], 255) if photo.alpha is None else photo.alpha
    # Chromium takes the alpha of a deep AVIF for video's narrow range.
    assert abs(alpha.astype(int) - shown[..., 3]).max() <= 22
    is_seen = shown[..., 3] > 127
    difference = abs(photo.pixels.astype(int) - shown[..., :3])[is_seen]
    assert difference.size and difference.mean() <= most


def iccp(profile: bytes) -> bytes:
    import zlib

    return chunk(b"iCCP", b"x\0\0" + zlib.compress(profile))


P3_PROFILE = matrix_profile(P3, 1.8, b"P3")

PNGS = {
    **{
        f"cICP {p} {t}": png_of(NOISE, cicp(p, t)) for p in (1, 4, 5, 6, 9, 11, 12) for t in (1, 13)
    },
    **{f"cICP transfer {t}": png_of(RAMP, cicp(1, t)) for t in (4, 5, 6, 7, 8, 14, 15, 17)},
    "cICP unspecified": png_of(RAMP, cicp(2, 2)),
    "cICP unspecified, gAMA": png_of(RAMP, cicp(2, 2), gama(1.0)),
    "cICP logarithmic, gAMA": png_of(RAMP, cicp(12, 10), gama(1.0)),
    "cICP narrow range": png_of(RAMP, cicp(12, 13, full_range=0)),
    "cICP before iCCP": png_of(NOISE, cicp(12, 13), iccp(grey_profile(1.0))),
    "cICP of grey": png_of(RAMP[..., 0], cicp(9, 8)),
    "cICP and alpha": png_of(CLEAR, cicp(12, 13)),
    "cICP and 16 bits": png_of(CLEAR.astype(np.uint16) * 257, cicp(12, 13)),
    "gAMA 1": png_of(RAMP, gama(1.0)),
    "gAMA 1, 16 bits": png_of(RAMP.astype(np.uint16) * 257, gama(1.0)),
    "gAMA 1.8, 16-bit grey": png_of(RAMP[..., 1].astype(np.uint16) * 257, gama(1 / 1.8)),
    "gAMA 2.2 alone": png_of(RAMP, gama(0.45455)),
    "gAMA 2.2, Adobe's cHRM": png_of(NOISE, gama(0.45455), chrm(*ADOBE)),
    "gAMA 1.8, ProPhoto's cHRM": png_of(NOISE, gama(1 / 1.8), chrm(*PROPHOTO)),
    "gAMA 0": png_of(RAMP, gama(0.0)),
    "cHRM alone": png_of(NOISE, chrm(*DISPLAY_P3)),
    "cHRM of one colour": png_of(RAMP, gama(1.0), chrm(*(0.3,) * 8)),
    "sRGB before gAMA": png_of(RAMP, chunk(b"sRGB", b"\0"), gama(1.0), chrm(*DISPLAY_P3)),
    "iCCP before sRGB and gAMA": png_of(NOISE, iccp(P3_PROFILE), chunk(b"sRGB", b"\0"), gama(1.0)),
    "damaged iCCP, gAMA": png_of(RAMP, iccp(b"nonsense" * 30), gama(1.0)),
    "grey with an RGB profile": png_of(RAMP[..., 0], iccp(P3_PROFILE)),
    "RGB with a grey profile": png_of(RAMP, iccp(grey_profile(1.0))),
    "RGB with a CMYK profile": png_of(RAMP, iccp(cmyk_profile(0))),
    "palette and gAMA": (lambda d: d[:33] + gama(1.0) + d[33:])(
        save(Image.fromarray(RAMP).quantize(50), "PNG")
    ),
}


@pytest.mark.parametrize("name", PNGS)
def test_colours_of_png(show: Show, name: str) -> None:
    expect_same(show(PNGS[name], "png"), PNGS[name])


def light_level(peak: int) -> bytes:
    return chunk(b"cLLI", (peak * 10_000).to_bytes(4, "big") + (100 * 10_000).to_bytes(4, "big"))


def mastering(peak: int) -> bytes:
    return chunk(b"mDCV", bytes(16) + (peak * 10_000).to_bytes(4, "big") + (50).to_bytes(4, "big"))


HDR = {
    "PQ": png_of(NOISE, cicp(9, 16)),
    "PQ, P3": png_of(NOISE, cicp(12, 16)),
    "PQ, BT.709": png_of(NOISE, cicp(1, 16)),
    "PQ of 16 bits": png_of(RAMP.astype(np.uint16) * 257, cicp(9, 16)),
    "PQ of grey": png_of(RAMP[..., 0], cicp(9, 16)),
    "PQ, 400 cd/m2 at most": png_of(NOISE, cicp(9, 16), light_level(400)),
    "PQ, 4000 cd/m2 at most": png_of(NOISE, cicp(9, 16), light_level(4000)),
    "PQ, from a screen of 600 cd/m2": png_of(NOISE, cicp(9, 16), mastering(600)),
    "HLG": png_of(NOISE, cicp(9, 18)),
    "HLG and alpha": png_of(CLEAR, cicp(9, 18)),
    "HLG, 400 cd/m2 at most": png_of(NOISE, cicp(9, 18), light_level(400)),
}


@pytest.mark.parametrize("name", HDR)
def test_hdr_of_png(show: Show, name: str) -> None:
    expect_same(show(HDR[name], "png"), HDR[name], most=1.0)
    assert any("HDR" in note for note in read_photo(HDR[name]).notes)


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


def test_a_difference_would_be_seen(show: Show) -> None:
    """The comparison is no formality: as stored, linear samples are far from what is shown."""
    shown = show(PNGS["gAMA 1"], "png")
    with pytest.raises(AssertionError):
        expect_same(shown, png_of(RAMP))
