"""The benchmark of the map: its oracle is right, and its table says what was measured."""

from __future__ import annotations

import numpy as np
from conftest import textured_pixels
from test_threshold import double_loop

from eval.speed import SpeedRow, measure_speed, scikit_image_map, speed_table


def test_the_vectorised_oracle_is_the_definition() -> None:
    pixels = textured_pixels(9, 11)
    for kernel_size, sigma in ((3, 1.0), (5, 1.4)):
        found = scikit_image_map(pixels, kernel_size, sigma)
        assert np.abs(found - double_loop(pixels, kernel_size, sigma)).max() < 1e-9


def test_both_ways_compute_the_same_map() -> None:
    ours, oracle = measure_speed(side=32, repetitions=2)
    assert ours.ratio == 1.0
    assert oracle.largest_difference is None
    assert ours.largest_difference is not None
    assert 0.0 < ours.largest_difference < 1e-5
    assert 0.0 < ours.seconds <= ours.first_seconds
    assert oracle.ratio == oracle.seconds / ours.seconds


def test_the_table() -> None:
    rows = [SpeedRow("a", 0.01, 0.02, 1.0, 1e-6), SpeedRow("b", 0.1, 0.2, 10.0, None)]
    assert speed_table(rows).splitlines()[2:] == [
        "| a | 0.0100 | 0.0200 | 1.0 | 1.0e-06 |",
        "| b | 0.1000 | 0.2000 | 10.0 | - |",
    ]
