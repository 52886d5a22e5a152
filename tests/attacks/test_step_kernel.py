"""The compiled choice of each pixel's change, against trying all of them."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from cvpire.attacks.least_change.step_kernel import Table, choose_changes

Array = NDArray[np.float32]
Changes = NDArray[np.float64]


class Case(NamedTuple):
    gradient: Array
    table: Table


def make_case(pixels: int, seed: int = 0) -> Case:
    random = np.random.default_rng(seed)
    factor = random.normal(size=(pixels, 3, 3))
    form = np.einsum("pij,pkj->pik", factor, factor)  # positive definite
    color = np.stack(
        [form[:, c, c] for c in range(3)]
        + [2.0 * form[:, a, b] for a, b in ((0, 1), (0, 2), (1, 2))]
    )
    with ThreadPoolExecutor(2) as workers:
        table = Table.of(
            color=color.astype(np.float32),
            structure=random.uniform(0.05, 1.0, (3, pixels)).astype(np.float32),
            lower=-random.integers(0, 4, (3, pixels)).astype(np.float32),
            upper=random.integers(0, 4, (3, pixels)).astype(np.float32),
            curvature=0.4,
            workers=workers,
        )
    return Case((3.0 * random.normal(size=(3, pixels))).astype(np.float32), table)


def cost_of(table: Table, change: Changes) -> Changes:
    r, g, b = change
    mixed = np.stack((r * r, g * g, b * b, r * g, r * b, g * b))
    form = (table.color * mixed).sum(axis=0).clip(0.0)
    squares: Changes = (table.structure * change**2).sum(axis=0)
    total: Changes = squares + np.sqrt(form) + table.curvature * form
    return total


def choose(case: Case, multiplier: float, threads: int = 2) -> tuple[float, Array]:
    change = np.full_like(case.gradient, np.nan)
    with ThreadPoolExecutor(threads) as workers:
        cost = choose_changes(case.gradient, case.table, multiplier, change, workers)
    return cost, change


@pytest.mark.parametrize("multiplier", [1e-8, 0.3, 1.0, 3.0])
def test_no_change_along_a_direction_is_better(multiplier: float) -> None:
    case = make_case(1500)
    table = case.table
    cost, change = choose(case, multiplier)
    assert (change >= table.lower).all()
    assert (change <= table.upper).all()
    assert (change == change.round()).all()

    def value(change: Changes) -> Changes:
        gain: Changes = (case.gradient * change).sum(axis=0) / multiplier
        return gain - cost_of(table, change)

    best = np.zeros(1500)
    for direction in itertools.product((-1, 0, 1), repeat=3):
        for levels in (1, 2, 3):
            tried = np.repeat(levels * np.array(direction, float)[:, None], 1500, axis=1)
            is_inside = ((tried >= table.lower) & (tried <= table.upper)).all(axis=0)
            best = np.where(is_inside, np.maximum(best, value(tried)), best)
    assert value(change.astype(float)) == pytest.approx(best, rel=1e-6, abs=1e-3)
    assert cost == pytest.approx(cost_of(table, change.astype(float)).sum(), rel=1e-4)


def test_a_higher_price_changes_less() -> None:
    case = make_case(4000, seed=1)
    costs = [choose(case, multiplier)[0] for multiplier in (0.1, 1.0, 10.0, 1e6)]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > 0.0
    assert costs[-1] == 0.0


def test_pixels_do_not_depend_on_where_bands_begin() -> None:
    case = make_case(70_000, seed=2)
    _, whole = choose(case, 1.0)
    assert np.array_equal(choose(case, 1.0, threads=1)[1], whole)
    third = Case(np.ascontiguousarray(case.gradient[:, ::3]), case.table.every(3))
    assert np.array_equal(choose(third, 1.0)[1], whole[:, ::3])
