"""How strong the next change is to be."""

from __future__ import annotations

import math

from torch import Tensor

from cvpire.attacks.base import SAFETY_MARGIN
from cvpire.attacks.faint_change.settings import FaintSettings

# The contrast follows slack by the mean of the last looks less their deviation, of which each step
# keeps so much, and changes by no more than this factor a step.
_KEPT, _MOST_FACTOR = 0.7, 1.2

# The first change has a contrast within these limits.
_FIRST_CONTRASTS = (0.2, 2.0)

# A look that gained less than this share of the mean gain says nothing of what more would gain.
_LEAST_SHARE = 0.25


class Pace:
    """How strong the next change is to be: slack grows about linearly with contrast.

    Args:
        start: mean slack of the clean photo, under edits.
        settings: of the search.
    """

    def __init__(self, start: float, settings: FaintSettings) -> None:
        self.start = start
        self._settings = settings
        self._mean: float | None = None
        self._variance = 0.0

    def first(self, shortfall: float, gained: float) -> float:
        """The first contrast, by what a contrast of 1 gains of the shortfall."""
        if self._settings.contrast is not None:
            return self._settings.contrast / 4.0
        least, most = _FIRST_CONTRASTS
        return min(max(0.3 * shortfall / gained, least), most) if gained > 0.0 else least

    def next(self, contrast: float, slack: Tensor) -> float:
        """The contrast after one of which the looks had this slack."""
        if self._settings.contrast is not None:
            return min(contrast * _MOST_FACTOR, self._settings.contrast)
        rates = ((slack - self.start) / contrast).double()
        rates = rates[rates.isfinite()]
        if len(rates) == 0:
            return contrast
        mean = float(rates.mean())
        variance = float(rates.var()) if len(rates) > 1 else 0.0
        if self._mean is None:
            self._mean, self._variance = mean, variance
        self._mean = _KEPT * self._mean + (1.0 - _KEPT) * mean
        self._variance = _KEPT * self._variance + (1.0 - _KEPT) * variance
        rate = max(self._mean - self._variance**0.5, _LEAST_SHARE * self._mean)
        factor = math.inf
        if rate > 0.0:
            factor = max(self._settings.reserve - self.start, SAFETY_MARGIN) / (rate * contrast)
        return contrast * min(max(factor, 1.0 / _MOST_FACTOR), _MOST_FACTOR)
