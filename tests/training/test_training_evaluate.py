"""The accuracy of a classifier on labelled photos."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from conftest import textured_pixels
from PIL import Image

from training.evaluate import Answer, main, measure, summary
from training.photos import find_photos


def test_the_figures_are_counted() -> None:
    answers = [
        Answer(0, top1=True, top5=True, seconds=0.01),
        Answer(0, top1=False, top5=True, seconds=0.03),
        Answer(2, top1=False, top5=False, seconds=0.02),
        Answer(1, top1=True, top5=True, seconds=0.02),
    ]
    assert summary(answers, ("attic", "bar", "cave")).splitlines() == [
        "photos   4 of 3 classes",
        "top-1    0.5000",
        "top-5    0.7500",
        "a photo  20 ms (median, reading left out)",
        "weakest  cave 0.00, attic 0.50, bar 1.00",
    ]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for index, name in enumerate(("bedroom/a.png", "temple-asia/b.png", "cave/c.png")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True)
        Image.fromarray(textured_pixels(40, 60, seed=index)).save(path)
    return tmp_path / "photos"


def test_a_folder_never_seen(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(photos)]) == 0
    printed = capsys.readouterr()
    assert "photos, scenes, view resize" in printed.out
    assert "photos   2 of 2 classes" in printed.out
    assert "left out 1 folders that are no class of scenes: cave" in printed.err


def test_a_broken_photo_is_named_and_left_out(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "bedroom" / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    assert main([str(photos)]) == 1
    printed = capsys.readouterr()
    assert "photos   2 of 2 classes" in printed.out
    assert "left out bedroom/broken.jpg" in printed.err


def test_bad_commands_are_one_sentence(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, message in (
        ([str(tmp_path / "nowhere")], "There is no file or folder"),
        ([str(photos), "--classifier", "other"], "There is no classifier 'other'"),
        ([str(photos), "--classifier", "lite0-imagenet"], "its folders are bedroom, cave, temple"),
    ):
        assert main(words) == 2
        printed = capsys.readouterr().err
        assert message in printed
        assert "Traceback" not in printed


def test_the_embedded_classifier_knows_real_scenes(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Well below the measured figures (the model card's), and far above chance."""
    from cvpire.classifiers.registry import load_classifier

    classifier = load_classifier("scenes")
    with zipfile.ZipFile(shared / "data/miniplaces-val.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")][::10]
        for name in names:
            archive.extract(name, tmp_path / "val")
    shutil.copytree(shared / "data/houses", tmp_path / "houses")
    for folder, least1, least5 in (("val", 0.5, 0.8), ("houses", 0.85, 0.97)):
        found = find_photos(tmp_path / folder, classifier.labels)
        answers, unreadable = measure(classifier, found.photos, lambda step: None)
        assert not unreadable
        assert sum(answer.top1 for answer in answers) / len(answers) >= least1
        assert sum(answer.top5 for answer in answers) / len(answers) >= least5
