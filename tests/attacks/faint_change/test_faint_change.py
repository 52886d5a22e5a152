"""The search for the faintest change that edits do not undo."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from faint_change_helpers import (
    LABEL_0,
    PLAIN,
    QUICK,
    Model,
    bound,
    find,
    image,
    is_met,
    red_or_not,
)
from targets import Target
from torch import Tensor
from watches import Told

from cvpire.attacks.base import SearchInput
from cvpire.attacks.faint_change import search as faint_change
from cvpire.attacks.faint_change.image_search import ImageSearch, Surrogate
from cvpire.attacks.faint_change.search import FaintChange
from cvpire.attacks.faint_change.sensitivity import ContrastCost
from cvpire.attacks.faint_change.sights import Sights
from cvpire.edits.differentiable import random_edit
from cvpire.errors import Stopped
from cvpire.images.encoders import encode_jpeg
from cvpire.images.reading import read_written
from cvpire.images.tensors import straight_through, to_image, to_photo
from cvpire.images.transparency import seen_images
from cvpire.runs import RUNS
from cvpire.watch import AttackStep


def pale_or_not(images: Tensor) -> Model:
    """Class 0 as long as the photo is no bluer than it was."""
    start = float(images[:, 2].mean()) + 0.004

    def logits(views: Tensor) -> Tensor:
        pale = 400.0 * (start - views[:, 2].mean(dim=(-2, -1)))
        return torch.stack((pale, torch.zeros_like(pale)), dim=1)

    return logits


def contrast(images: Tensor, changed: Tensor) -> float:
    """The visible contrast of a change, as the search counts it."""
    levels = (255.0 * images[0]).numpy()
    cost = ContrastCost([levels], (255.0 * bound(images)[0, 0]).numpy())
    return cost.contrast((255.0 * changed[0]).numpy() - levels)


@pytest.mark.parametrize("settings", [PLAIN, QUICK], ids=lambda settings: str(settings.edits))
def test_the_change_is_of_whole_levels_within_its_bound(settings: FaintChange) -> None:
    images = image()
    model = red_or_not(images)
    result = find(model, images, settings)
    assert not is_met(model, images)
    assert bool(result.success[0]) and is_met(model, result.images)
    assert bool(((result.images - images).abs() <= bound(images) + 1e-6).all())
    levels = result.images * 255.0
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert int(result.steps[0]) <= settings.most_steps


def test_the_change_holds_after_edits() -> None:
    images = image()
    model = red_or_not(images)
    result = find(model, images, replace(QUICK, reserve=6.0))
    draw = random.Random(99)
    kept = [is_met(model, random_edit(result.images, draw)) for _ in range(20)]
    assert sum(kept) >= 18


def test_one_seed_gives_one_change_and_another_seed_another() -> None:
    images = image()
    model = red_or_not(images)
    first, again, other = (find(model, images, seed=seed).images for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_model_is_left_as_it_was() -> None:
    images = image()
    before = images.clone()
    network = torch.nn.Linear(3, 2)
    weights = network.weight.detach().clone()

    def model(views: Tensor) -> Tensor:
        logits: Tensor = network(views.mean(dim=(-2, -1)))
        return logits

    find(model, images, PLAIN)
    assert torch.equal(images, before)
    assert torch.equal(network.weight.detach(), weights)
    assert network.weight.grad is None


def test_what_is_to_survive_more_costs_more() -> None:
    images = image()
    model = red_or_not(images)
    faint, held, strong = (
        contrast(images, find(model, images, settings).images)
        for settings in (PLAIN, replace(QUICK, reserve=1.5), replace(QUICK, reserve=6.0))
    )
    assert max(faint, held) < strong


def test_no_fainter_one_would_do() -> None:
    """Of changes in the direction that it found: 0.9 of it, in whole levels, does not do it."""
    images = image()
    model = red_or_not(images)
    result = find(model, images, PLAIN)
    fainter = images + 0.9 * (result.images - images)
    assert bool(result.success[0])
    assert not is_met(model, fainter)


def test_a_given_contrast_is_spent_without_trials() -> None:
    images = image()
    settings = replace(QUICK, steps=12, contrast=3.0)
    wide = torch.ones_like(images[:, :1])
    model = Target(red_or_not(images))
    sights = Sights(SearchInput(model, images, wide, LABEL_0), 0)
    search = ImageSearch(model, sights, LABEL_0, settings, [], seed=0)
    search.run(lambda: None)
    assert search.step == settings.steps == settings.most_steps
    cost = ContrastCost([(255.0 * images[0]).numpy()], (255.0 * wide[0, 0]).numpy())
    assert cost.contrast((255.0 * search.best[0]).numpy()) == pytest.approx(3.0, rel=1e-3)


def test_what_is_seen_of_transparency_meets_it_on_each_background() -> None:
    images = image()
    alpha = torch.linspace(0.0, 1.0, 64).mul(255.0).round().div(255.0).expand(1, 1, 48, 64)
    seen = seen_images(images, alpha)
    darker = seen[:, 0].mean(dim=(-2, -1))

    def model(views: Tensor) -> Tensor:
        """Class 0 as long as a photo is no less red than on its own background."""
        red = views[:, 0].mean(dim=(-2, -1))
        start = torch.where(red > darker.mean(), darker.max(), darker.min()) - 0.002
        return torch.stack((400.0 * (red - start), torch.zeros_like(red)), dim=1)

    result = find(model, images, PLAIN, alpha=alpha)
    both = seen_images(result.images, alpha)
    assert bool(result.success[0])
    assert not bool(LABEL_0.select(torch.zeros(2, dtype=torch.int64)).is_met(model(seen)).any())
    assert bool(LABEL_0.select(torch.zeros(2, dtype=torch.int64)).is_met(model(both)).all())
    clear = alpha.expand_as(images) == 0.0
    assert torch.equal(result.images[clear], images[clear])
    assert bool(((result.images - images).abs() <= bound(images) + 1e-6).all())


def test_what_is_read_of_a_codec_s_file_decides() -> None:
    images = image()
    model = red_or_not(images)

    def read(changed: Tensor) -> Tensor:
        photo = to_photo(changed)
        decoded = to_image(read_written(encode_jpeg(photo, 30), photo).pixels)
        return straight_through(changed, decoded)

    result = find(model, images, replace(PLAIN, steps=6), read=read)
    assert bool(result.success[0])
    assert is_met(model, read(result.images))


def test_surrogates_are_led_astray_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    images = image()
    red, pale = red_or_not(images), pale_or_not(images)
    monkeypatch.setattr(faint_change, "load_surrogate", lambda *_: Surrogate(pale, LABEL_0))
    for surrogates in ((), ("lite0-imagenet",)):
        settings = replace(QUICK, steps=12, contrast=6.0, surrogates=surrogates)
        result = find(red, images, settings)
        assert is_met(red, result.images)
        assert is_met(pale, result.images) is bool(surrogates)


def test_a_run_attacks_the_surrogates_that_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVPIRE_HOME", str(tmp_path))
    run = RUNS["Transfer"]
    assert run.search.ready_surrogates == ("lite0-imagenet",)
    assert list(run.settings["besides"]) == ["lite0-imagenet"]
    assert run.against("scenes") == run
    assert run.against("lite0-imagenet").search.ready_surrogates == (), "not twice"
    for name in ("Posting", "Posting-group", "Top1-L1"):
        assert RUNS[name].search.ready_surrogates == ()
        assert "besides" not in RUNS[name].settings


@pytest.mark.parametrize("last", [3, QUICK.steps + 1], ids=["in the search", "in the trials"])
def test_it_stops_when_asked_and_reports_on_the_way(last: int) -> None:
    images = image()
    steps: list[AttackStep] = []

    def stop(step: AttackStep) -> None:
        steps.append(step)
        if step.step == last:
            raise Stopped("Enough.")

    with pytest.raises(Stopped):
        find(red_or_not(images), images, watch=Told(stop))
    assert [step.step for step in steps] == list(range(1, last + 1))
    assert all(step.max_steps == QUICK.most_steps for step in steps)
    assert all(math.isfinite(float(step.slack[0])) for step in steps)


def test_a_flat_photo_stays() -> None:
    images = torch.full((1, 3, 40, 40), 100.0 / 255.0)
    result = find(red_or_not(images), images)
    assert torch.equal(result.images, images)
    assert not bool(result.success[0])
    assert int(result.steps[0]) == 0


def test_a_model_that_answers_with_no_number_leaves_an_image() -> None:
    images = image()

    def nothing(views: Tensor) -> Tensor:
        return torch.full((len(views), 2), torch.nan) + 0.0 * views.sum()

    result = find(nothing, images)
    assert not bool(result.success[0])
    assert bool(result.images.isfinite().all())


def test_a_gradient_that_is_no_number_is_not_remembered() -> None:
    """One look in three has none: the others lead there all the same."""
    images = image()
    model = red_or_not(images)
    calls: Iterator[int] = itertools.count()

    def faulty(views: Tensor) -> Tensor:
        if next(calls) % 3 == 1:
            # The square root's slope at 0 is infinite, and 0 times that no number.
            return model(views) + 0.0 * (views - views.detach()).sum().abs().sqrt()
        return model(views)

    result = find(model, images, PLAIN, differentiable=faulty)
    assert next(calls) == PLAIN.steps
    assert bool(result.success[0]) and is_met(model, result.images)


def test_edits_that_nobody_knows_are_refused() -> None:
    with pytest.raises(
        ValueError, match="expected edits of none, codecs and sizes, posting, got 'rain'"
    ):
        FaintChange("rain", steps=1)
