"""The price of a search, on slacks that depend on it in known ways."""

from __future__ import annotations

import math

import pytest

from cvpire.attacks.least_change.multiplier import Price

START, MARGIN = -2.0, 0.001


@pytest.mark.parametrize("power", [1.2, 1.6, 4.0])
@pytest.mark.parametrize("first", [0.2, 50.0])
def test_it_goes_to_where_the_slack_is_the_margin(power: float, first: float) -> None:
    """A gain of exactly this power of 1 / price, which needs a price of 1."""

    def slack(price: Price) -> float:
        gained: float = price.value**-power
        return START + (MARGIN - START) * gained

    price = Price(first, START, MARGIN, refinements=20)
    while slack(price) <= MARGIN:
        price.lower(slack(price))
    for _ in range(20):
        price.refine(slack(price))
    assert price.refined == 20
    assert price.value == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("slack", [-3.0, -math.inf, math.nan])
def test_what_gains_nothing_halves_the_price(slack: float) -> None:
    price = Price(8.0, START, MARGIN, refinements=5)
    price.lower(slack)
    assert price.value == 4.0


def test_a_step_short_of_the_border_still_lowers_it() -> None:
    price = Price(8.0, START, MARGIN, refinements=5)
    price.lower(MARGIN - 1e-9)
    assert price.value == pytest.approx(0.95 * 8.0)


def test_it_stays_a_number_however_long_nothing_helps() -> None:
    price = Price(8.0, MARGIN, MARGIN, refinements=5)
    for _ in range(2000):
        price.lower(-1.0)
    assert price.value == pytest.approx(8e-12)
