"""What saving as a JPEG alone does: against Pillow, and on a strip of a large photo."""

from __future__ import annotations

import io

import numpy as np
import pytest
from conftest import textured_pixels
from numpy.typing import NDArray
from PIL import Image
from watches import Told

from cvpire.images.photo import Photo
from cvpire.metrics import references
from cvpire.metrics.blotches import Blotch
from cvpire.metrics.difference import compare, ssim
from cvpire.metrics.grades import grade_difference
from cvpire.metrics.references import measure_references


def saved_by_pillow(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(buffer).convert("RGB"))


def test_each_is_what_pillow_s_jpeg_does() -> None:
    photo = Photo(textured_pixels(64, 90))
    found = measure_references(photo, None)
    assert [reference.file_format for reference in found] == ["JPEG 75", "JPEG 90"]
    for reference, quality in zip(found, (75, 90), strict=True):
        expected = saved_by_pillow(photo.pixels, quality)
        assert reference.difference == compare(photo.pixels, expected, np.ones((64, 90)))
        assert reference.visibility == grade_difference(reference.difference)
        assert (reference.columns, reference.is_whole) == ((0, 90), True)
    assert found[0].difference.ssim < found[1].difference.ssim < 1.0


def test_transparency_is_laid_on_white() -> None:
    pixels = textured_pixels()
    alpha = np.full((48, 48), 255, np.uint8)
    alpha[:, :20] = 0
    white = pixels.copy()
    white[:, :20] = 255
    found = measure_references(Photo(pixels, alpha), None)
    assert found == measure_references(Photo(white), None)
    assert found[0].difference.ssim == pytest.approx(ssim(white, saved_by_pillow(white, 75)))


@pytest.mark.parametrize(
    ("x", "columns"), [(None, (34, 67)), (50, (34, 67)), (3, (0, 33)), (99, (67, 100))]
)
def test_a_strip_of_a_large_photo_lies_where_the_change_is_strongest(
    x: int | None, columns: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "WHOLE_PIXELS", 30 * 33)
    photo = Photo(textured_pixels(30, 100))
    first = measure_references(photo, None if x is None else Blotch(x, 10, 3.0))[0]
    assert (first.columns, first.is_whole) == (columns, False)
    strip = slice(*columns)
    saved = saved_by_pillow(photo.pixels, 75)  # the whole photo's file, not the strip's
    expected = compare(photo.pixels[:, strip], saved[:, strip], np.ones((30, 33)))
    assert first.difference == expected


def test_a_photo_of_exactly_so_many_pixels_is_measured_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(references, "WHOLE_PIXELS", 30 * 40)
    assert measure_references(Photo(textured_pixels(30, 40)), None)[0].is_whole
    assert not measure_references(Photo(textured_pixels(30, 41)), None)[0].is_whole


def test_a_photo_that_no_jpeg_is_as_wide_as_has_none() -> None:
    assert measure_references(Photo(np.zeros((1, 65_501, 3), np.uint8)), None) == ()
    assert len(measure_references(Photo(np.zeros((1, 65_500, 3), np.uint8)), None)) == 2


def test_one_pixel() -> None:
    found = measure_references(Photo(np.array([[[10, 200, 90]]], np.uint8)), None)
    assert [np.isnan(reference.difference.ssim) for reference in found] == [True, True]


def test_somebody_may_end_the_work() -> None:
    asked: list[None] = []

    def check() -> None:
        asked.append(None)
        if len(asked) == 2:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        measure_references(Photo(textured_pixels()), None, Told(check=check))
