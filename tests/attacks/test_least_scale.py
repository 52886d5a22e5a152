"""The least scale at which a measure passes."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest

from cvpire.attacks.faint_change.least_scale import least_scale

Measure = Callable[[float], float]

# Rising functions whose border is at 2.
RISING: dict[str, Measure] = {
    "line": lambda scale: scale - 2.0,
    "steep": lambda scale: 50.0 * (scale - 2.0),
    "root": lambda scale: math.sqrt(scale) - math.sqrt(2.0),
    "square": lambda scale: scale**2 - 4.0,
    "step": lambda scale: 1.0 if scale > 2.0 else -1.0,
}


class Counted:
    """A measure that keeps what it was asked, and what it answered."""

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self.seen: dict[float, float] = {}

    def __call__(self, scale: float) -> float:
        assert scale > 0.0 and scale not in self.seen, "asked in vain"
        self.seen[scale] = self.measure(scale)
        return self.seen[scale]


@pytest.mark.parametrize("start", [0.5, 1.9, 2.1, 7.0])
@pytest.mark.parametrize("name", RISING)
def test_it_ends_just_beyond_the_border(name: str, start: float) -> None:
    measure = Counted(RISING[name])
    found = least_scale(measure, start, RISING[name](0.0), precision=1.01, most=60)
    assert found is not None and measure.seen[found] > 0.0
    assert 2.0 < found <= 2.0 * 1.01
    below = max(scale for scale, value in measure.seen.items() if value <= 0.0)
    assert found <= below * 1.01, "it knows that less does not pass"
    assert len(measure.seen) <= 30


def test_a_line_takes_few_calls() -> None:
    measure = Counted(RISING["line"])
    assert least_scale(measure, 1.0, -2.0, precision=1.05, most=9) is not None
    assert len(measure.seen) <= 5


@pytest.mark.parametrize("most", [1, 2, 6])
def test_where_nothing_passes_there_is_none(most: int) -> None:
    measure = Counted(lambda scale: -1.0)
    assert least_scale(measure, 1.0, -1.0, precision=1.05, most=most) is None
    assert len(measure.seen) == most
    assert list(measure.seen) == sorted(measure.seen)


def test_a_first_scale_that_passes_is_kept_where_there_is_but_one_call() -> None:
    assert least_scale(lambda scale: scale - 2.0, 5.0, -2.0, precision=1.05, most=1) == 5.0


def test_what_is_found_has_passed_even_where_the_measure_wavers() -> None:
    for phase in range(8):
        measure = Counted(lambda scale: scale - 2.0 + 0.8 * math.sin(20.0 * scale + phase))  # noqa: B023
        found = least_scale(measure, 1.0, -2.0, precision=1.02, most=10)
        assert found is not None and measure.seen[found] > 0.0
        assert len(measure.seen) <= 10
        assert found == min(scale for scale, value in measure.seen.items() if value > 0.0)


def test_of_a_measure_that_levels_off_what_passes_is_found_though_not_the_least() -> None:
    measure = Counted(lambda scale: math.tanh(scale) - math.tanh(2.0))
    found = least_scale(measure, 7.0, -math.tanh(2.0), precision=1.05, most=6)
    assert found is not None and 2.0 < found < 7.0
    assert len(measure.seen) == 6


def test_the_way_up_is_by_steps_that_have_a_limit() -> None:
    """A measure that hardly rises at first would have a line cross 0 far away."""
    measure = Counted(lambda scale: -2.0 + 1e-6 * scale)
    least_scale(measure, 1.0, -2.0, precision=1.05, most=5)
    scales = list(measure.seen)
    for one, other in pairwise(scales):
        assert 1.05 < other / one < 2.0
