"""The least-change search: known best changes on a linear model, and what must always hold."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from attack_helpers import TwoClasses, grid_images, levels
from conftest import textured_pixels
from least_change_helpers import (
    LABEL,
    find_least_change,
    linear_model,
    search_one,
    visibility,
)
from torch import Tensor
from watches import Told

from cvpire.attacks.base import SAFETY_MARGIN
from cvpire.attacks.conditions import OutOfTop
from cvpire.color.variance import epsilon_map, threshold_map
from cvpire.metrics.difference import delta_e_map
from cvpire.watch import AttackStep


def test_a_linear_goal_is_met_by_next_to_the_least_visible_change() -> None:
    """Against the best of many greedy changes, pixel by pixel, of what gains most for its cost."""
    images = grid_images(1, 40, 36)
    bound = torch.full((1, 1, 40, 36), 3 / 255)
    model = linear_model(images, 0.8)
    result = find_least_change(model, images, bound, OutOfTop(LABEL), max_steps=20, refinements=25)
    assert bool(result.success[0])
    slack = OutOfTop(LABEL).slack(model(result.images).detach())
    # On a linear model nothing but the grid keeps it from the line.
    assert SAFETY_MARGIN < float(slack) < 0.03

    best = greedy(images, model)
    assert visibility(images, result.images) < 1.1 * visibility(images, best)


def test_the_rival_is_the_class_that_is_reached_by_less_not_the_nearest() -> None:
    images, (twin, own, other) = (
        grid_images(1, 40, 36),
        torch.randn(3, 3, 40, 36, generator=torch.Generator().manual_seed(3)),
    )
    # What lowers the label lowers the nearest class, too.
    weight = torch.stack((0.92 * own + 0.39 * twin, own, other))
    at_rest = torch.einsum("khw...,nhw...->nk", weight, images)
    bias = torch.tensor([-1.0, 0.0, -1.3]) - at_rest

    def model(pixels: Tensor) -> Tensor:
        return torch.einsum("khw...,nhw...->nk", weight, pixels) + bias

    result = search_one(model, refinements=10)
    assert bool(result.success[0])
    assert int(model(result.images).argmax()) == 2


def greedy(images: Tensor, model: TwoClasses) -> Tensor:
    """Move single channels by a level, those of the largest weight for their dE00 first."""
    pixels = levels(images[0]).permute(1, 2, 0).to(torch.uint8).numpy()
    weight = model.weight.detach()
    ratios = []
    for channel in range(3):
        step = pixels.astype(int)
        step[..., channel] -= weight[channel].sign().int().numpy()
        step = step.clip(0, 255).astype("uint8")
        cost = torch.from_numpy(delta_e_map(pixels, step)) / (0.026 * pixels[..., 0].size)
        ratios.append(torch.where(cost > 0.0, weight[channel].abs() / cost, 0.0))
    order = torch.stack(ratios).flatten().argsort(descending=True)
    low, high = 0, len(order)
    while high - low > 1:
        middle = (low + high) // 2
        changed = images.clone()
        chosen = torch.zeros(len(order))
        chosen[order[:middle]] = 1.0
        changed[0] -= chosen.view_as(weight) * weight.sign() / 255.0
        met = float(OutOfTop(LABEL).slack(model(changed).detach())) > SAFETY_MARGIN
        low, high, best = (low, middle, changed) if met else (middle, high, locals().get("best"))
    assert best is not None
    return best.clamp(0.0, 1.0)


def test_no_channel_leaves_its_bound_nor_the_grid() -> None:
    images = grid_images(3)
    bound = epsilon_map(threshold_map(images), 12 / 255)
    model = linear_model(images, 2.0)
    labels = torch.ones(3, dtype=torch.int64)
    result = find_least_change(model, images, bound, OutOfTop(labels), max_steps=30, refinements=10)
    change = (levels(result.images) - levels(images)).abs()
    assert bool((change <= bound * 255.0 * (1.0 + 1e-6)).all())
    assert torch.allclose(result.images * 255.0, levels(result.images), atol=1e-4)
    assert float(result.images.min()) >= 0.0
    assert float(result.images.max()) <= 1.0
    assert bool(result.success.all())


def test_an_unreachable_goal_is_a_failure_with_the_best_attempt() -> None:
    images = grid_images(1)
    bound = torch.full((1, 1, 24, 20), 1 / 255)
    model = linear_model(images, 1e3)
    result = find_least_change(model, images, bound, OutOfTop(LABEL), max_steps=40, refinements=5)
    assert not bool(result.success[0])
    assert int(result.steps[0]) == 40
    before, after = (model(pixels).detach()[0, 1] for pixels in (images, result.images))
    assert float(after) < float(before)


def test_what_needs_nothing_or_cannot_change_is_left_alone() -> None:
    images = grid_images(2)
    bound = torch.full((2, 1, 24, 20), 4 / 255)
    bound[1] = 0.5 / 255  # no channel can move by a whole level
    model = linear_model(images, 1.0)
    model.offset[0] += 2.0  # the first image's label is not the first class
    labels = torch.ones(2, dtype=torch.int64)
    result = find_least_change(model, images, bound, OutOfTop(labels), max_steps=9, refinements=9)
    assert torch.equal(result.images, images)
    assert result.success.tolist() == [True, False]
    assert result.steps.tolist() == [0, 0]


def test_it_improves_with_each_refinement() -> None:
    images = grid_images(1, 40, 36)
    bound = torch.full((1, 1, 40, 36), 3 / 255)
    model = linear_model(images, 0.8)
    costs = []
    for refinements in (0, 3, 25):
        result = find_least_change(
            model,
            images,
            bound,
            OutOfTop(LABEL),
            max_steps=20,
            refinements=refinements,
        )
        assert bool(result.success[0])
        costs.append(visibility(images, result.images))
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > costs[-1]


def test_steps_are_reported_with_what_is_known() -> None:
    images = grid_images(2)
    bound = torch.full((2, 1, 24, 20), 3 / 255)
    seen: list[AttackStep] = []
    labels = torch.ones(2, dtype=torch.int64)
    result = find_least_change(
        linear_model(images, 0.5),
        images,
        bound,
        OutOfTop(labels),
        max_steps=10,
        refinements=4,
        watch=Told(seen.append),
    )
    assert [step.step for step in seen] == list(range(len(seen)))
    # How many are left is known once the condition is met.
    assert seen[0].max_steps == 14
    assert seen[-1].max_steps == seen[-1].step
    assert all(a.max_steps >= b.max_steps for a, b in itertools.pairwise(seen))
    assert len(seen) == int(result.steps.max()) + 1
    assert not seen[0].success.any()
    assert bool(seen[-1].success.all())
    # What has been found is never given up.
    for before, after in itertools.pairwise(seen):
        assert not bool((before.success & ~after.success).any())


def test_images_do_not_depend_on_their_batch() -> None:
    torch.manual_seed(3)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 5, stride=2),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(32, 6),
    ).requires_grad_(False)
    images = grid_images(3, 40, 36)
    bound = torch.full((3, 1, 40, 36), 30 / 255)
    labels = model(images).argmax(dim=1)
    settings: dict[str, Any] = {"max_steps": 20, "refinements": 8}
    together = find_least_change(model, images, bound, OutOfTop(labels), **settings)
    assert bool(together.success.all())
    for index in range(3):
        one = slice(index, index + 1)
        alone = find_least_change(model, images[one], bound[one], OutOfTop(labels[one]), **settings)
        assert torch.equal(alone.images[0], together.images[index])


@pytest.mark.parametrize(
    "lay_out",
    [
        lambda images: images.transpose(2, 3).contiguous().transpose(2, 3),
        lambda images: images.contiguous(memory_format=torch.channels_last),
    ],
)
def test_how_pixels_lie_in_memory_does_not_matter(lay_out: Callable[[Tensor], Tensor]) -> None:
    images = grid_images(2)
    bound = torch.full((2, 1, 24, 20), 3 / 255)
    model = linear_model(images, 1.0)
    labels = OutOfTop(torch.ones(2, dtype=torch.int64))
    found, expected = (
        find_least_change(model, those, bound, labels, max_steps=20, refinements=5)
        for those in (lay_out(images), images)
    )
    assert torch.equal(found.images, expected.images)
    assert bool(found.success.all())


def test_a_sample_without_a_gradient_is_no_obstacle() -> None:
    images = grid_images(1, 200, 200)
    bound = torch.full((1, 1, 200, 200), 3 / 255)
    model = linear_model(images, 3.0)
    model.weight.data[..., ::2] = 0.0
    model.offset.data = (images * model.weight).sum(dim=(1, 2, 3)) - 3.0
    result = find_least_change(model, images, bound, OutOfTop(LABEL), max_steps=20, refinements=5)
    assert bool(result.success[0])


def test_it_starts_from_the_border_itself() -> None:
    images = grid_images(1)
    bound = torch.full((1, 1, 24, 20), 3 / 255)
    model = linear_model(images, -SAFETY_MARGIN)
    border = float(OutOfTop(LABEL).slack(model(images).detach()))
    assert border == pytest.approx(SAFETY_MARGIN, abs=1e-5)
    result = find_least_change(model, images, bound, OutOfTop(LABEL), max_steps=20, refinements=5)
    assert bool(result.success[0]) and int(result.steps[0]) > 0


def test_a_gradient_of_nothing_ends_in_a_failure() -> None:
    class Constant(torch.nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            return torch.tensor([[0.0, 1.0]]) + 0.0 * pixels.sum()

    images = torch.from_numpy(textured_pixels(16, 16, 0)).permute(2, 0, 1)[None].float() / 255.0
    bound = torch.full((1, 1, 16, 16), 3 / 255)
    result = find_least_change(
        Constant(), images, bound, OutOfTop(LABEL), max_steps=5, refinements=5
    )
    assert not bool(result.success[0])
    assert torch.equal(result.images, images)


@pytest.mark.parametrize("wrong", [{"max_steps": -1}, {"refinements": -1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    images = grid_images(1)
    settings: dict[str, Any] = {"max_steps": 1, "refinements": 1, **wrong}
    with pytest.raises(ValueError, match="max_steps and refinements"):
        find_least_change(
            linear_model(images, 1.0),
            images,
            torch.zeros(1, 1, 24, 20),
            OutOfTop(LABEL),
            **settings,
        )
