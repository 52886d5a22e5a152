"""What becomes of posted photos, and the files that they are posted as."""

from __future__ import annotations

import io

import numpy as np
import pytest
from conftest import textured_pixels
from PIL import Image

from cvpire.edits.posting import CODECS_AND_SIZES, TRANSFORMATIONS
from cvpire.errors import PhotoError
from cvpire.images.encoders import encode_avif, encode_jpeg, encode_webp, on_white
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.metrics.difference import ssim


def photo(width: int = 160, height: int = 120, *, clear: bool = False) -> Photo:
    alpha = None
    if clear:
        alpha = np.full((height, width), 255, np.uint8)
        alpha[: height // 2] = 0
    return Photo(textured_pixels(height, width, seed=3), alpha)


@pytest.mark.parametrize("name", TRANSFORMATIONS)
@pytest.mark.parametrize("clear", [False, True])
def test_each_gives_a_photo_and_leaves_the_first_alone(name: str, clear: bool) -> None:
    first = photo(clear=clear)
    before = first.pixels.copy()
    changed = TRANSFORMATIONS[name].apply(first)
    assert np.array_equal(first.pixels, before)
    is_small_enough = name.startswith("resize-") and name != "resize-jpeg"
    assert (changed is first) == is_small_enough
    again = TRANSFORMATIONS[name].apply(first)
    assert np.array_equal(changed.pixels, again.pixels)
    if changed.alpha is not None:
        assert changed.alpha.shape == changed.pixels.shape[:2]


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_the_smallest_photo_goes_through(name: str) -> None:
    pixel = Photo(np.full((1, 1, 3), 7, np.uint8))
    side = 256 if name.startswith("read-") else 1
    assert TRANSFORMATIONS[name].apply(pixel).pixels.shape == (side, side, 3)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resize-2048", (2048, 1024)),
        ("resize-1600", (1600, 800)),
        ("resize-1080", (1080, 540)),
        ("resize-720", (720, 360)),
        ("half", (1200, 600)),
        ("read-bicubic", (256, 256)),
        ("read-aliased", (256, 256)),
        ("crop", (2304, 1152)),
        ("resize-jpeg", (1080, 540)),
    ],
)
def test_sizes(name: str, size: tuple[int, int]) -> None:
    changed = TRANSFORMATIONS[name].apply(Photo(np.zeros((1200, 2400, 3), np.uint8)))
    assert (changed.width, changed.height) == size


def test_turning_leaves_no_black_corner() -> None:
    turned = TRANSFORMATIONS["rotate"].apply(Photo(np.full((300, 400, 3), 200, np.uint8)))
    assert int(turned.pixels.min()) >= 199
    assert turned.pixels.shape[:2] < (300, 400)


def test_codecs_lose_more_at_lower_quality() -> None:
    first = photo()
    kept = [
        ssim(first.pixels, TRANSFORMATIONS[name].apply(first).pixels)
        for name in ("jpeg-95", "jpeg-85", "jpeg-75", "jpeg-50")
    ]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] > 0.95


def test_files_are_of_their_kind_and_bare() -> None:
    files = {
        "JPEG": encode_jpeg(photo(), 80),
        "WEBP": encode_webp(photo(), 80),
        "AVIF": encode_avif(photo(), 80),
    }
    for kind, data in files.items():
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == kind
            assert not image.getexif()
            assert "icc_profile" not in image.info
        assert read_photo(data).pixels.shape == photo().pixels.shape


def test_subsampling_is_as_asked() -> None:
    lengths = [len(encode_jpeg(photo(), 90, subsampling=s)) for s in ("4:4:4", "4:2:2", "4:2:0")]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > lengths[2]


def test_transparency_is_kept_or_refused() -> None:
    clear = photo(clear=True)
    assert clear.alpha is not None
    for data in (encode_webp(clear, 80), encode_avif(clear, 80)):
        alpha = read_photo(data).alpha
        assert alpha is not None
        assert np.abs(alpha.astype(int) - clear.alpha).mean() < 2.0
    with pytest.raises(PhotoError, match="cannot hold transparency"):
        encode_jpeg(clear, 80)
    flat = on_white(clear)
    assert flat.alpha is None
    assert (flat.pixels[:60] == 255).all()
    assert np.array_equal(flat.pixels[60:], clear.pixels[60:])


def test_what_cannot_be_written_is_said() -> None:
    with pytest.raises(ValueError, match="quality of 1 to 100, got 101"):
        encode_jpeg(photo(), 101)
    with pytest.raises(ValueError, match="subsampling"):
        encode_jpeg(photo(), 80, subsampling="4:1:0")
    with pytest.raises(
        PhotoError, match=r"cannot be written as WebP, which holds up to 16,383 pixels a side"
    ):
        encode_webp(Photo(np.zeros((1, 16_500, 3), np.uint8)), 80)


def test_readers_with_and_without_antialiasing_see_different_things() -> None:
    stripes = np.zeros((1024, 1024, 3), np.uint8)
    stripes[:, ::3] = 255
    smooth, aliased = (
        TRANSFORMATIONS[name].apply(Photo(stripes)).pixels
        for name in ("read-bicubic", "read-aliased")
    )
    assert aliased.std() > 3.0 * smooth.std()
    small = Photo(stripes[:256, :256])
    assert TRANSFORMATIONS["read-bicubic"].apply(small) is small


def test_codecs_and_sizes_leave_out_what_edits_the_picture() -> None:
    left_out = [name for name in TRANSFORMATIONS if name not in CODECS_AND_SIZES]
    assert left_out == [
        "jpeg-50",
        "read-bicubic",
        "read-aliased",
        "crop",
        "rotate",
        "blur",
        "sharpen",
        "median",
        "5-bit",
    ]
    for name, transformation in CODECS_AND_SIZES.items():
        assert transformation is TRANSFORMATIONS[name]
