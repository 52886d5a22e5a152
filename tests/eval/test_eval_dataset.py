"""Which images an evaluation looks at, and the label files that people have."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvpire.classifiers.labels import Labels
from eval.dataset import Dataset, load_dataset
from eval.errors import EvaluationError

PLACES = Labels("places365", ("bathroom", "temple, asia", "kitchen"), (45, 332, 203))
IMAGENET = Labels("imagenet", ("tench", "goldfish"), (0, 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three images, which nobody opens here, and of other files."""
    images = tmp_path / "images"
    images.mkdir()
    for name in ("b.jpg", "a.PNG", "c.webp", "notes.txt", ".hidden.png"):
        (images / name).write_bytes(b"")
    (images / "folder.png").mkdir()
    return images


def load(
    folder: Path, csv: str | bytes, labels: Labels = PLACES, limit: int | None = None
) -> Dataset:
    path = folder.parent / "labels.csv"
    path.write_bytes(csv.encode() if isinstance(csv, str) else csv)
    return load_dataset(folder, path, labels, limit=limit)


def pairs(dataset: Dataset) -> list[tuple[str, int | None]]:
    return [(item.file, item.label) for item in dataset.items]


def test_without_labels_all_images_are_taken_by_name(folder: Path) -> None:
    dataset = load_dataset(folder, None, PLACES)

    assert pairs(dataset) == [("a.PNG", None), ("b.jpg", None), ("c.webp", None)]
    assert dataset.labels_file is None
    assert pairs(load_dataset(folder, None, PLACES, limit=2)) == pairs(dataset)[:2]


@pytest.mark.parametrize(
    "csv",
    [
        "file,places365_index\na.PNG,203\nb.jpg,45\nc.webp,332\n",
        "file,places365_index\r\na.PNG,203\r\nb.jpg,45\r\nc.webp,332\r\n",
        b"\xef\xbb\xbffile,places365_index\na.PNG,203\nb.jpg,45\n\nc.webp,332",
        "places365_index,author,file\n203,x,a.PNG\n45,y,b.jpg\n332,z,c.webp\n",
        "file,places365_name,places365_index\n"
        "a.PNG,/k/kitchen,203\nb.jpg,/b/bathroom,45\nc.webp,/t/temple/asia,332\n",
        ' file , places365_index\n"a.PNG", 203\nb.jpg,45 \nc.webp,332,more\n',
    ],
    ids=["plain", "crlf", "byte order mark", "other order", "names", "spaces"],
)
def test_indices_become_positions_among_the_logits(folder: Path, csv: str | bytes) -> None:
    assert pairs(load(folder, csv)) == [("a.PNG", 2), ("b.jpg", 0), ("c.webp", 1)]


def test_the_column_is_the_classifiers_taxonomy(folder: Path) -> None:
    csv = "file,imagenet_index,places365_index\na.PNG,1,45\n"

    assert pairs(load(folder, csv, IMAGENET)) == [("a.PNG", 1)]
    assert pairs(load(folder, csv, PLACES)) == [("a.PNG", 0)]


def test_what_has_no_counterpart_is_named(folder: Path) -> None:
    dataset = load(folder, "file,places365_index\nz.jpg,45\nb.jpg,45\ny.jpg,45\n")

    assert pairs(dataset) == [("b.jpg", 0)]
    assert dataset.labels_file == "labels.csv"
    assert dataset.unlabelled == ("a.PNG", "c.webp")
    assert dataset.absent == ("y.jpg", "z.jpg")


def test_classes_that_the_classifier_lacks_are_left_out_and_named(folder: Path) -> None:
    dataset = load(folder, "file,places365_index\na.PNG,7\nb.jpg,203\nc.webp,8\n")

    assert pairs(dataset) == [("b.jpg", 2)]
    assert dataset.foreign == ("a.PNG", "c.webp")


def test_a_limit_counts_labelled_images(folder: Path) -> None:
    csv = "file,places365_index\nb.jpg,45\nc.webp,45\n"
    assert pairs(load(folder, csv, limit=1)) == [("b.jpg", 0)]


@pytest.mark.parametrize(
    ("csv", "message"),
    [
        ("", "no column 'file'; its columns are (none)"),
        ("image,places365_index\na.PNG,45\n", "its columns are image, places365_index"),
        (
            "file,imagenet_index\na.PNG,45\n",
            "no column 'places365_index'; its columns are file, im",
        ),
        ("file,places365_index\n", "no rows"),
        ("file,places365_index\na.PNG,45\na.PNG,45\n", "Line 3 of labels.csv names a.PNG a second"),
        ("file,places365_index\na.PNG,kitchen\n", "'kitchen': expected a whole number"),
        ("file,places365_index\na.PNG,-1\n", "'-1': expected a whole number"),
        ("file,places365_index\na.PNG\n", "'': expected a whole number"),
        ("file,places365_index\n,45\n", "Line 2 of labels.csv names no file"),
        ("file,places365_index\na.PNG,7\n", "None of the 1 images shows one of the 3 classes that"),
        (
            "file,places365_name,places365_index\na.PNG,/b/bar,45\n",
            "'/b/bar', but it is 'bathroom'",
        ),
        ("file,places365_index\nx,45\ny,45\n", "None of the 2 files that labels.csv names is in"),
        (b"file,places365_index\n\xff\xfe,45\n", "not a CSV file in UTF-8"),
        ('file,places365_index\n"a.PNG,45\n', "not a CSV file in UTF-8"),
        (b"\x00\x00\x01", "labels.csv"),
    ],
)
def test_a_bad_label_file_is_one_sentence(folder: Path, csv: str | bytes, message: str) -> None:
    with pytest.raises(EvaluationError) as raised:
        load(folder, csv)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_bad_places_are_one_sentence(folder: Path) -> None:
    with pytest.raises(EvaluationError, match=r"images .*nowhere cannot be read \(No such"):
        load_dataset(folder / "nowhere", None, PLACES)
    with pytest.raises(EvaluationError, match=r"cannot be read \(Not a directory\)"):
        load_dataset(folder / "b.jpg", None, PLACES)
    with pytest.raises(EvaluationError, match=r"There are no images in .*expected files that end"):
        load_dataset(folder / "folder.png", None, PLACES)
    with pytest.raises(EvaluationError, match=r"label file .* cannot be read \(No such file"):
        load_dataset(folder, folder / "labels.csv", PLACES)
    with pytest.raises(EvaluationError, match=r"label file .* cannot be read \(Is a directory"):
        load_dataset(folder, folder, PLACES)


def test_of_two_images_that_become_one_file_the_second_is_refused(folder: Path) -> None:
    for name in ("b.png", "c.jpg", "a.gif"):
        (folder / name).write_bytes(b"")
    dataset = load_dataset(folder, None, PLACES)
    assert [item.file for item in dataset.items] == ["a.PNG", "b.jpg", "c.jpg"]
    assert list(dataset.refused) == ["a.gif", "b.png", "c.webp"]
    assert dataset.refused["b.png"] == (
        "b.png and b.jpg would both be written as one file: give one of them another name."
    )
