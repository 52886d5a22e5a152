"""One photo's trouble in the evaluation: it is listed, and the others are measured and kept."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import textured_pixels
from eval_helpers import protected_options
from PIL import Image
from table1_helpers import arguments, measure, options, records_of, set_up, timeless

from cvpire.classifiers.labels import Labels
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.protection import protect_batch
from cvpire.rehearsal import rehearse
from cvpire.runs import RUNS
from eval import judge, originals, protection, robustness, scores
from eval.__main__ import main
from eval.dataset import Dataset, load_dataset
from eval.errors import EvaluationError
from eval.records import Record, RecordStore
from eval.robustness import RobustnessOptions, measure_robustness
from eval.table1 import measure_table1

PLACES = Labels("places365", ("bathroom", "kitchen"), (45, 203))
NFC, NFD = "caf\u00e9.png", "cafe\u0301.png"


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(monkeypatch)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Six pictures of one size: a batch of four, and one of two."""
    folder = tmp_path / "images"
    folder.mkdir()
    for index, name in enumerate("abcdef"):
        Image.fromarray(textured_pixels(32, 32, seed=index)).save(folder / f"{name}.png")
    return folder


def failing_for(real: Callable[..., Any], seed: int, error: Exception) -> Callable[..., Any]:
    """A function of photos (or of a path) that fails where that picture is among them."""
    odd = textured_pixels(32, 32, seed=seed)

    def fail(first: Any, *words: Any, **settings: Any) -> Any:
        photos = [read_photo(first)] if isinstance(first, Path) else first
        photos = photos if isinstance(photos, Sequence) else [photos]
        if any(isinstance(p, Photo) and np.array_equal(p.pixels, odd) for p in photos):
            raise error
        return real(first, *words, **settings)

    return fail


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (TypeError("planted"), "b.png: Internal error, TypeError: planted. This is a fault of"),
        (ValueError("planted"), "b.png: Internal error, ValueError: planted. This is a fault of"),
        (MemoryError(), "b.png: This needs more memory than this machine has free"),
        (OSError(5, "Input/output error"), "b.png: A file could not be read or written: the sys"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize(
    ("module", "name"),
    [(originals, "classify_sights"), (protection, "read_photo"), (protection, "protect_batch")],
    ids=["clean", "reading", "protecting"],
)
def test_one_photo_fails_and_the_table_is_of_the_others(
    module: Any,
    name: str,
    error: Exception,
    sentence: str,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module, name, failing_for(getattr(module, name), 1, error))
    asked = options(images, runs="Top1-L1", batch_size=4)
    assert main(arguments(asked)) == 1
    printed = capsys.readouterr()
    assert "5 images of `images`" in printed.out
    assert f"could not be looked at: 1 image. {sentence}" in printed.out
    assert f"eval: 1 of the photos could not be looked at and are not in the table: {sentence}" in (
        printed.err
    )
    assert "Traceback" not in printed.err
    done = {r.file: r.batch for r in records_of(asked.out) if r.run == "Top1-L1"}
    assert set(done) == {"a.png", "c.png", "d.png", "e.png", "f.png"}
    together = ("a.png", "c.png", "d.png")
    if name == "classify_sights":
        assert done["a.png"] == ("a.png", "c.png", "d.png", "e.png")
    elif name == "read_photo":
        assert [done[file] for file in together] == [together] * 3
        assert done["e.png"] == ("e.png", "f.png")
    else:
        assert [done[file] for file in together] == [(file,) for file in together]
        assert done["e.png"] == ("e.png", "f.png")


def test_the_others_are_what_they_are_without_the_one_that_fails(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = options(images, batch_size=4, out=images.parent / "whole")
    measure(whole)
    failing = failing_for(protect_batch, 1, TypeError("planted"))
    monkeypatch.setattr(protection, "protect_batch", failing)
    part = options(images, batch_size=4, out=images.parent / "part")
    measure(part)
    for run in part.runs:
        assert not (part.out / run.name / "b.png").exists()
        for name in "acdef":
            one, other = (out / run.name / f"{name}.png" for out in (part.out, whole.out))
            assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", ["read_photo", "protect_batch"])
def test_what_is_done_beside_a_failure_is_not_done_again(
    name: str, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = options(images, runs="Top1-L1", batch_size=4)
    real = protect_batch
    calls: list[int] = []

    def counted(photos: Sequence[Photo], *words: Any, **settings: Any) -> Any:
        results = real(photos, *words, **settings)
        calls.append(len(photos))
        return results

    with monkeypatch.context() as patch:
        patch.setattr(protection, "protect_batch", counted)
        fail = failing_for(getattr(protection, name), 1, TypeError("planted"))
        patch.setattr(protection, name, fail)
        measure(asked)
        assert sorted(calls) == ([2, 3] if name == "read_photo" else [1, 1, 1, 2])
        first = timeless(asked.out)
        calls.clear()
        measure(asked)
        assert calls == []
        assert timeless(asked.out) == first
    # Once it works again, it is as if nothing had ever failed.
    measure(asked)
    other = replace(asked, out=images.parent / "other")
    measure(other)
    assert timeless(asked.out) == timeless(other.out)


def test_where_all_fail_the_first_reason_is_given(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TypeError("planted")

    monkeypatch.setattr(protection, "protect_batch", fail)
    assert main(arguments(options(images, runs="Top1-L1"))) == 2
    assert "None of the 6 images could be measured; the first: a.png: Internal error" in (
        capsys.readouterr().err
    )


def test_a_score_that_fails_is_told_of(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake:
        title = "fake (0-1)"

        def score(self, pixels: Any) -> float:
            if np.array_equal(pixels, textured_pixels(32, 32, seed=2)):
                raise ZeroDivisionError("planted")
            return 0.5

    monkeypatch.setattr(scores, "load_scorer", lambda *_, **__: Fake())
    result = measure_table1(options(images, runs="Top1-L1", aesthetics="auto"), lambda step: None)
    assert result.missing == (
        "Without an aesthetic score in Original: c.png: Internal error, ZeroDivisionError: "
        "planted. This is a fault of CV-PIRE, not of your photo: please report it.",
    )
    assert not result.unreadable
    rows = [line for line in result.markdown.splitlines() if line.startswith("| ")]
    assert "| - |" in rows[1] and "| 0.50 |" in rows[2]


def test_a_rehearsal_of_one_photo_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = rehearse, []

    def fail_second(*words: Any, **settings: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("planted")
        return real(*words, **settings)

    monkeypatch.setattr(robustness, "rehearse", fail_second)
    asked = RobustnessOptions(**vars(protected_options(tmp_path, RUNS["Top1-L1"])))
    result = measure_robustness(asked, lambda step: None)
    assert list(result.unreadable) == ["1.png"]
    assert "images 2" in result.markdown.splitlines()[0]


def test_a_fault_of_the_evaluation_is_shown_as_one(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("eval.table1.markdown", fail)
    assert main(arguments(options(images, runs="Top1-L1"))) == 70
    assert capsys.readouterr().err.splitlines()[-1] == (
        "eval: Internal error, RuntimeError: planted. This is a fault of CV-PIRE, not of your "
        "photo: please report it."
    )
    monkeypatch.setattr(judge, "load_classifier", fail)
    with pytest.raises(RuntimeError, match="planted"):
        measure(options(images))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse some of these names")
def test_odd_names_are_measured_and_written_as_utf_8(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [b"caf\xe9.png", b"esc\x1b[31m.png", b"two\nlines.png", b"n" * 251 + b".jpg"]
    names += ["\u202egnp.png".encode(), b"bad\xff.gif"]
    for seed, name in enumerate(names):
        image = Image.fromarray(textured_pixels(32, 32, seed=10 + seed))
        kind = "JPEG" if name.endswith(b".jpg") else "PNG"
        data = images.parent / "data"
        image.save(data, kind)
        is_cut = name.endswith(b".gif")
        (images / os.fsdecode(name)).write_bytes(data.read_bytes()[: 200 if is_cut else None])
    asked = options(images)
    assert main(arguments(asked)) == 1
    printed = capsys.readouterr()
    assert "11 images of `images`" in printed.out
    assert not {"\x1b", "\u202e", "\udcff"} & set(printed.out + printed.err)
    assert "bad\\xff.gif is cut off or damaged" in printed.out
    for file in ("records.jsonl", "table1.md", "table1.csv"):
        (asked.out / file).read_bytes().decode("utf-8", "strict")
    lines = (asked.out / "records.jsonl").read_text().splitlines()
    found = {os.fsencode(json.loads(line)["file"]) for line in lines}
    assert set(names[:-1]) < found
    written = [os.fsencode(path.name) for path in (asked.out / "Top1-L1").iterdir()]
    assert len(written) == 11 and max(map(len, written)) == 255
    first = timeless(asked.out)
    assert main(arguments(asked)) == 1
    assert timeless(asked.out) == first


def test_a_record_of_any_name_survives_its_line(tmp_path: Path) -> None:
    for name in ("caf\udce9.png", "a\nb\u2028\x1b.png", "straße.png", "\ud800.png"):
        record = Record("Original", name, {}, (1, 1), 1, 1, "class", True, True, True)
        assert Record.from_line(record.to_line().encode().decode()) == record
        store = RecordStore(tmp_path / "records.jsonl")
        store.append(record)
        assert RecordStore(tmp_path / "records.jsonl").find("Original", name) == record


def folder_of(folder: Path, *names: str) -> Path:
    images = folder / "in"
    images.mkdir()
    for name in names:
        (images / name).write_bytes(b"")
    return images


def load(images: Path, *rows: str) -> Dataset:
    csv = images.parent / "labels.csv"
    csv.write_text("\n".join(("file,places365_index", *rows)), encoding="utf-8")
    return load_dataset(images, csv, PLACES)


@pytest.mark.parametrize(
    ("in_csv", "in_folder"), [(NFC, NFD), (NFD, NFC), ("A\u030a.jpg", "Å.jpg")]
)
def test_a_label_finds_its_file_in_either_spelling(
    in_csv: str, in_folder: str, tmp_path: Path
) -> None:
    images = folder_of(tmp_path, in_folder, "other.png")
    dataset = load(images, f"{in_csv},203", "other.png,45")
    assert sorted((item.file, item.label) for item in dataset.items) == sorted(
        [(in_folder, 1), ("other.png", 0)]
    )
    assert (dataset.absent, dataset.unlabelled, dataset.ambiguous) == ((), (), ())


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has one file of the two names")
def test_two_files_that_differ_only_in_their_spelling_are_each_their_own(tmp_path: Path) -> None:
    images = folder_of(tmp_path, NFC, NFD, "other.png")
    both = load(images, f"{NFC},45", f"{NFD},203")
    assert {item.file: item.label for item in both.items} == {NFC: 0, NFD: 1}
    one = load(images, f"{NFC},45", "other.png,45")
    assert {item.file: item.label for item in one.items} == {NFC: 0, "other.png": 0}
    assert one.unlabelled == (NFD,)
    assert len(load_dataset(images, None, PLACES).items) == 3


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has one file of the two names")
def test_a_label_that_may_mean_two_files_means_none_of_them(tmp_path: Path) -> None:
    # Three spellings of one name: both marks, one, none of them put together with its letter.
    whole, half = "\u1e69.png", "\u1e63\u0307.png"
    apart = unicodedata.normalize("NFD", whole)
    images = folder_of(tmp_path, whole, half, "other.png")
    dataset = load(images, f"{apart},45", "other.png,45")
    assert [item.file for item in dataset.items] == ["other.png"]
    assert set(dataset.ambiguous) == {whole, half}
    assert (dataset.absent, dataset.unlabelled) == ((), ())


def test_the_caption_counts_what_is_no_photo(images: Path) -> None:
    for name in ("notes.txt", "more.TXT", "clip.mov", ".DS_Store", "._a.png", "Thumbs.db"):
        (images / name).write_bytes(b"")
    text = measure(options(images, runs="Top1-L1"))
    assert "- Left out of the folder: 3 other files (.txt 2, .mov 1).\n" in text
    assert "6 images of `images`" in text
    (images.parent / "other").mkdir()
    plain = protected_options(images.parent / "other", RUNS["Top1-L1"])
    asked = RobustnessOptions(**{**vars(plain), "images": images})
    result = measure_robustness(asked, lambda step: None)
    assert "left out of the folder 3 other files (.txt 2, .mov 1)" in result.markdown


def test_photos_of_all_suffixes_are_found(tmp_path: Path) -> None:
    names = ["a.hif", "b.HEICS", "c.heifs", "d.dib", "e.apng", "f.avifs", "g.jif", "h.JPE", "i.tif"]
    images = folder_of(tmp_path, *names, "x.txt")
    dataset = load_dataset(images, None, PLACES)
    assert [item.file for item in dataset.items] == sorted(names)
    assert dataset.others == {".txt": 1}


def test_a_folder_without_photos_says_what_it_has(tmp_path: Path) -> None:
    images = folder_of(tmp_path, "a.mov", "b.mov")
    with pytest.raises(EvaluationError, match=r"There are no images .* 2 other files \(\.mov 2\)"):
        load_dataset(images, None, PLACES)


def test_the_folder_of_results_has_a_name_that_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / ("n" * 255)
    images.mkdir()
    Image.fromarray(textured_pixels(32, 32)).save(images / "a.png")
    monkeypatch.chdir(tmp_path)
    words = ["--images", str(images), "--runs", "Top1-L1", "--aesthetics", "no"]
    assert main(["table1", *words, "--classifier", "fake"]) == 0
    (out,) = (tmp_path / "results").iterdir()
    assert len(out.name) == 255 and (out / "Top1-L1" / "a.png").exists()
