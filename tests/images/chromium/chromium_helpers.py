"""Chromium's own pixels of a file, to be put beside ours.

Chromium reads PNG, JPEG, WebP, GIF, BMP and AVIF. It reduces 16 bits to 8 before it converts
colours, and ours afterwards; of pixels that are nearly clear it keeps rough colours only.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from image_files import P3, matrix_profile
from numpy.typing import NDArray

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


P3_PROFILE = matrix_profile(P3, 1.8, b"P3")
