"""FLIP in tiles: against its authors' package in one piece."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from conftest import textured_pixels
from numpy.typing import NDArray
from watches import Told

from cvpire.metrics import flip
from cvpire.metrics.flip import RADIUS, flip_map, has_flip

package = pytest.importorskip("flip_evaluator", reason="there is none for Linux on Arm")


def in_one_piece(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    images = (pixels.astype(np.float32) / 255 for pixels in (first, second))
    found: NDArray[np.float32] = package.evaluate(*images, "LDR", applyMagma=False)[0]
    return found[..., 0]


def pair(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    first = textured_pixels(height, width)
    noise = np.random.default_rng(3).integers(-40, 41, first.shape)
    return first, np.clip(first.astype(int) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("side", [1, 7, 11, 50])
def test_tiles_are_the_whole(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pair(61, 40)
    expected = in_one_piece(first, second)
    assert expected.max() > 0.1
    monkeypatch.setattr(flip, "_SIDE", side)
    assert np.abs(flip_map(first, second) - expected).max() < 1e-6


def test_one_pixel_is_seen_as_far_as_the_filters_reach() -> None:
    """Where it is 10, no more and no less: the overlap of tiles is wide enough, and not wider."""
    first = np.full((61, 61, 3), 30, np.uint8)
    second = first.copy()
    second[30, 30] = (200, 220, 0)
    rows, columns = np.nonzero(in_one_piece(first, second))
    assert (rows.min(), rows.max()) == (30 - RADIUS, 30 + RADIUS)
    assert (columns.min(), columns.max()) == (30 - RADIUS, 30 + RADIUS)


def test_tiles_without_a_change_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = pair(80, 60)
    second = first.copy()
    second[:5, :5] = other[:5, :5]
    expected = in_one_piece(first, second)
    asked: list[tuple[int, ...]] = []

    class Counted:
        @staticmethod
        def evaluate(first: NDArray[np.float32], *rest: object, **options: object) -> object:
            asked.append(first.shape[:2])
            return package.evaluate(first, *rest, **options)

    monkeypatch.setattr(flip, "_SIDE", 20)
    monkeypatch.setattr(flip, "_package", lambda: Counted)
    assert np.abs(flip_map(first, second) - expected).max() < 1e-6
    assert asked == [(30, 30)], "the corner's tile with its surroundings; the next begins at 20"
    assert not flip_map(first, first).any()
    assert len(asked) == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1), (2, 3)])
def test_small_photos(size: tuple[int, int]) -> None:
    first, second = pair(*size)
    assert np.abs(flip_map(first, second) - in_one_piece(first, second)).max() < 1e-6


def test_a_part_of_a_photo() -> None:
    first, second = pair(40, 60)
    part = slice(0, 40), slice(13, 50)
    expected = in_one_piece(first[part].copy(), second[part].copy())
    assert np.abs(flip_map(first[part], second[part]) - expected).max() < 1e-6


def test_somebody_may_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flip, "_SIDE", 20)
    asked: list[None] = []

    def check() -> None:
        asked.append(None)
        if len(asked) == 3:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        flip_map(*pair(40, 40), Told(check=check))
    flip_map(*pair(20, 40), Told(check=check))
    assert len(asked) == 3 + 2


def test_where_the_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_flip()
    monkeypatch.setitem(sys.modules, "flip_evaluator", None)
    assert not has_flip()
    with pytest.raises(ImportError):
        flip_map(*pair(12, 12))
