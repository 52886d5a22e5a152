"""The search for the faintest change: images together, alone, large and refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from faint_change_helpers import LABEL_0, PLAIN, bound, find, image, is_met, red_or_not
from targets import Target
from torch import Tensor

from cvpire.attacks.base import SearchInput
from cvpire.attacks.faint_change.batches import logits_of


def test_images_of_one_size_are_looked_at_together_and_answered_in_their_order() -> None:
    calls: list[tuple[int, ...]] = []

    def model(images: Tensor) -> Tensor:
        calls.append(tuple(images.shape))
        return images.mean(dim=(2, 3))

    sizes = [(20, 30), (40, 30), (20, 30), (40, 30), (20, 30)]
    images = [torch.full((1, 3, *size), float(at)) for at, size in enumerate(sizes)]
    assert logits_of(model, images)[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert calls == [(3, 3, 20, 30), (2, 3, 40, 30)]


@pytest.mark.parametrize(("side", "most"), [(256, 4), (512, 1), (1024, 1)])
def test_no_more_pixels_are_looked_at_together_than_a_network_has_memory_for(
    side: int, most: int
) -> None:
    together: list[int] = []

    def model(images: Tensor) -> Tensor:
        together.append(len(images))
        return images.mean(dim=(2, 3))

    logits_of(model, 5 * [torch.zeros(1, 3, side, side)])
    assert sum(together) == 5
    assert max(together) == most


def test_a_large_photo_is_searched_small_and_changed_in_full() -> None:
    images = image(900, 1200)
    seen: list[int] = []
    model = red_or_not(images)

    def watched(views: Tensor) -> Tensor:
        seen.append(views.shape[-2] * views.shape[-1])
        return model(views)

    result = find(model, images, replace(PLAIN, steps=2), differentiable=watched)
    assert seen and max(seen) <= 365_000
    assert bool(result.success[0]) and is_met(model, result.images)
    assert result.images.shape == images.shape
    assert bool(((result.images - images).abs() <= bound(images) + 1e-6).all())


def test_images_of_a_batch_are_each_searched_alone() -> None:
    images = torch.cat((image(seed=1), image(seed=2)))
    model = red_or_not(images[:1])
    both = find(model, images, PLAIN)
    for row in range(2):
        one = slice(row, row + 1)
        alone = find(model, images[one], PLAIN)
        assert torch.equal(both.images[one], alone.images)
        assert torch.equal(both.steps[one], alone.steps)
        assert torch.equal(both.success[one], alone.success)


def test_images_and_bounds_of_another_kind_are_refused() -> None:
    images = image()
    with pytest.raises(ValueError, match="expected"):
        SearchInput(Target(red_or_not(images)), images, bound(images)[..., 1:], LABEL_0)
