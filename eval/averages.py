"""Means over photos of which some have no value, and how a table shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def mean(values: Sequence[float]) -> float:
    """The mean; the exact sum does not depend on the order of the values."""
    return math.fsum(values) / len(values)


def known_mean(values: Sequence[float]) -> float:
    """The mean of the values that are not NaN; NaN where all are."""
    known = [value for value in values if not math.isnan(value)]
    return mean(known) if known else math.nan


def known_least(values: Sequence[float]) -> float:
    """The least of the values that are not NaN; NaN where all are."""
    return min((value for value in values if not math.isnan(value)), default=math.nan)


def cell(value: float | None, form: str, *, absent: str = "-") -> str:
    """A table's cell.

    Args:
        value: what was found; NaN where no photo has a value, None where nothing was asked.
        form: of a number, as `format` takes it.
        absent: what stands for None.
    """
    if value is None:
        return absent
    return "n/a" if math.isnan(value) else format(value, form)


def plain(value: str | float | None) -> str:
    """A cell of a CSV file: six digits; empty where there is no value."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value)
