"""Random edits that gradients go through, and the sets of them."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from conftest import textured_pixels
from torch import Tensor

from cvpire.edits import differentiable as random_edits
from cvpire.edits.differentiable import EDITS, random_edit, rounded

KINDS = {
    f"{edits}, {number}": edit
    for edits, kinds in EDITS.items()
    for number, edit in enumerate(kinds.weights)
}


def image(height: int = 48, width: int = 64, seed: int = 1) -> Tensor:
    pixels = torch.from_numpy(textured_pixels(height, width, seed=seed).copy())
    return pixels.permute(2, 0, 1)[None].float() / 255.0


@pytest.mark.parametrize("name", KINDS)
def test_each_edit_gives_an_image_and_a_gradient(name: str) -> None:
    images = image().requires_grad_(True)
    brighter = []
    for seed in range(4):
        edited = KINDS[name](images, random.Random(seed))
        assert edited.shape[:2] == (1, 3)
        assert edited.shape[2] <= 48 or edited.shape[2:] == (256, 256)
        assert not torch.equal(edited, images)
        (gradient,) = torch.autograd.grad(edited.mean(), images)
        assert bool(gradient.isfinite().all())
        brighter.append(float(gradient.sum()))
    # The edit of a brighter photo is a brighter photo.
    assert np.mean(brighter) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("edits", EDITS)
def test_edits_follow_their_seed_and_stay_in_range(edits: str) -> None:
    images = image()
    first, second = (
        [random_edit(images, draw, edits) for _ in range(12)]
        for draw in (random.Random(5), random.Random(5))
    )
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)
        assert 0.0 <= float(one.min()) <= float(one.max()) <= 1.0
    are_alike = all(torch.equal(one, first[0]) for one in first)
    assert are_alike is (edits == "none")


def test_none_leaves_the_images_as_they_are() -> None:
    images = image()
    assert random_edit(images, random.Random(0), "none") is images


@pytest.mark.parametrize("edits", EDITS)
def test_each_kind_of_a_set_has_its_weight(edits: str) -> None:
    kinds = EDITS[edits]
    assert all(weight > 0.0 for weight in kinds.weights.values())
    assert sum(kinds.weights.values()) == pytest.approx(0.0 if edits == "none" else 1.0)
    assert 0.0 <= kinds.moved_before <= 1.0


def test_codecs_and_sizes_leave_the_frame_where_it_is() -> None:
    """No platform crops or turns by itself: what is written stays where it was."""
    marked = torch.full((1, 3, 64, 64), 0.2)
    marked[:, :, 24:40, 24:40] = 0.8
    draw = random.Random(1)
    for _ in range(30):
        edited = random_edit(marked, draw, "codecs and sizes")
        bright = (edited[0, 1] > 0.5).nonzero().float() + 0.5
        center = bright.mean(dim=0) / torch.tensor(edited.shape[-2:])
        assert torch.allclose(center, torch.tensor([0.5, 0.5]), atol=0.012)


def test_posting_moves_the_frame_too() -> None:
    marked = torch.full((1, 3, 64, 64), 0.2)
    marked[:, :, 24:40, 24:40] = 0.8
    draw = random.Random(1)
    moved = 0
    for _ in range(30):
        edited = random_edit(marked, draw, "posting")
        bright = (edited[0, 1] > 0.5).nonzero().float() + 0.5
        center = bright.mean(dim=0) / torch.tensor(edited.shape[-2:])
        moved += not torch.allclose(center, torch.tensor([0.5, 0.5]), atol=0.012)
    assert moved >= 5


def test_rounding_is_that_of_a_file() -> None:
    images = torch.tensor([[[[0.1, 0.5004], [0.4996, 1.0]]]]).expand(1, 3, 2, 2)
    assert torch.equal(rounded(images) * 255.0, (images * 255.0).round())


@pytest.mark.parametrize("name", ["_compressed", "_compressed_gently"])
def test_an_image_too_long_for_a_jpeg_is_left_as_it_is_by_that_edit(name: str) -> None:
    images = image(2, 65_600)
    draw = random.Random(0)
    edit = getattr(random_edits, name)
    assert all(torch.equal(edit(images, draw), images) for _ in range(6))
