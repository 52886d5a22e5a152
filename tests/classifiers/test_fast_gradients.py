"""The form that gradients are taken through: the same function, near enough, and left apart."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from skimage import data
from torch import nn

from cvpire.attacks.conditions import OutOfTop
from cvpire.classifiers import fast_gradients
from cvpire.classifiers.fast_gradients import fold_batch_norm
from cvpire.classifiers.networks.efficientnet_lite import EfficientNetLite0
from cvpire.classifiers.networks.resnet import resnet50
from cvpire.classifiers.registry import load_classifier

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def with_statistics(network: nn.Module) -> nn.Module:
    """Batch norms that do something, unlike those of a new network."""
    torch.manual_seed(1)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None and module.running_var is not None
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 2.0)
                module.weight.uniform_(0.7, 1.3)
                module.bias.normal_(std=0.1)
    return network.eval().requires_grad_(False)


class Plain(nn.Module):
    """A network without a batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layer(images).mean(dim=(-2, -1))
        return logits


@pytest.mark.parametrize("build", [lambda: EfficientNetLite0(10), lambda: resnet50(10), Plain])
def test_folding_changes_neither_the_function_nor_the_network(build: type[nn.Module]) -> None:
    network = with_statistics(build())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = fold_batch_norm(network)
    logits = network(IMAGES)
    assert torch.allclose(folded(IMAGES), logits, atol=1e-4 * float(logits.abs().max()))
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    shared = {p.data_ptr() for p in network.parameters()} & {
        p.data_ptr() for p in folded.parameters()
    }
    assert not shared


def test_a_folded_network_runs_no_batch_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = [fold_batch_norm(with_statistics(n)) for n in (EfficientNetLite0(10), resnet50(10))]

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a batch norm ran")

    monkeypatch.setattr(torch, "batch_norm", fail)
    monkeypatch.setattr(torch, "rsqrt", fail)  # with which Lite folds one anew in each pass
    for network in networks:
        network(IMAGES)


@pytest.mark.parametrize("has_bfloat16", [False, True])
def test_logits_and_gradients_are_near_the_classifier_s(
    has_bfloat16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_gradients, "has_fast_bfloat16", lambda: has_bfloat16)
    classifier = load_classifier("scenes")
    images = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None] / 255.0
    fast = fast_gradients.fast_form(
        classifier.network, classifier.view, classifier.mean, classifier.std
    )
    condition = OutOfTop(classifier(images).argmax(dim=1))
    found = []
    for ask in (classifier, fast):
        pixels = images.clone().requires_grad_(True)
        slack = condition.slack(ask(pixels))
        (gradient,) = torch.autograd.grad(slack.sum(), pixels)
        found.append((slack.detach(), gradient.flatten()))
    (slack, gradient), (fast_slack, fast_gradient) = found
    assert torch.allclose(slack, fast_slack, atol=0.1 if has_bfloat16 else 1e-3)
    cosine = float(torch.cosine_similarity(gradient, fast_gradient, dim=0))
    # With the first layers in bfloat16 it is 0.83.
    assert cosine > (0.95 if has_bfloat16 else 0.999)


@pytest.mark.parametrize("build", [lambda: EfficientNetLite0(365), lambda: resnet50(365)])
def test_logits_have_more_digits_than_bfloat16(
    build: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_gradients, "has_fast_bfloat16", lambda: True)
    network = with_statistics(build())
    mean, std = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)
    logits = fast_gradients.fast_form(network, "native", mean, std)(IMAGES)
    assert logits.dtype == torch.float32
    assert int((logits == logits.bfloat16()).sum()) < 0.1 * logits.numel()
