"""Labelled photos: zips, folders of classes, folders with a label file, and none of these."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
import torch
from conftest import textured_pixels
from PIL import Image

from cvpire.classifiers.labels import Labels
from eval.errors import EvaluationError
from training.photos import LabelledPhotos, find_photos, read_squares

LABELS = Labels("places365", ("bedroom", "temple, asia", "bakery, shop"), (52, 330, 31))


def png(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(textured_pixels(20, 30, seed)).save(buffer, "PNG")
    return buffer.getvalue()


def make(folder: Path, names: list[str]) -> Path:
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(seed))
    return folder


def pairs(found: LabelledPhotos) -> list[tuple[str, int]]:
    return [(photo.name, photo.label) for photo in found.photos]


NAMES = [
    "temple-asia/b.png",
    "bedroom/a.png",
    "bakery_shop/c.jpg",
    "bedroom/notes.txt",
    "cave/a.png",
]
EXPECTED = [("bakery_shop/c.jpg", 2), ("bedroom/a.png", 0), ("temple-asia/b.png", 1)]


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    found = find_photos(make(tmp_path, NAMES), LABELS)
    assert pairs(found) == EXPECTED
    assert found.unknown_classes == ("cave",)


def test_a_zip_is_read_as_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for seed, name in enumerate(NAMES):
            archive.writestr(f"set/{name}", png(seed))
    found = find_photos(path, LABELS)
    assert [(name.removeprefix("set/"), label) for name, label in pairs(found)] == EXPECTED
    folder = find_photos(make(tmp_path / "folder", NAMES), LABELS)
    for one, other in zip(found.photos, folder.photos, strict=True):
        assert (one.read().pixels == other.read().pixels).all()


def test_a_label_file_goes_first(tmp_path: Path) -> None:
    make(tmp_path, ["a.png", "b.png", "c.png"])
    (tmp_path / "labels.csv").write_text("file,places365_index\na.png,330\nc.png,52\n")
    assert pairs(find_photos(tmp_path, LABELS)) == [("a.png", 1), ("c.png", 0)]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "expected labels.csv, or a folder for each class .*; it has none"),
        (["cave/a.png", "mine/b.png"], "its folders are cave, mine"),
    ],
)
def test_nothing_to_look_at_is_one_sentence(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        find_photos(make(tmp_path, names), LABELS)


def test_bad_places_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"PK no zip")
    with pytest.raises(EvaluationError, match="not a zip of photos"):
        find_photos(tmp_path / "photos.zip", LABELS)
    with pytest.raises(EvaluationError, match="There is no file or folder"):
        find_photos(tmp_path / "nowhere", LABELS)


def test_squares_are_squeezed_whole(tmp_path: Path) -> None:
    found = find_photos(make(tmp_path, NAMES), LABELS)
    pixels, labels = read_squares(found.photos, 16, lambda step: None, "reading")
    assert pixels.shape == (3, 3, 16, 16)
    assert pixels.dtype == torch.uint8
    assert labels.tolist() == [2, 0, 1]
    means = [photo.read().pixels.mean() for photo in found.photos]
    assert pixels.float().mean(dim=(1, 2, 3)).tolist() == pytest.approx(means, abs=1.5)
