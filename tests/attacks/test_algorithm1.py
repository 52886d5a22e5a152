"""Algorithm 1: known best perturbations on a linear model, and what must always hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from attack_helpers import TwoClasses, grid_images, levels
from targets import Target
from torch import Tensor, nn
from watches import Told

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.attacks.base import AttackResult, SearchInput
from cvpire.attacks.conditions import Condition, OutOfTop
from cvpire.color.variance import epsilon_map, threshold_map
from cvpire.errors import Stopped
from cvpire.watch import UNWATCHED, AttackStep, Watch

SETTINGS: dict[str, Any] = {"learning_rate": 0.25 / 255, "l1_weight": 0.0, "max_steps": 60}


def perturb(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    bound: Tensor,
    condition: Condition,
    *,
    seed: int = 0,
    watch: Watch = UNWATCHED,
    **settings: Any,
) -> AttackResult:
    given = SearchInput(Target(model), images, bound, condition, seed, watch)
    return Algorithm1(**settings).find(given)


def linear_case(distance: float, images: Tensor) -> tuple[TwoClasses, OutOfTop]:
    """A model that `distance` of score separates from each image's other class."""
    weight = torch.randn(images.shape[1:], generator=torch.Generator().manual_seed(7))
    score = (images * weight).sum(dim=(1, 2, 3))
    model = TwoClasses(weight, score[:1] - distance)
    return model, OutOfTop(torch.ones(1, dtype=torch.int64))


def test_every_pixel_moves_against_its_weight_and_no_further_than_needed() -> None:
    images = grid_images(1)
    bound = torch.full((1, 1, 24, 20), 8 / 255)
    inside = (levels(images) >= 8) & (levels(images) <= 247)
    model, condition = linear_case(4.0, images)
    result = perturb(model, images, bound, condition, **SETTINGS)
    change = levels(result.images) - levels(images)
    assert bool(result.success[0])
    # The best change of L-infinity k moves every pixel k levels against the weight's sign.
    moved = change * model.weight.sign() <= 0.0
    assert bool(moved.all())
    reach = (model.weight.abs() * inside).sum().item() / 255
    fewest_levels = -(-4.0 // reach)
    assert fewest_levels <= change.abs().max() <= fewest_levels + 1


def test_a_goal_just_beyond_the_bound_is_a_failure_and_just_inside_a_success() -> None:
    images = torch.full((1, 3, 8, 8), 128 / 255)
    bound = torch.full((1, 1, 8, 8), 3 / 255)
    weight = torch.randn((3, 8, 8), generator=torch.Generator().manual_seed(2))
    most = 3 / 255 * weight.abs().sum()
    score = (images * weight).sum(dim=(1, 2, 3))
    label = torch.ones(1, dtype=torch.int64)
    for factor, expected in ((0.99, True), (1.01, False)):
        model = TwoClasses(weight, score - factor * most)
        result = perturb(model, images, bound, OutOfTop(label), **SETTINGS)
        assert bool(result.success[0]) is expected
    # The failed attempt is the best there is: every pixel at its bound.
    assert torch.equal((levels(result.images) - 128)[0], -3 * weight.sign())
    assert int(result.steps[0]) == SETTINGS["max_steps"]


@pytest.mark.parametrize("magnitude", [0.4 / 255, 1.5 / 255, 7.3 / 255, 64 / 255])
def test_no_written_pixel_is_beyond_its_bound_or_off_the_grid(magnitude: float) -> None:
    images = grid_images(2)
    relative = threshold_map(images)
    model, _ = linear_case(60.0, images)
    condition = OutOfTop(torch.ones(2, dtype=torch.int64))
    result = perturb(model, images, epsilon_map(relative, magnitude), condition, **SETTINGS)
    written = result.images * 255.0
    assert bool(((written - written.round()).abs() < 1e-4).all())
    assert bool((written >= 0.0).all()) and bool((written <= 255.0).all())
    change = (written.round() - levels(images)).abs().double()
    assert bool((change <= relative.double() * magnitude * 255.0).all())
    if magnitude < 1 / 255:
        assert torch.equal(written.round(), levels(images))
    else:
        assert bool((change > 0).any())


def test_a_bound_of_whole_levels_can_be_used_up() -> None:
    for level in (1, 3, 8, 77, 255):
        images = torch.zeros(1, 3, 4, 4)
        model = TwoClasses(-torch.ones(3, 4, 4), torch.tensor([-60.0]))
        bound = torch.full((1, 1, 4, 4), level / 255)
        result = perturb(
            model,
            images,
            bound,
            OutOfTop(torch.ones(1, dtype=torch.int64)),
            learning_rate=1.0,
            l1_weight=0.0,
            max_steps=4,
        )
        assert levels(result.images).max() == level


def test_steps_far_below_half_a_level_add_up() -> None:
    images = grid_images(1)
    model, condition = linear_case(0.5, images)
    bound = torch.full((1, 1, 24, 20), 8 / 255)
    result = perturb(
        model, images, bound, condition, learning_rate=0.02 / 255, l1_weight=0.0, max_steps=60
    )
    assert bool(result.success[0])
    assert 20 <= int(result.steps[0]) <= 40


def test_a_zero_map_gives_the_same_image_at_once() -> None:
    images = grid_images(2)
    model, _ = linear_case(1.0, images)
    condition = OutOfTop(torch.ones(2, dtype=torch.int64))
    bound = torch.zeros(2, 1, 24, 20)
    bound[1] = 8 / 255
    result = perturb(model, images, bound, condition, **SETTINGS)
    assert torch.equal(levels(result.images)[0], levels(images)[0])
    assert not result.success[0] and int(result.steps[0]) == 0
    assert bool(result.success[1]) and int(result.steps[1]) > 0


def test_an_image_that_meets_the_condition_is_left_alone() -> None:
    images = grid_images(1)
    model, condition = linear_case(-1.0, images)
    result = perturb(model, images, torch.full((1, 1, 24, 20), 0.1), condition, **SETTINGS)
    assert bool(result.success[0]) and int(result.steps[0]) == 0
    assert torch.equal(levels(result.images), levels(images))


class ManyImages(nn.Module):
    """Three classes by mean colour in float64, so that a batch's sums round as one image's do."""

    def forward(self, images: Tensor) -> Tensor:
        weight = torch.randn(
            (3, *images.shape[1:]), generator=torch.Generator().manual_seed(5), dtype=torch.float64
        )
        return torch.stack([(images.double() * w).sum(dim=(1, 2, 3)) for w in weight], dim=1)


def test_a_batch_of_one_equals_a_batch_of_many() -> None:
    images = grid_images(4)
    bound = epsilon_map(threshold_map(images), 32 / 255)
    labels = ManyImages()(images).argmax(dim=1)
    together = perturb(ManyImages(), images, bound, OutOfTop(labels), **SETTINGS)
    assert len(set(together.steps.tolist())) > 1, "the images should stop at different steps"
    for index in range(4):
        one = slice(index, index + 1)
        alone = perturb(ManyImages(), images[one], bound[one], OutOfTop(labels[one]), **SETTINGS)
        assert torch.equal(alone.images[0], together.images[index])
        assert alone.steps[0] == together.steps[index]
        assert alone.success[0] == together.success[index]


def test_one_seed_the_same_image_and_the_model_is_left_as_it_was() -> None:
    images = grid_images(2)
    bound = epsilon_map(threshold_map(images), 32 / 255)
    model, _ = linear_case(2.0, images)
    condition = OutOfTop(torch.ones(2, dtype=torch.int64))
    weight = model.weight.detach().clone()
    results = [
        perturb(model, images, bound, condition, seed=seed, **SETTINGS).images for seed in (3, 3)
    ]
    assert torch.equal(results[0], results[1])
    other = perturb(
        model, images, bound, condition, seed=4, **{**SETTINGS, "learning_rate": 0.01 / 255}
    )
    same = perturb(
        model, images, bound, condition, seed=3, **{**SETTINGS, "learning_rate": 0.01 / 255}
    )
    assert not torch.equal(other.images, same.images), "the seed should matter"
    assert torch.equal(model.weight, weight)
    assert model.weight.grad is None and model.weight.requires_grad


def test_it_works_where_gradients_are_switched_off() -> None:
    images = grid_images(1)
    model, condition = linear_case(1.0, images)
    with torch.no_grad():
        result = perturb(model, images, torch.full((1, 1, 24, 20), 0.1), condition, **SETTINGS)
    assert bool(result.success[0])


def test_l1_leaves_pixels_of_little_weight_alone() -> None:
    images = grid_images(1)
    model, condition = linear_case(2.0, images)
    bound = torch.full((1, 1, 24, 20), 8 / 255)
    options: dict[str, Any] = {"learning_rate": 0.25 / 255, "max_steps": 200}
    plain = perturb(model, images, bound, condition, l1_weight=0.0, **options)
    sparse = perturb(model, images, bound, condition, l1_weight=1.5, **options)
    assert bool(plain.success[0]) and bool(sparse.success[0])
    untouched = [levels(r.images).eq(levels(images)) for r in (plain, sparse)]
    assert untouched[1].sum() > untouched[0].sum() + 100
    weight = model.weight.detach().abs()
    assert weight[untouched[1][0]].mean() < 0.5 * weight[~untouched[1][0]].mean()


def test_progress_is_reported_and_what_the_callback_raises_stops() -> None:
    images = grid_images(2)
    model, _ = linear_case(60.0, images)
    condition = OutOfTop(torch.ones(2, dtype=torch.int64))
    bound = torch.full((2, 1, 24, 20), 8 / 255)
    seen: list[AttackStep] = []
    perturb(model, images, bound, condition, watch=Told(seen.append), **SETTINGS)
    assert [step.step for step in seen] == list(range(SETTINGS["max_steps"] + 1))
    slack = [float(step.slack[0]) for step in seen]
    assert slack == sorted(slack) and slack[-1] > slack[0]

    def stop(step: AttackStep) -> None:
        if step.step == 3:
            raise Stopped("Enough.")

    with pytest.raises(Stopped):
        perturb(model, images, bound, condition, watch=Told(stop), **SETTINGS)


def test_a_classifier_that_is_sure_still_gives_a_direction() -> None:
    images = torch.full((1, 3, 8, 8), 128 / 255)
    weight = torch.randn((3, 8, 8), generator=torch.Generator().manual_seed(2))
    # p(label) is 1 - 1e-17 here: the gradient is tiny, and so must Adam's epsilon be.
    score = (images * weight).sum(dim=(1, 2, 3))
    model = TwoClasses(200.0 * weight, 200.0 * score - 40.0)
    bound = torch.full((1, 1, 8, 8), 16 / 255)
    label = OutOfTop(torch.ones(1, dtype=torch.int64))
    assert bool(perturb(model, images, bound, label, **SETTINGS).success[0])


@pytest.mark.parametrize("certainty", [1.0, 10.0, 35.0])
def test_the_l1_term_lets_an_image_go_however_sure_the_classifier_is(certainty: float) -> None:
    images = torch.full((1, 3, 8, 8), 128 / 255)
    weight = torch.randn((3, 8, 8), generator=torch.Generator().manual_seed(2))
    score = (images * weight).sum(dim=(1, 2, 3))
    model = TwoClasses(100.0 * weight, 100.0 * score - certainty)
    bound = torch.full((1, 1, 8, 8), 16 / 255)
    label = OutOfTop(torch.ones(1, dtype=torch.int64))
    settings = {**SETTINGS, "l1_weight": 1.0}
    assert bool(perturb(model, images, bound, label, **settings).success[0])


@pytest.mark.parametrize(
    ("images", "bound", "message"),
    [
        (torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), "shape"),
        (torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), "epsilon map of shape"),
        (torch.full((1, 3, 4, 4), 0.5), torch.zeros(1, 1, 4, 4), "8-bit grid"),
        (torch.full((1, 3, 4, 4), 2.0), torch.zeros(1, 1, 4, 4), "8-bit grid"),
        (torch.full((1, 3, 4, 4), torch.nan), torch.zeros(1, 1, 4, 4), "8-bit grid"),
        (torch.zeros(1, 3, 4, 4), torch.full((1, 1, 4, 4), -1.0), "0 or more"),
        (torch.zeros(1, 3, 4, 4), torch.full((1, 1, 4, 4), torch.nan), "0 or more"),
    ],
)
def test_the_door(images: Tensor, bound: Tensor, message: str) -> None:
    condition = OutOfTop(torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match=message):
        perturb(lambda pixels: pixels.mean(dim=(2, 3)), images, bound, condition, **SETTINGS)


@pytest.mark.parametrize("wrong", [{"learning_rate": 0.0}, {"l1_weight": -1.0}, {"max_steps": -1}])
def test_settings_that_make_no_sense(wrong: dict[str, Any]) -> None:
    condition = OutOfTop(torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match="learning_rate"):
        perturb(
            lambda pixels: pixels.mean(dim=(2, 3)),
            torch.zeros(1, 3, 4, 4),
            torch.zeros(1, 1, 4, 4),
            condition,
            **{**SETTINGS, **wrong},
        )
