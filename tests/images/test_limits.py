"""What each kind of file can hold is known beforehand, and what it holds is read again."""

from __future__ import annotations

import re

import numpy as np
import pytest
from conftest import textured_pixels
from PIL import Image

from cvpire.classifiers.classifier import Classifier
from cvpire.edits.posting import TRANSFORMATIONS
from cvpire.errors import PhotoError
from cvpire.images.encoders import LIMITS, check_fits, encode_avif
from cvpire.images.formats import KINDS, FileFormat
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo, read_written
from cvpire.protection import protect
from cvpire.rehearsal import Scene, rehearse
from cvpire.runs import RUNS


def blank(width: int, height: int) -> Photo:
    return Photo(np.full((height, width, 3), 90, np.uint8))


def of(kind: str) -> FileFormat:
    return FileFormat(kind, None if kind == "PNG" else 80)


# What Pillow's AVIF does, found by trying: 32,768 a side is read again, 32,769 to 65,536 is written
# and refused by its own reader, 65,537 is refused by the writer with a RuntimeError.
@pytest.mark.parametrize(
    ("kind", "width", "height", "most"),
    [
        ("AVIF", 70_000, 20, "32,768 pixels a side"),
        ("AVIF", 40_000, 8, "32,768 pixels a side"),
        ("AVIF", 8, 32_769, "32,768 pixels a side"),
        ("AVIF", 65_536, 1, "32,768 pixels a side"),
        ("WebP", 16_384, 8, "16,383 pixels a side"),
        ("WebP", 8, 16_384, "16,383 pixels a side"),
        ("JPEG", 65_501, 8, "65,500 pixels a side"),
        ("JPEG", 8, 65_536, "65,500 pixels a side"),
    ],
)
def test_what_is_too_large_has_its_sentence_before_any_work(
    kind: str, width: int, height: int, most: str, mean_color_classifier: Classifier
) -> None:
    photo, asked = blank(width, height), []
    mean_color_classifier.register_forward_pre_hook(lambda *_: asked.append(1))
    sentence = (
        f"A photo of {width} x {height} pixels cannot be written as {kind}, which holds up to "
        f"{most}: make it smaller or choose PNG."
    )
    for work in (
        lambda: of(kind).check(photo),
        lambda: of(kind).encode(photo),
        lambda: protect(photo, mean_color_classifier, RUNS["Top1-min"], file_format=of(kind)),
    ):
        with pytest.raises(PhotoError) as raised:
            work()
        assert str(raised.value) == sentence
    assert not asked


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_side_is_written_and_read_again(kind: str) -> None:
    side = min(LIMITS[kind].side, 100_000)
    for width, height in ((side, 1), (1, side)):
        read = of(kind).read_back(blank(width, height))[1]
        assert (read.width, read.height) == (width, height)


def test_an_area_has_its_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dict_of_limits(), "AVIF", LIMITS["AVIF"]._replace(area=999_999))
    check_fits(blank(1000, 999), "AVIF")
    with pytest.raises(PhotoError, match="which holds up to 1 megapixels: make it smaller"):
        check_fits(blank(1000, 1000), "AVIF")
    assert LIMITS["PNG"].side == 2**31 - 1


def dict_of_limits() -> dict[str, object]:
    """The table, as what it is inside."""
    assert isinstance(LIMITS, dict)
    return LIMITS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (3, 5), (2, 2), (17, 1)])
@pytest.mark.parametrize("is_clear", [False, True], ids=["opaque", "clear"])
def test_the_smallest_and_odd_sizes_go_through(
    kind: str, size: tuple[int, int], is_clear: bool
) -> None:
    height, width = size
    pixels = np.full((height, width, 3), (200, 90, 30), np.uint8)
    alpha = np.full((height, width), 128, np.uint8) if is_clear else None
    photo = Photo(pixels, alpha)
    if is_clear and kind == "JPEG":
        with pytest.raises(PhotoError, match="JPEG cannot hold transparency"):
            of(kind).check(photo)
        return
    read = of(kind).read_back(photo)[1]
    assert read.pixels.shape == (height, width, 3)
    # A flat colour survives every codec but for its rounding.
    assert np.abs(read.pixels.astype(int) - pixels).max() <= 6
    assert (read.alpha is None) == (alpha is None)
    if read.alpha is not None:
        assert np.abs(read.alpha.astype(int) - 128).max() <= 4


def test_what_an_encoder_refuses_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (RuntimeError("Failed to encode image"), OSError("broken"), ValueError("5")):

        def refuse(*_: object, raised: Exception = error, **__: object) -> None:
            raise raised

        with monkeypatch.context() as patch:
            patch.setattr(Image.Image, "save", refuse)
            with pytest.raises(PhotoError, match=re.escape(f"written as AVIF ({error})")):
                encode_avif(blank(4, 4), 80)


def test_a_rehearsal_leaves_out_what_cannot_be_written(mean_color_classifier: Classifier) -> None:
    photo = Photo(textured_pixels(2, 33_000))
    scene = Scene(mean_color_classifier, 0, is_attacked=True)
    names = ("avif-60", "webp-80", "jpeg-85", "half")
    tried = [TRANSFORMATIONS[name] for name in names]
    outcomes = rehearse(photo, photo, [scene], transformations=tried)
    done = [o.transformation.name for o in outcomes if o.transformation is not None]
    assert done == ["jpeg-85", "half"]


def test_no_file_of_ours_is_called_damaged() -> None:
    """On the other side of the limit is a file that AVIF's writer makes and its reader refuses."""
    fits = blank(32_768, 2)
    assert read_written(encode_avif(fits, 60), fits).width == 32_768
    assert read_photo(encode_avif(blank(2, 32_768), 60)).height == 32_768
    assert LIMITS["AVIF"] == (32_768, 268_435_456)
