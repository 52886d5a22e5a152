"""Augmentation: what must hold for any random choice."""

from __future__ import annotations

import pytest
import torch

from training.augment import augment, mix


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photos() -> torch.Tensor:
    return torch.randint(0, 256, (6, 3, 40, 40), dtype=torch.uint8, generator=seeded())


def test_images_stay_images() -> None:
    images = augment(photos(), 32, seeded())
    assert images.shape == (6, 3, 32, 32)
    assert images.min() >= 0.0
    assert images.max() <= 1.0


def test_one_seed_is_one_result() -> None:
    assert torch.equal(augment(photos(), 24, seeded(3)), augment(photos(), 24, seeded(3)))
    assert not torch.equal(augment(photos(), 24, seeded(3)), augment(photos(), 24, seeded(4)))


def test_a_grey_photo_stays_flat() -> None:
    flat = torch.full((8, 3, 30, 30), 120, dtype=torch.uint8)
    images = augment(flat, 20, seeded())
    spread = images.amax(dim=(-2, -1)) - images.amin(dim=(-2, -1))
    assert float(spread.max()) < 1e-5
    # Exposure and colour differ from photo to photo.
    assert float(images.mean(dim=(1, 2, 3)).std()) > 0.01


def test_some_photos_are_mirrored_and_some_are_not() -> None:
    ramp = torch.arange(0, 240, 4, dtype=torch.uint8).expand(40, 3, 60, 60)
    images = augment(ramp, 20, seeded())
    rises = images[..., -4:].mean(dim=(1, 2, 3)) > images[..., :4].mean(dim=(1, 2, 3))
    assert 10 < int(rises.sum()) < 30


def test_mixed_targets_are_mixed_as_their_images() -> None:
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    targets = torch.eye(4)
    mixed, shares = mix(images, targets, seeded(1))
    assert torch.allclose(shares.sum(dim=1), torch.ones(4))
    assert torch.allclose(shares @ torch.arange(4.0), mixed[:, 0, 0, 0])
    # The photo itself always has the larger share.
    assert shares.argmax(dim=1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(20))
def test_shares_are_never_undefined(seed: int) -> None:
    _, shares = mix(torch.ones(2, 3, 2, 2), torch.eye(2), seeded(seed))
    assert bool(shares.isfinite().all())
