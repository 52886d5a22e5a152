"""The weights that come along: they load, they recognise, and damage is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvpire.classifiers.classifier import classify
from cvpire.classifiers.registry import find_spec, load_classifier
from cvpire.classifiers.sources import DownloadedWeights
from cvpire.errors import WeightsError
from cvpire.images.reading import read_photo


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CVPIRE_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_the_packaged_weights_load_and_recognise_a_coffee_cup() -> None:
    import skimage

    photo = read_photo(Path(skimage.__file__).parent / "data" / "coffee.png")
    classifier = load_classifier("lite0-imagenet", view="resize")
    logits = classify(photo, classifier)
    best = classifier.predictions(logits, 5)
    assert {"espresso", "cup"} & {prediction.name for prediction in best[:2]}
    assert [p.probability for p in best] == sorted((p.probability for p in best), reverse=True)
    assert not any(parameter.requires_grad for parameter in classifier.parameters())
    assert not classifier.training


def test_auto_prefers_the_paper_s_classifier_where_its_weights_are(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_spec("auto").name == "scenes"
    monkeypatch.setattr(DownloadedWeights, "locate", lambda self: home / "there")
    assert find_spec("auto").name == "resnet50-places365"


def test_the_embedded_weights_name_the_scene_and_its_group() -> None:
    import gradio

    photo = read_photo(Path(gradio.__file__).parent / "media_assets/images/tower.jpg")
    classifier = load_classifier("scenes")
    best = classifier.predictions(classify(photo, classifier))
    temple = next(prediction for prediction in best if prediction.name == "temple, asia")
    assert (temple.class_index, temple.group, temple.is_sensitive) == (330, "worship", True)


def test_damaged_embedded_weights_say_where_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvpire.data.FOLDER", tmp_path)
    for content in (None, b"cut"):
        if content is not None:
            (tmp_path / "scenes.safetensors").write_bytes(content)
        with pytest.raises(WeightsError, match="missing or damaged: get it again from the repos"):
            load_classifier("scenes")
