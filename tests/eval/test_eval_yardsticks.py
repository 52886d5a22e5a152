"""The yardsticks: the packages' own values, what is too small, and what a record keeps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import textured_pixels
from numpy.typing import NDArray
from PIL import Image

from cvpire.images.photo import Photo, encode_png
from cvpire.metrics.difference import Difference
from eval import looks, yardsticks
from eval.looks import LOOKS, Files, look_at_all, looks_of, versions_of
from eval.progress import Progress
from eval.records import Record, RecordStore
from eval.seen import summarise
from eval.yardsticks import JOD, SSIMULACRA2, YARDSTICKS, Yardstick, measure_pair


def pair(height: int = 40, width: int = 36) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A photo, and the same with noise of six levels."""
    clean = textured_pixels(height, width, 1)
    noise = np.random.default_rng(2).integers(-6, 7, clean.shape)
    return clean, np.clip(clean + noise, 0, 255).astype(np.uint8)


def test_ssimulacra2_is_what_the_package_says_of_the_files(tmp_path: Path) -> None:
    from ssimulacra2 import compute_ssimulacra2

    clean, changed = pair()
    for name, pixels in (("clean", clean), ("changed", changed)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    expected = compute_ssimulacra2(str(tmp_path / "clean.png"), str(tmp_path / "changed.png"))
    assert SSIMULACRA2.measure(clean, changed) == pytest.approx(expected, abs=1e-12)
    assert 50.0 < expected < 100.0
    assert SSIMULACRA2.measure(clean, clean) == 100.0


def test_the_jod_is_what_the_package_says() -> None:
    from pycvvdp import cvvdp

    clean, changed = pair()
    model = cvvdp(display_name="standard_fhd", device=torch.device("cpu"))
    expected = float(model.predict(changed, clean, dim_order="HWC")[0])
    assert JOD.measure(clean, changed) == pytest.approx(expected, abs=1e-6)
    assert 9.0 < expected < 10.0
    assert JOD.measure(clean, clean) == 10.0
    # It is built once, and takes photos of any size after that.
    taller = pair(60, 36)
    expected = float(model.predict(taller[1], taller[0], dim_order="HWC")[0])
    assert JOD.measure(*taller) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("yardstick", YARDSTICKS, ids=lambda one: one.name)
def test_a_photo_that_is_too_small_has_no_value(yardstick: Yardstick) -> None:
    assert not np.isnan(yardstick.measure(*pair(yardstick.min_side, 50)))
    assert np.isnan(yardstick.measure(*pair(yardstick.min_side - 1, 50)))
    with pytest.raises(ValueError, match="expected photos of one size"):
        yardstick.measure(pair(40)[0], pair(41)[0])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos and their written files; the second is too small for SSIMULACRA2."""
    for name, (clean, changed) in {"a": pair(), "b": pair(6, 20)}.items():
        (tmp_path / f"{name}.png").write_bytes(encode_png(Photo(clean)))
        (tmp_path / f"{name}-written.png").write_bytes(encode_png(Photo(changed)))
    return tmp_path


DIFFERENCE = dict.fromkeys(Difference._fields, 1.0)


def record(file: str) -> Record:
    return Record(
        run="Top1-L1",
        file=file,
        settings={},
        size=(4, 5),
        label=1,
        label_position=1,
        label_name="one",
        label_is_given=True,
        top1=True,
        top5=True,
        report={
            "verdict": "protected",
            "steps": 1,
            "seconds": 1.0,
            "file_sha256": "0",
            "difference": DIFFERENCE,
        },
    )


def look(folder: Path, store: RecordStore, on_step: Callable[[Progress], None]) -> dict[str, str]:
    found = [store.find("Top1-L1", name) for name in ("a.png", "b.png")]
    records = [one for one in found if one is not None]
    files = {
        one.key: Files(folder / one.file, folder / f"{one.file[0]}-written.png") for one in records
    }
    return look_at_all(records, files, store, on_step)


def kept(store: RecordStore) -> list[Record]:
    found = (store.find("Top1-L1", name) for name in ("a.png", "b.png"))
    return [one for one in found if one is not None]


@pytest.fixture
def store(photos: Path) -> RecordStore:
    made = RecordStore(photos / "records.jsonl")
    for name in ("a.png", "b.png"):
        made.append(record(name))
    return made


def test_records_keep_what_was_found_and_are_not_asked_twice(
    photos: Path, store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[Progress] = []
    assert look(photos, store, steps.append) == {}
    assert [step.done for step in steps] == [0, 1, 2]
    store = RecordStore(photos / "records.jsonl")
    first, second = kept(store)
    assert looks_of(first)["SSIMULACRA2"] == SSIMULACRA2.measure(*pair())
    assert looks_of(first)["JOD"] == pytest.approx(JOD.measure(*pair()), abs=1e-6)
    assert np.isnan(looks_of(second)["SSIMULACRA2"]) and looks_of(second)["JOD"] > 5.0
    seen = summarise([first, second])
    assert seen.ssimulacra2 == seen.ssimulacra2_least == looks_of(first)["SSIMULACRA2"]
    assert versions_of([first, second]) == {
        "ssimulacra2": version("ssimulacra2"),
        "cvvdp": version("cvvdp"),
    }

    def fail(*_: object) -> None:
        raise AssertionError("what was found is kept")

    monkeypatch.setattr(looks, "measure_pair", fail)
    assert look(photos, store, steps.append) == {}


def test_a_release_of_a_package_is_measured_anew(
    photos: Path, store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(photos, store, lambda step: None)
    older = kept(store)[0]
    assert older.report is not None
    other = {"package": "cvvdp", "version": "0.5.6", "value": 3.0}
    values = {**older.report[LOOKS], "JOD": other}
    store.append(replace(older, report={**older.report, LOOKS: values}))
    asked: list[str] = []

    def note(clean: object, changed: object, wanted: list[Yardstick]) -> dict[str, float]:
        asked.extend(one.name for one in wanted)
        return dict.fromkeys((one.name for one in wanted), 7.5)

    monkeypatch.setattr(looks, "measure_pair", note)
    look(photos, store, lambda step: None)
    assert asked == ["JOD"]
    assert looks_of(kept(store)[0])["JOD"] == 7.5
    assert looks_of(kept(store)[0])["SSIMULACRA2"] == SSIMULACRA2.measure(*pair())


def test_a_package_that_is_missing_leaves_its_column_open(
    photos: Path, store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(package: str) -> str:
        if package == "cvvdp":
            raise PackageNotFoundError(package)
        return version(package)

    with monkeypatch.context() as patched:
        patched.setattr(yardsticks, "version", found)
        assert measure_pair(*pair()).keys() == {"SSIMULACRA2"}
        look(photos, store, lambda step: None)
        assert summarise(kept(store)).jod is None
    # Once it is there, what is lacking is added.
    look(photos, store, lambda step: None)
    assert (summarise(kept(store)).jod or 0.0) > 5.0


def test_a_file_that_cannot_be_read_is_that_photo_s_failure(
    photos: Path, store: RecordStore
) -> None:
    (photos / "a-written.png").write_bytes(b"")
    failures = look(photos, store, lambda step: None)
    assert list(failures) == ["a.png"]
    assert "empty (0 bytes)" in failures["a.png"]
    assert looks_of(kept(store)[1])["JOD"] > 5.0


def test_who_ends_the_work_waits_for_no_file_that_nobody_began(
    photos: Path, store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "_WORKERS", 1)
    began, go_on, asked = threading.Event(), threading.Event(), []

    def slow(*_: object) -> dict[str, float]:
        asked.append(1)
        began.set()
        go_on.wait(10.0)
        return {"SSIMULACRA2": 1.0, "JOD": 1.0}

    monkeypatch.setattr(looks, "measure_pair", slow)

    def stop(step: Progress) -> None:
        began.wait(10.0)
        threading.Timer(0.2, go_on.set).start()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look(photos, store, stop)
    assert len(asked) == 1
