"""The search for a change that edits do not undo."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import textured_pixels
from torch import Tensor

from cvpire import random_edits, robust_change
from cvpire.attack import AttackStep
from cvpire.conditions import OutOfTop
from cvpire.random_edits import random_edit, rounded
from cvpire.robust_change import Bystander, RobustSettings, find_robust_change
from cvpire.runs import RUNS
from cvpire.threshold import epsilon_map, threshold_map
from cvpire.visibility import local_mean

QUICK = RobustSettings(margin=0.5, weight=3.0, round_steps=12, rounds=2)


def image(height: int = 48, width: int = 64, seed: int = 1) -> Tensor:
    pixels = torch.from_numpy(textured_pixels(height, width, seed=seed).copy())
    return pixels.permute(2, 0, 1)[None].float() / 255.0


def bound(images: Tensor, levels: float = 48.0) -> Tensor:
    return epsilon_map(threshold_map(images), levels / 255.0)


def red_or_not(images: Tensor) -> Callable[[Tensor], Tensor]:
    """Class 0 as long as the photo is as red as it was: changes fine and coarse alike count."""
    start = float(images[:, 0].mean()) - 0.004

    def logits(views: Tensor) -> Tensor:
        red = 400.0 * (views[:, 0].mean(dim=(-2, -1)) - start)
        return torch.stack((red, torch.zeros_like(red)), dim=1)

    return logits


def pale_or_not(images: Tensor) -> Callable[[Tensor], Tensor]:
    """Class 0 as long as the photo is no bluer than it was."""
    start = float(images[:, 2].mean()) + 0.004

    def logits(views: Tensor) -> Tensor:
        pale = 400.0 * (start - views[:, 2].mean(dim=(-2, -1)))
        return torch.stack((pale, torch.zeros_like(pale)), dim=1)

    return logits


@pytest.mark.parametrize("edit", random_edits._EDITS)
def test_each_edit_gives_an_image_and_a_gradient(edit: random_edits._Edit) -> None:
    images = image().requires_grad_(True)
    for seed in range(4):
        edited = edit(images, random.Random(seed))
        assert edited.shape[:2] == (1, 3)
        assert edited.shape[2] <= 48 or edited.shape[2:] == (256, 256)
        assert not torch.equal(edited, images)
        (gradient,) = torch.autograd.grad(edited.mean(), images)
        assert bool(gradient.isfinite().all())
        # The edit of a brighter photo is a brighter photo.
        assert float(gradient.sum()) == pytest.approx(1.0, abs=0.15)


def test_edits_follow_their_seed_and_stay_in_range() -> None:
    images = image()
    first, second = (
        [random_edit(images, draw) for _ in range(12)]
        for draw in (random.Random(5), random.Random(5))
    )
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)
        assert 0.0 <= float(one.min()) <= float(one.max()) <= 1.0


def test_rounding_is_that_of_a_file() -> None:
    images = torch.tensor([[[[0.1, 0.5004], [0.4996, 1.0]]]]).expand(1, 3, 2, 2)
    assert torch.equal(rounded(images) * 255.0, (images * 255.0).round())


def test_the_change_holds_within_its_bound_and_after_edits() -> None:
    images = image()
    limit = bound(images)
    model = red_or_not(images)
    condition = OutOfTop(torch.tensor([0]))
    result = find_robust_change(model, images, limit, condition, QUICK, seed=0)
    assert bool(result.success[0])
    assert bool(((result.images - images).abs() <= limit + 1e-6).all())
    levels = result.images * 255.0
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    draw = random.Random(99)
    kept = [bool(condition.is_met(model(random_edit(result.images, draw)))) for _ in range(20)]
    assert sum(kept) >= 18
    again = find_robust_change(model, images, limit, condition, QUICK, seed=0)
    assert torch.equal(again.images, result.images)


def test_a_large_photo_is_searched_small_and_changed_in_full() -> None:
    images = image(900, 1200)
    limit = bound(images)
    seen: list[int] = []
    model = red_or_not(images)

    def watched(views: Tensor) -> Tensor:
        seen.append(views.shape[-2] * views.shape[-1])
        return model(views)

    result = find_robust_change(
        model, images, limit, OutOfTop(torch.tensor([0])), QUICK, seed=0, differentiable=watched
    )
    assert max(seen) <= 365_000
    assert bool(result.success[0])
    assert bool(((result.images - images).abs() <= limit + 1e-6).all())


def test_images_of_a_batch_are_each_searched_alone() -> None:
    images = torch.cat((image(seed=1), image(seed=2)))
    limit, model = bound(images), red_or_not(images[:1])
    condition = OutOfTop(torch.tensor([0, 0]))
    both = find_robust_change(model, images, limit, condition, QUICK, seed=0)
    alone = find_robust_change(
        model, images[:1], limit[:1], OutOfTop(torch.tensor([0])), QUICK, seed=0
    )
    assert torch.equal(both.images[:1], alone.images)
    alone = find_robust_change(
        model, images[1:], limit[1:], OutOfTop(torch.tensor([0])), QUICK, seed=0
    )
    assert torch.equal(both.images[1:], alone.images)


def test_an_image_too_long_for_a_jpeg_is_left_as_it_is_by_that_edit() -> None:
    images = image(2, 65_600)
    draw = random.Random(0)
    assert all(torch.equal(random_edits._compressed(images, draw), images) for _ in range(6))


def test_bystanders_are_led_astray_as_well() -> None:
    images = image()
    red, pale = red_or_not(images), pale_or_not(images)
    condition = OutOfTop(torch.tensor([0]))
    for bystanders in ((), (Bystander(pale, condition),)):
        result = find_robust_change(
            red, images, bound(images), condition, QUICK, seed=0, bystanders=bystanders
        )
        assert bool(condition.is_met(red(result.images))[0])
        assert bool(condition.is_met(pale(result.images))[0]) is bool(bystanders)


def test_a_run_attacks_the_classifiers_besides_that_are_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVPIRE_HOME", str(tmp_path))
    run = RUNS["Transfer"]
    assert run.attacked_besides == ("lite0-imagenet",)
    assert list(run.settings["besides"]) == ["lite0-imagenet"]
    assert run.against("scenes") == run
    assert run.against("lite0-imagenet").attacked_besides == (), "not twice"
    for name in ("Robust", "Top1-L1"):
        assert RUNS[name].attacked_besides == ()
        assert "besides" not in RUNS[name].settings


def test_it_stops_when_asked_and_reports_on_the_way() -> None:
    images = image()
    steps: list[AttackStep] = []

    def stop(step: AttackStep) -> bool:
        steps.append(step)
        return step.step == 3

    result = find_robust_change(
        red_or_not(images),
        images,
        bound(images),
        OutOfTop(torch.tensor([0])),
        QUICK,
        seed=0,
        on_step=stop,
    )
    assert result.stopped
    assert not torch.equal(result.images, images), "what was found so far is kept"
    assert [step.step for step in steps] == [1, 2, 3]
    assert steps[0].max_steps == 24


def test_a_flat_photo_stays() -> None:
    images = torch.full((1, 3, 40, 40), 100.0 / 255.0)
    result = find_robust_change(
        red_or_not(images), images, bound(images), OutOfTop(torch.tensor([0])), QUICK, seed=0
    )
    assert torch.equal(result.images, images)
    assert not bool(result.success[0])


def test_a_model_that_answers_with_no_number_leaves_an_image() -> None:
    images = image()

    def nothing(views: Tensor) -> Tensor:
        return torch.full((len(views), 2), torch.nan) + 0.0 * views.sum()

    result = find_robust_change(
        nothing, images, bound(images), OutOfTop(torch.tensor([0])), QUICK, seed=0
    )
    assert not bool(result.success[0])
    assert bool(result.images.isfinite().all())


def test_the_cost_s_gradient_is_that_of_the_cost() -> None:
    images = image()
    never = OutOfTop(torch.tensor([0]))
    sights = robust_change._Sights(images, bound(images), None, None)
    search = robust_change._Search(sights, never, [], QUICK, seed=0)
    change = torch.randn(images.shape, generator=torch.Generator().manual_seed(2))
    change[..., :5] = 0.0
    variable = change.clone().requires_grad_(True)
    (red, green, blue), (rr, gg, bb, rg, rb, gb) = variable[0], search._color[0]
    squared = rr * red**2 + gg * green**2 + bb * blue**2
    squared = squared + rg * red * green + rb * red * blue + gb * green * blue
    delta_e = squared.clamp(min=robust_change._SMOOTHING).sqrt().mean()
    fine = variable[0] - local_mean(variable[0])
    lost = (search._structure[0] * fine.square()).mean()
    cost = delta_e / robust_change._DELTA_E_UNIT + lost / robust_change._SSIM_UNIT
    (expected,) = torch.autograd.grad(cost, variable)
    found = search._cost_gradient(change)
    assert torch.allclose(found, expected, atol=1e-6 * float(expected.abs().max()))
