"""The least-change search with a fast form of its model, which may err."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from attack_helpers import TwoClasses, grid_images
from least_change_helpers import LABEL, linear_model, search_one, visibility
from torch import Tensor

from cvpire.attacks.base import SAFETY_MARGIN
from cvpire.attacks.conditions import OutOfTop


def biased(model: TwoClasses, error: float) -> Callable[[Tensor], Tensor]:
    return lambda pixels: model(pixels) + torch.tensor([0.0, error])


def test_the_model_decides_and_not_its_fast_form() -> None:
    """Gradients of a form whose logits are off by more than the margin."""
    model = linear_model(grid_images(1, 40, 36), 0.8)
    for error in (-0.05, 0.05):
        result = search_one(model, refinements=20, differentiable=biased(model, error))
        slack = float(OutOfTop(LABEL).slack(model(result.images).detach()))
        assert bool(result.success[0])
        assert SAFETY_MARGIN < slack < 0.03


@pytest.mark.parametrize("honest", [3, 6, 9])
def test_a_fast_form_that_turns_wrong_is_found_out(honest: int) -> None:
    """It is unverified after it proved right, and then calls everything a success."""
    model = linear_model(grid_images(1, 40, 36), 0.8)
    calls = 0

    def turning(pixels: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        logits: Tensor = model(pixels)
        return logits - torch.tensor([0.0, 0.5 if calls > honest else 0.0])

    result = search_one(model, refinements=8, differentiable=turning)
    assert bool(result.success[0])
    assert float(OutOfTop(LABEL).slack(model(result.images).detach())) > SAFETY_MARGIN


def test_where_the_fast_form_is_wrong_only_at_the_border_little_is_lost() -> None:
    """The cheapest change it is unverified about fails in the end, those before it do not."""
    model = linear_model(grid_images(1, 40, 36), 0.8)

    def blind_at_the_border(pixels: Tensor) -> Tensor:
        logits: Tensor = model(pixels)
        slack = OutOfTop(LABEL).slack(logits.detach())
        return logits + torch.stack((0.0 * slack, -0.1 * (slack.abs() < 0.05)), dim=1)

    images = grid_images(1, 40, 36)
    honest = search_one(model, refinements=20)
    result = search_one(model, refinements=20, differentiable=blind_at_the_border)
    assert bool(result.success[0])
    assert float(OutOfTop(LABEL).slack(model(result.images).detach())) > SAFETY_MARGIN
    least, found = (visibility(images, found.images) for found in (honest, result))
    assert least < found < 1.25 * least


def test_a_fast_form_that_is_right_spares_the_model() -> None:
    model = linear_model(grid_images(1, 40, 36), 0.8)
    asked = 0

    def counted(pixels: Tensor) -> Tensor:
        nonlocal asked
        asked += 1
        logits: Tensor = model(pixels)
        return logits

    result = search_one(counted, refinements=20, differentiable=model)
    assert bool(result.success[0])
    assert int(result.steps[0]) > 15
    assert asked <= 5
    # What it finds is what the model would have, asked each time.
    assert torch.equal(result.images, search_one(model, refinements=20).images)
