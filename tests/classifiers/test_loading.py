"""The loading of real weights and of files of the same form, once for all views."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MeanColorNetwork, mean_color_spec
from registry_helpers import images

from cvpire.classifiers import registry as classifiers
from cvpire.classifiers.classifier import classify
from cvpire.classifiers.networks.resnet import resnet50
from cvpire.classifiers.registry import CLASSIFIERS, load_classifier, shared_classifier
from cvpire.classifiers.sources import DownloadedWeights
from cvpire.errors import SettingsError, WeightsError
from cvpire.images.reading import read_photo
from cvpire.weights.store import import_weights


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CVPIRE_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


@pytest.mark.parametrize("legacy", [True, False])
def test_a_places365_checkpoint_of_either_format(
    legacy: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = resnet50(num_classes=365)
    state = {
        f"module.{name}": value
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    path = home / "resnet50_places365.pth.tar"
    content = {"epoch": 90, "arch": "resnet50", "state_dict": state, "best_prec1": 54.7}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    spec = CLASSIFIERS["resnet50-places365"]
    assert isinstance(spec.weights, DownloadedWeights)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    renamed = dataclasses.replace(spec, weights=dataclasses.replace(spec.weights, sha256=digest))
    monkeypatch.setattr(classifiers, "CLASSIFIERS", {spec.name: renamed})

    classifier = load_classifier("auto")
    assert (classifier.spec.name, classifier.view) == ("resnet50-places365", "native")
    image = torch.rand(1, 3, 64, 64)
    normalised = (image - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(1, 3, 1, 1)
    with torch.no_grad():
        expected = network.eval()(normalised)
        assert torch.allclose(classifier(image), expected, atol=1e-5 * float(expected.abs().max()))


def test_lite0_reads_real_photos_as_published(shared: Path) -> None:
    classifier = load_classifier("lite0-imagenet")
    folder = shared / "data" / "nips2017"
    with (folder / "labels.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    right = [
        int(classify(read_photo(folder / row["file"]), classifier).argmax())
        == int(row["imagenet_index"])
        for row in rows
    ]
    assert len(right) == 100
    assert np.mean(right) >= 0.85


def test_a_file_without_an_address_can_only_be_imported(
    shared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CVPIRE_HOME", str(tmp_path))
    spec = CLASSIFIERS["squeezenet-places365"]
    with pytest.raises(WeightsError, match="No address of squeezenet_places365"):
        load_classifier(spec.name)
    assert isinstance(spec.weights, DownloadedWeights)
    assert not spec.weights.is_public
    import_weights(shared / "models" / "squeezenet_places365.safetensors", spec.weights)
    classifier = load_classifier(spec.name)
    folder = shared / "data" / "houses"
    with (folder / "labels.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))[::4]
    found = [
        int(row["places365_index"])
        in classify(read_photo(folder / row["file"]), classifier).topk(5).indices
        for row in rows
    ]
    assert np.mean(found) >= 0.7


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only classifier's weights."""
    path = tmp_path / "mean-color.pth"
    torch.save(MeanColorNetwork().state_dict(), path)
    spec = mean_color_spec(weights=path)
    monkeypatch.setattr(classifiers, "CLASSIFIERS", {spec.name: spec})
    return path


def test_a_classifier_is_loaded_once_for_all_views(stored: Path) -> None:
    first = shared_classifier("mean-color")
    assert shared_classifier("mean-color") is first
    other = shared_classifier("mean-color", view="crop")
    assert (other.view, other.network) == ("crop", first.network)
    with pytest.raises(SettingsError, match="expected a view of native, resize, crop, got 'up'"):
        shared_classifier("mean-color", view="up")


def test_a_classifier_is_loaded_again_when_its_file_changed(stored: Path) -> None:
    first = shared_classifier("mean-color")
    status = stored.stat()
    network = MeanColorNetwork()
    network.weight.neg_()
    torch.save(network.state_dict(), stored)
    # Also where size and time are those of the file before.
    os.utime(stored, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert stored.stat().st_size == status.st_size
    again = shared_classifier("mean-color")
    assert torch.equal(again(images()), network(images() - 0.5))
    assert not torch.equal(again(images()), first(images()))
    stored.write_bytes(b"damaged")
    with pytest.raises(WeightsError):
        shared_classifier("mean-color")
    stored.unlink()
    with pytest.raises(WeightsError):
        shared_classifier("mean-color")


def test_a_classifier_of_another_registry_is_another(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shared_classifier("mean-color")
    spec = dataclasses.replace(mean_color_spec(weights=stored), mean=(0.1, 0.2, 0.3))
    monkeypatch.setattr(classifiers, "CLASSIFIERS", {spec.name: spec})
    again = shared_classifier("mean-color")
    assert again is not first and again.spec is spec
