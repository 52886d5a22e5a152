"""What a protected photo is tried on before its change is called enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import textured_pixels

from cvpire.edits import trials
from cvpire.edits.differentiable import EDITS
from cvpire.edits.trials import TRIAL_PIXELS, draw_trials, trial_size
from cvpire.images.encoders import has_avif
from cvpire.images.photo import Photo

SETS = [edits for edits in EDITS if edits != "none"]
SEEDS = range(60)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """The strengths that are drawn from now on, by the kind of edit."""
    strengths: dict[str, list[float]] = {}

    def watch(name: str) -> None:
        make: Callable[..., object] = getattr(trials, name)

        def watched(*strength: float, **more: Any) -> object:
            strengths.setdefault(name, []).append(strength[0] if strength else 1.0)
            return make(*strength, **more)

        monkeypatch.setattr(trials, name, watched)

    for name in ("jpeg", "webp", "avif", "scale", "crop", "rotate", "blur", "sharpen", "median"):
        watch(name)
    return strengths


def test_a_photo_as_it_is_has_no_trials() -> None:
    assert draw_trials("none", 0) == []


@pytest.mark.parametrize("edits", SETS)
def test_one_seed_gives_the_same_trials_and_another_seed_others(edits: str) -> None:
    photo = Photo(textured_pixels(64, 80))
    first, again, other = (
        [trial(photo).pixels for trial in draw_trials(edits, seed)] for seed in (3, 3, 4)
    )
    assert len(first) == len(other) >= 8
    assert all(map(np.array_equal, first, again))
    assert not all(map(np.array_equal, first, other))


@pytest.mark.parametrize("edits", SETS)
def test_each_trial_changes_a_photo_and_leaves_the_first_alone(edits: str) -> None:
    photo = Photo(textured_pixels(64, 80))
    before = photo.pixels.copy()
    for trial in draw_trials(edits, 0):
        tried = trial(photo)
        assert not np.array_equal(tried.pixels, before)
        assert tried.alpha is None
        assert np.array_equal(photo.pixels, before)


@pytest.mark.parametrize("edits", SETS)
def test_the_smallest_photo_goes_through(edits: str) -> None:
    for trial in draw_trials(edits, 0):
        assert trial(Photo(np.full((1, 1, 3), 7, np.uint8))).pixels.dtype == np.uint8


def test_codecs_and_sizes_are_about_as_strong_as_the_rehearsal(
    drawn: dict[str, list[float]],
) -> None:
    """JPEG 95 to 75, WebP 80, AVIF 60, half the size, and a screenshot's 0.85."""
    for seed in SEEDS:
        draw_trials("codecs and sizes", seed)
    kinds = {"jpeg", "webp", "scale", *(["avif"] if has_avif() else [])}
    assert set(drawn) == kinds, "nobody edits the picture"
    qualities = drawn["jpeg"]
    assert min(qualities) == 75 < 85 < max(qualities) <= 95, "no harder than is promised"
    assert 70 <= min(drawn["webp"]) < 80 < max(drawn["webp"]) <= 90
    scales = drawn["scale"]
    assert 0.4 <= min(scales) < 0.5 and 0.85 < max(scales) < 1.0
    if has_avif():
        assert 50 <= min(drawn["avif"]) < 60 < max(drawn["avif"]) <= 70


def test_posting_is_about_as_strong_as_the_rehearsal(drawn: dict[str, list[float]]) -> None:
    """JPEG down to 50, 4% cropped, 1 degree either way, a blur of 0.8, 100% of sharpening."""
    for seed in SEEDS:
        draw_trials("posting", seed)
    assert 40 <= min(drawn["jpeg"]) < 50 < 85 < max(drawn["jpeg"]) <= 95
    for kind, strength in [("crop", 0.04), ("blur", 0.8), ("rotate", 1.0), ("rotate", -1.0)]:
        same_way = [value for value in drawn[kind] if value * strength > 0.0]
        sizes = [abs(value) for value in same_way]
        assert 0.5 * abs(strength) < min(sizes) < abs(strength) < max(sizes) < 2.0 * abs(strength)
    assert drawn["median"]


@pytest.mark.parametrize("edits", SETS)
def test_strengths_vary_so_that_none_is_only_the_rehearsal_s(
    drawn: dict[str, list[float]], edits: str
) -> None:
    """Of what has a strength that can be drawn, the rehearsal's own is a rare coincidence: but for
    JPEG's usual quality, which is asked on purpose.
    """
    own = {
        **{"jpeg": (95, 85, 50), "webp": (80,), "avif": (60,), "scale": (0.5, 0.85)},
        **{"crop": (0.04,), "rotate": (1.0, -1.0), "blur": (0.8,)},
    }
    for seed in SEEDS:
        draw_trials(edits, seed)
    for kind, strengths in own.items():
        tried = drawn.get(kind, [])
        assert not tried or np.mean(np.isin(tried, strengths)) < 0.25
        if kind in ("scale", "crop", "rotate", "blur"):
            assert not np.isin(tried, strengths).any()


def test_a_large_photo_is_tried_small() -> None:
    large = Photo(textured_pixels(1500, 2000))
    small = trial_size(large)
    assert small.width * small.height == pytest.approx(TRIAL_PIXELS, rel=0.01)
    assert small.width / small.height == pytest.approx(2000 / 1500, rel=0.01)
    other = Photo(textured_pixels(600, 800))
    assert trial_size(other) is other
