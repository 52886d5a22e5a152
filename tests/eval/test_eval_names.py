"""Names in the evaluation: odd ones, their spellings, labels and suffixes."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from pathlib import Path

import eval_failures_helpers
import pytest
from conftest import textured_pixels
from eval_helpers import protected_options
from PIL import Image
from table1_helpers import arguments, measure, options, set_up, timeless

from cvpire.classifiers.labels import Labels
from cvpire.runs import RUNS
from eval.__main__ import main
from eval.dataset import Dataset, load_dataset
from eval.errors import EvaluationError
from eval.records import Record, RecordStore
from eval.robustness import RobustnessOptions, measure_robustness

images = eval_failures_helpers.images

PLACES = Labels("places365", ("bathroom", "kitchen"), (45, 203))
NFC, NFD = "caf\u00e9.png", "cafe\u0301.png"


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(monkeypatch)


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
