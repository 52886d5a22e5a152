"""A classifier's fast form follows what it is made of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from registry_helpers import images

from cvpire.classifiers.classifier import Classifier
from cvpire.classifiers.networks.efficientnet_lite import EfficientNetLite0
from cvpire.classifiers.registry import load_classifier


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
