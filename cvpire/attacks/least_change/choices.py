"""The best change of each pixel of a photo, of all whole grey levels, for a multiplier.

A multiplier is what a unit of visibility must gain (see `cvpire.attacks.least_change.multiplier`).
"""

from __future__ import annotations

import math
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cvpire.attacks.least_change.step_kernel import Table, choose_changes
from cvpire.attacks.least_change.visibility import ChangeCost

# The first multiplier is sought on about so many pixels, evenly spread, this many powers of e
# around the ratio of the mean gain to the mean cost.
_SAMPLE_PIXELS, _MULTIPLIER_RANGE, _HALVINGS = 1 << 14, 8.0, 9


class Choices:
    """The choice of each pixel's change in one image, for any gain and multiplier.

    Args:
        visibility: what a change costs.
        lower: (3, H, W), the least change, whole levels.
        upper: (3, H, W), the largest.
        workers: thread pool for the bands of pixels.
    """

    def __init__(
        self, visibility: ChangeCost, lower: Tensor, upper: Tensor, workers: Executor
    ) -> None:
        color, structure = _row(visibility.color), _row(visibility.structure)
        limits = _row(lower), _row(upper)
        self._table = Table.of(color, structure, *limits, visibility.curvature, workers)
        self._workers = workers

    def choose(self, gain: Tensor, multiplier: float, change: Tensor) -> float:
        """Fill `change` (3, H, W) with each pixel's best at the multiplier, and return what it
        costs."""
        return choose_changes(_row(gain), self._table, multiplier, _row(change), self._workers)

    def multiplier_for(self, gain: Tensor, goal: float) -> float:
        """The multiplier at which the changes gain the goal, were the gain of a level constant."""
        stride = max(1, gain[0].numel() // _SAMPLE_PIXELS)
        table = self._table.every(stride)
        sample = np.ascontiguousarray(_row(gain)[:, ::stride])
        change = np.empty_like(sample)
        # The mean over all pixels is 1.
        gained = float(np.abs(sample).mean()) or 1.0
        usual = gained / float(np.sqrt(table.color[:3]).mean() + table.structure.mean())
        low, high = -_MULTIPLIER_RANGE, _MULTIPLIER_RANGE
        for _ in range(_HALVINGS):
            middle = (low + high) / 2.0
            multiplier = usual * math.exp(middle)
            choose_changes(sample, table, multiplier, change, self._workers)
            if stride * float((sample * change).sum()) > goal:
                low = middle
            else:
                high = middle
        return usual * math.exp(low)


def _row(planes: Tensor) -> NDArray[np.float32]:
    """(C, H, W) as (C, P), the same memory."""
    row: NDArray[np.float32] = planes.view(len(planes), -1).numpy()
    return row
