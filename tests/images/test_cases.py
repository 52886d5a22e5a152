"""Odd photos from public reports, beside the project: what a viewer shows of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cvpire.images.reading import read_photo

# Tone mapping is a choice, and what a file lost by its codec or in grey is not known here.
MOST, MOST_LOSSY = 2.0, 8.0
# What has to be said, and that nothing else may be; of all others, no note is expected.
WORDS = {
    "avif10_nclx_pq.avif": ("10 to 8 bits", "HDR"),
    "heic10_nclx_pq.heic": ("10 to 8 bits", "HDR"),
    "avif_nclx_p3.avif": ("Display P3",),
    "png_cicp_p3.png": ("Display P3",),
    "png_gama_1.0.png": ("gamma 1",),
    "png16_gama_1.0.png": ("16 to 8 bits", "gamma 1"),
    "jpeg_grey_rgbprofile_g1.8.jpg": ("colour profile",),
    "png_text_badcrc.png": ("tEXt",),
    "jpeg_no_eoi.jpg": ("end of the file is missing",),
    "png_rgb16_trns.png": ("16 to 8 bits",),
    "tiff_miniswhite_u16le.tif": ("16 to 8 bits",),
    "tiff_greya16.tif": ("16 to 8 bits",),
    "tiff_float_rgb.tif": ("float32",),
    "tiff_with_thumbnail_page2.tif": ("smaller",),
}


@pytest.fixture
def cases(shared: Path) -> Path:
    folder = shared / "cases"
    if not folder.is_dir():
        pytest.skip("the folder of odd photos, ../shared/cases, is not on this machine")
    return folder


def test_every_case_is_shown_as_a_viewer_does(
    cases: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = sorted(path.name for path in cases.iterdir() if ".expected" not in path.name)
    names.remove("README.md")
    coffee = _pixels(cases / "png_text_badcrc.png.expected.png")
    for name in names:
        photo = read_photo(cases / name)
        notes = " ".join(photo.notes)
        assert len(photo.notes) == len(WORDS.get(name, ())), (name, photo.notes)
        assert all(words in notes for words in WORDS.get(name, ())), (name, photo.notes)
        expected = cases / f"{name}.expected.png"
        # Where a viewer's picture is not given, it is the photo that all cases were made of.
        shown = _pixels(expected) if expected.exists() else coffee.copy()
        most = MOST_LOSSY if "HDR" in notes or not expected.exists() else MOST
        if name == "tiff_greya16.tif":
            shown[..., :3] = shown[..., :3].mean(axis=2, keepdims=True)
            shown[..., 3] = np.linspace(0, 255, 192).astype(np.uint8)
        assert photo.pixels.shape[:2] == shown.shape[:2], name
        alpha = np.full(shown.shape[:2], 255) if photo.alpha is None else photo.alpha
        assert abs(alpha - shown[..., 3].astype(int)).max() <= 1, name
        difference = np.abs(photo.pixels.astype(int) - shown[..., :3])[shown[..., 3] > 0].mean()
        assert difference <= most, (name, difference)
    assert capfd.readouterr().err == ""


def _pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.array(image.convert("RGBA"))
