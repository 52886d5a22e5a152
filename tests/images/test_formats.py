"""The file that is posted: kinds, qualities and sizes, and a classifier that sees it decoded."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from conftest import textured_pixels

from cvpire.attacks.through_file import through_file
from cvpire.errors import PhotoError
from cvpire.images.formats import BEST_QUALITY, KINDS, PNG, FileFormat
from cvpire.images.photo import Photo
from cvpire.images.tensors import to_image, to_photo
from cvpire.images.transparency import sights, to_alpha

LOSSY = [kind for kind in KINDS if kind != "PNG"]


def photo(size: int = 64) -> Photo:
    return Photo(textured_pixels(size, size))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("GIF",), "expected a file format of PNG, JPEG, WebP"),
        (("PNG", 90), "PNG loses nothing: it has neither quality nor size to choose"),
        (("PNG", None, 1000), "PNG loses nothing"),
        (("JPEG",), "expected a quality or a size in bytes for JPEG"),
        (("JPEG", 0), "expected a quality of 1 to 100, got 0"),
        (("WebP", 101), "expected a quality of 1 to 100, got 101"),
        (("JPEG", None, 0), "expected a size of 1 byte or more, got 0"),
    ],
)
def test_what_cannot_be_is_refused(settings: tuple[str, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        FileFormat(*settings)


def test_png_gives_the_pixels_back_and_lossy_files_others() -> None:
    assert np.array_equal(FileFormat().read_back(photo())[1].pixels, photo().pixels)
    for kind in LOSSY:
        data, read = FileFormat(kind, 50).read_back(photo())
        assert read.pixels.shape == photo().pixels.shape
        assert not np.array_equal(read.pixels, photo().pixels)
        assert len(data) < len(FileFormat(kind, BEST_QUALITY).encode(photo()))


@pytest.mark.parametrize("kind", LOSSY)
def test_a_size_takes_the_best_quality_that_fits(kind: str) -> None:
    room = len(FileFormat(kind, 70).encode(photo()))
    fitted = FileFormat(kind, max_bytes=room).fitted(photo())
    assert fitted.quality is not None
    assert fitted.quality >= 70
    assert fitted.fits(photo())
    assert len(FileFormat(kind, fitted.quality + 2).encode(photo())) > room
    # A quality beside the size is the most that is taken.
    assert FileFormat(kind, 40, room).fitted(photo()).quality == 40
    assert FileFormat(kind, 40).fitted(photo()) == FileFormat(kind, 40)


def test_a_size_that_nothing_fits_is_refused() -> None:
    with pytest.raises(PhotoError, match="does not fit into 100 bytes as JPEG"):
        FileFormat("JPEG", max_bytes=100).fitted(photo())
    with pytest.raises(ValueError, match="expected a quality"):
        FileFormat("JPEG", max_bytes=10_000).encode(photo())


def test_gentler_formats_end_in_one_that_loses_nothing() -> None:
    assert [str(each) for each in FileFormat("JPEG", 80).gentler()] == [
        "JPEG 85",
        "JPEG 90",
        "JPEG 95",
        "PNG",
    ]
    assert FileFormat().gentler() == ()


def test_words_make_a_format() -> None:
    for words, expected in (
        ("PNG", PNG),
        ("jpeg 75", FileFormat("JPEG", 75)),
        (" WebP-80 ", FileFormat("WebP", 80)),
        (str(FileFormat("JPEG", 5)), FileFormat("JPEG", 5)),
    ):
        assert FileFormat.parse(words) == expected
    for words in ("gif-9", "jpeg75", "jpeg--75", "75", ""):
        with pytest.raises(ValueError, match="expected a file format such as PNG, JPEG-75"):
            FileFormat.parse(words)
    with pytest.raises(ValueError, match="expected a quality or a size in bytes for JPEG"):
        FileFormat.parse("JPEG")
    with pytest.raises(ValueError, match="expected a quality of 1 to 100, got 300"):
        FileFormat.parse("JPEG-300")


def test_names_say_quality_or_size() -> None:
    assert str(FileFormat()) == "PNG"
    assert str(FileFormat("WebP", 80, 5000)) == "WebP 80"
    assert str(FileFormat("JPEG", max_bytes=50_000)) == "JPEG of 50,000 bytes"


@pytest.mark.parametrize("kind", LOSSY)
def test_a_search_through_a_file_sees_what_its_reader_gets(kind: str) -> None:
    alpha = np.full((64, 64), 255, np.uint8)
    if kind != "JPEG":
        alpha[:20] = 0
    original = Photo(photo().pixels, alpha)
    file_format = FileFormat(kind, 30)
    images = to_image(original.pixels).requires_grad_()
    seen = through_file(file_format, original)(images)
    expected = [each.pixels for each in sights(file_format.read_back(original)[1])]
    assert len(seen) == len(expected) == (1 if kind == "JPEG" else 2)
    for one, pixels in zip(seen, expected, strict=True):
        assert np.array_equal(to_photo(one[None]).pixels, pixels)
        assert not np.array_equal(pixels, original.pixels)
    weights = torch.rand(seen.shape, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad((seen * weights).sum(), images)
    through = weights.sum(dim=0) * to_alpha(original)
    assert torch.equal(gradient, through), "straight through, by as much as each pixel is seen"


def test_a_webp_keeps_hidden_colours_and_transparency() -> None:
    alpha = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    alpha[:20] = 0
    original = Photo(photo().pixels, alpha)
    read = FileFormat("WebP", 95).read_back(original)[1]
    assert read.alpha is not None and np.array_equal(read.alpha, alpha)
    off = np.abs(read.pixels[:20, :32].astype(int) - original.pixels[:20, :32]).mean()
    assert off < 3.0, "the smooth half, though nobody sees it"


def test_photos_are_the_same_after_a_turn_as_tensors() -> None:
    assert np.array_equal(to_photo(to_image(photo().pixels)).pixels, photo().pixels)
