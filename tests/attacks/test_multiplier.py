"""The multiplier of a search, on slacks that depend on it in known ways."""

from __future__ import annotations

import math

import pytest

from cvpire.attacks.least_change.multiplier import Multiplier

START, MARGIN = -2.0, 0.001


@pytest.mark.parametrize("power", [1.2, 1.6, 4.0])
@pytest.mark.parametrize("first", [0.2, 50.0])
def test_it_goes_to_where_the_slack_is_the_margin(power: float, first: float) -> None:
    """A gain of exactly this power of 1 / multiplier, which needs a multiplier of 1."""

    def slack(multiplier: Multiplier) -> float:
        gained: float = multiplier.value**-power
        return START + (MARGIN - START) * gained

    multiplier = Multiplier(first, START, MARGIN, refinements=20)
    while slack(multiplier) <= MARGIN:
        multiplier.lower(slack(multiplier))
    for _ in range(20):
        multiplier.refine(slack(multiplier))
    assert multiplier.refined == 20
    assert multiplier.value == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("slack", [-3.0, -math.inf, math.nan])
def test_what_gains_nothing_halves_the_multiplier(slack: float) -> None:
    multiplier = Multiplier(8.0, START, MARGIN, refinements=5)
    multiplier.lower(slack)
    assert multiplier.value == 4.0


def test_a_step_short_of_the_border_still_lowers_it() -> None:
    multiplier = Multiplier(8.0, START, MARGIN, refinements=5)
    multiplier.lower(MARGIN - 1e-9)
    assert multiplier.value == pytest.approx(0.95 * 8.0)


def test_it_stays_a_number_however_long_nothing_helps() -> None:
    multiplier = Multiplier(8.0, MARGIN, MARGIN, refinements=5)
    for _ in range(2000):
        multiplier.lower(-1.0)
    assert multiplier.value == pytest.approx(8e-12)
