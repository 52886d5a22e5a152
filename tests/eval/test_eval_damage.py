"""Plain damage: what it does to pixels, what is kept of it, and what it cannot do."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import textured_pixels
from eval_helpers import protected_options, table_rows
from PIL import Image
from scipy.ndimage import gaussian_filter
from table1_helpers import fake_classifier

from cvpire.errors import PhotoError
from cvpire.images.photo import Photo
from cvpire.runs import RUNS
from eval import damaged_photos, judge
from eval.damage import DAMAGES, Damage, damaged
from eval.records import RecordStore
from eval.robustness import RobustnessOptions, measure_robustness

PHOTO = Photo(textured_pixels(64, 80, 5))


@pytest.mark.parametrize(
    ("name", "kind", "quality"), [("JPEG 90", "JPEG", 90), ("JPEG 75", "JPEG", 75)]
)
def test_a_jpeg_is_pillows(name: str, kind: str, quality: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(PHOTO.pixels).save(buffer, kind, quality=quality, subsampling="4:2:0")
    expected = np.array(Image.open(buffer))
    assert np.array_equal(damaged(DAMAGES[name], PHOTO).pixels, expected)


def test_a_webp_is_pillows() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PHOTO.pixels).save(buffer, "WEBP", quality=80)
    expected = np.array(Image.open(buffer).convert("RGB"))
    assert np.array_equal(damaged(DAMAGES["WebP 80"], PHOTO).pixels, expected)


def test_the_blur_is_a_gaussian_of_a_pixel() -> None:
    found = damaged(DAMAGES["blur"], PHOTO).pixels.astype(float)
    expected = gaussian_filter(PHOTO.pixels.astype(float), (1.0, 1.0, 0.0))
    # Pillow's is three box filters, and it rounds.
    assert np.abs(found - expected)[4:-4, 4:-4].mean() < 1.0
    assert np.abs(found - PHOTO.pixels).mean() > 5.0


def test_the_noise_has_a_deviation_of_four_levels_and_is_always_the_same() -> None:
    grey = Photo(np.full((200, 200, 3), 128, np.uint8))
    first, again = (damaged(DAMAGES["noise"], grey).pixels for _ in range(2))
    assert np.array_equal(first, again)
    moved = first.astype(float) - 128.0
    # Rounding adds a variance of 1/12; the mean of so many draws is off by some thousandths.
    assert moved.std() == pytest.approx(np.sqrt(16.0 + 1.0 / 12.0), abs=0.03)
    assert moved.mean() == pytest.approx(0.0, abs=0.05)


def test_transparency_is_seen_on_white() -> None:
    clear = Photo(PHOTO.pixels, np.zeros(PHOTO.pixels.shape[:2], np.uint8))
    found = damaged(DAMAGES["JPEG 75"], clear)
    assert found.alpha is None
    assert bool((found.pixels == 255).all())


RUN = RUNS["Top1-noL1"]


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RobustnessOptions:
    monkeypatch.setattr(judge, "load_classifier", fake_classifier)
    return RobustnessOptions(**vars(protected_options(tmp_path, RUN)), edits="codecs")


def test_damage_is_done_once_and_judged_as_the_first_run_is(
    options: RobustnessOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    blackened = Damage("blur", "", lambda photo: photo.with_pixels(np.zeros_like(photo.pixels)))
    monkeypatch.setattr(damaged_photos, "DAMAGES", {"blur": blackened})

    def measure(asked: RobustnessOptions) -> dict[str, dict[str, str]]:
        return table_rows(measure_robustness(asked, lambda step: None).markdown)

    first = measure(options)["blur, sigma 1 pixel"]
    store = RecordStore(options.out / "records.jsonl")
    conditions = {store_condition(store, f"{n}.png") for n in range(3)}
    assert conditions == {"OutOfTop(k=1)"}

    def fail(*_: object) -> Photo:
        raise AssertionError("what was damaged is kept")

    monkeypatch.setattr(damaged_photos, "damaged", fail)
    five = replace(RUN, name="Five", condition=RUNS["Top5-min"].condition)
    second = measure(replace(options, runs=(five,)))["blur, sigma 1 pixel"]
    store = RecordStore(options.out / "records.jsonl")
    assert {store_condition(store, f"{n}.png") for n in range(3)} == {"OutOfTop(k=5)"}
    assert second["SSIM (least)"] == first["SSIM (least)"]
    assert float(second["as written"].rstrip("%")) <= float(first["as written"].rstrip("%"))


def store_condition(store: RecordStore, file: str) -> str:
    record = store.find("blur", file)
    assert record is not None and record.report is not None
    return str(record.report["condition"])


def test_damage_that_cannot_be_done_to_a_photo_is_left_out_and_said(
    options: RobustnessOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(damage: Damage, photo: Photo) -> Photo:
        if damage.name == "WebP 80":
            raise PhotoError("A photo of 1 x 2 pixels cannot be written as WebP.")
        return damaged(damage, photo)

    monkeypatch.setattr(damaged_photos, "damaged", too_large)
    result = measure_robustness(options, lambda step: None)
    titles = [one.title for one in DAMAGES.values() if one.name != "WebP 80"]
    assert list(table_rows(result.markdown)) == [RUN.name, *titles]
    assert result.missing == (
        "WebP 80 is not in the table: 0.png: A photo of 1 x 2 pixels cannot be written as WebP.",
    )
    assert not result.unreadable
