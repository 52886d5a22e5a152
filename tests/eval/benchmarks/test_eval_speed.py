"""The benchmark of the map: each way computes the definition; the table says what came out."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from PIL import Image

from eval.errors import EvaluationError
from eval.speed import (
    SpeedRow,
    WayUnavailableError,
    compare_ways,
    draw_growth,
    growth,
    pairs,
    picture,
    shape_of,
    slope,
    speed_table,
)
from eval.ways import WAYS, Way

REFERENCE = Path(__file__).parents[2] / "data" / "color_variance.npz"


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_every_way_is_the_definition(way: Way) -> None:
    """As a double loop of another program gave it, stored."""
    with np.load(REFERENCE) as reference:
        pixels, expected = reference["crop0"], reference["crop0_kernel3_sigma1.0"]
    found = way.compute(way.prepare(pixels), 3, 1.0)
    assert np.abs(found - expected).max() < 1e-5 * expected.max()


def test_the_ways_side_by_side() -> None:
    rows, missing = compare_ways(0.0025, 3, 1.0, lambda step: None)
    assert not missing
    ours, scikit, colour, loop = rows
    assert [row.ratio for row in rows] == [row.seconds / ours.seconds for row in rows]
    assert scikit.largest_difference is None
    for row in (ours, colour):
        assert row.largest_difference is not None
        assert row.largest_difference < 1e-5
    assert all(row.seconds > 0.0 and row.first_seconds > 0.0 for row in rows)
    # A crop tells nothing of a whole photo's memory or map.
    assert loop.peak_megabytes is None
    assert loop.largest_difference is None
    if Path("/proc/self/clear_refs").exists():
        assert ours.peak_megabytes is not None
        assert ours.peak_megabytes >= 0.0


def test_a_setting_that_the_map_refuses() -> None:
    with pytest.raises(EvaluationError, match="odd kernel_size"):
        compare_ways(0.0025, 4, 1.0, lambda step: None, ways=WAYS[:1])


def test_growth_and_its_slope(tmp_path: Path) -> None:
    rows = growth([(0.0004, 3), (0.0025, 5)], 1.0, lambda step: None)
    assert [(round(row.megapixels, 4), row.kernel_size) for row in rows] == [
        (0.0004, 3),
        (0.0025, 5),
    ]
    made_up = [SpeedRow("a", size, 5, 0.0, 0.1 * size**1.5, 1.0, None, None) for size in (1, 4, 9)]
    assert slope(made_up) == pytest.approx(1.5)
    assert np.isnan(slope(made_up[:1]))
    draw_growth(made_up, rows, tmp_path / "speed.png")
    assert np.asarray(Image.open(tmp_path / "speed.png")).std() > 0.0


def test_sizes() -> None:
    assert shape_of(0.065536) == (256, 256)
    height, width = shape_of(12.0)
    assert (height, width) == (3000, 4000)
    pixels = picture((20, 30))
    assert pixels.shape == (20, 30, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500


def lacking(*_: object) -> NoReturn:
    raise ImportError("No module named 'nowhere'")


def test_a_way_whose_package_is_missing_is_left_out() -> None:
    ways = (WAYS[0], Way("another", lacking))
    rows, missing = compare_ways(0.0004, 3, 1.0, lambda step: None, ways)
    assert [row.name for row in rows] == [WAYS[0].name]
    assert missing == [
        "another is left out: No module named 'nowhere'. Run `pip install -r requirements-dev.txt`."
    ]
    with pytest.raises(WayUnavailableError):
        compare_ways(0.0004, 3, 1.0, lambda step: None, ways[1:])


def test_pairs_are_counted() -> None:
    # A 3x3 image: 4 corners with 3 neighbours, 4 edges with 5, and a middle with 8.
    assert pairs((3, 3), 3) == 4 * 3 + 4 * 5 + 8
    assert pairs((1, 1), 5) == 0
    assert pairs((1000, 1000), 5) == pytest.approx(24e6, rel=0.01)


def test_the_table() -> None:
    rows = [
        SpeedRow("a", 12.0, 5, 1.5, 0.5, 1.0, 120.4, 1e-6),
        SpeedRow("b", 12.0, 5, 0.1, 50.0, 100.0, None, None),
    ]
    assert speed_table(rows).splitlines()[2:] == [
        "| a | 12.00 | 5x5 | 0.5000 | 24 | 1.0 | 1.50 | 120 | 1.0e-06 |",
        "| b | 12.00 | 5x5 | 50.0000 | 0.24 | 100.0 | 0.10 | - | - |",
    ]
