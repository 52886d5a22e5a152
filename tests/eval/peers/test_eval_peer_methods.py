"""The peers themselves: their conditions, their levels and their photos."""

from __future__ import annotations

import pytest
import torch
from conftest import textured_pixels
from peers_helpers import FAKES
from table1_helpers import fake_classifier
from torch import nn

from cvpire.color.variance import threshold_map
from eval import judge, peers
from eval.methods import CONDITIONS, Method, Rounding, Task, methods_for
from eval.passes import CountedClassifier

CLASSIFIER = fake_classifier()


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "load_classifier", fake_classifier)
    monkeypatch.setattr(peers, "methods_for", lambda condition: FAKES)


def test_what_knows_no_grey_levels_is_shown_what_is_written() -> None:
    images = torch.tensor([0.1004, 0.5]).view(2, 1, 1, 1).expand(2, 3, 4, 4).clone()
    images.requires_grad_(True)
    rounding = Rounding(nn.Identity())
    shown = rounding(images)
    assert torch.allclose(shown * 255.0, (images * 255.0).round(), atol=1e-4)
    (gradient,) = torch.autograd.grad(shown.sum(), images)
    assert torch.equal(gradient, torch.ones_like(images))


def test_passes_are_counted_both_ways() -> None:
    counted = CountedClassifier(CLASSIFIER)
    images = torch.rand(3, 3, 32, 32, requires_grad=True)
    with torch.no_grad():
        counted(images)
    logits = counted.differentiable(images)
    torch.autograd.grad(logits.sum(), images)
    assert (counted.forwards, counted.backwards) == (6, 3)
    assert torch.allclose(logits, CLASSIFIER(images), atol=0.05)


def task(condition: str) -> Task:
    image = torch.from_numpy(textured_pixels(40, 36, 1)).permute(2, 0, 1)[None].float() / 255.0
    label = CLASSIFIER(image).argmax(dim=1)
    return Task(
        CountedClassifier(CLASSIFIER).eval(),
        image,
        label,
        CONDITIONS[condition](label, CLASSIFIER.labels),
        threshold_map(image) * (32 / 255),
        seed=0,
    )


@pytest.mark.parametrize("condition", CONDITIONS)
def test_peers_get_every_condition_as_a_class_to_leave(condition: str) -> None:
    given = task(condition)
    model, label = given.as_classes()
    for strength in (0.0, 0.05, 0.3, 1.0):
        noise = torch.rand(given.image.shape, generator=torch.Generator().manual_seed(0))
        images = given.image.lerp(noise, strength)
        is_met = bool(given.condition.is_met(CLASSIFIER(images)))
        assert (int(model(images).argmax()) != int(label)) is is_met
    assert (model is given.classifier) is (condition == "top1")


# What peers are warned of is their own business.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", methods_for("top1"), ids=lambda method: method.name)
def test_the_real_methods_give_photos(method: Method) -> None:
    if not method.is_installed:
        pytest.skip(f"{method.package} is not installed: run `make peers`")
    given = task("top1")
    changed = method.change(given)
    assert changed.shape == given.image.shape
    assert float(changed.detach().min()) >= -1e-6
    assert float(changed.detach().max()) <= 1.0 + 1e-6
    assert given.classifier.backwards > 0


def test_superdeepfool_leaves_the_class_for_every_condition() -> None:
    """It takes a gradient of each class: of ten, or of the two of a condition."""
    (method,) = (method for method in methods_for("top1") if method.name == "SuperDeepFool")
    if not method.is_installed:
        pytest.skip("adv_lib is not installed: run `make peers`")
    for condition in CONDITIONS:
        given = task(condition)
        levels = (method.change(given).detach().clamp(0.0, 1.0) * 255.0).round() / 255.0
        assert bool(given.condition.is_met(CLASSIFIER(levels)))
