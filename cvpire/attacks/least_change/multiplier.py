"""The Lagrange multiplier of the visibility cost: where the condition is about to be just met.

It is what a unit of visibility must gain in the condition's loss (see
`cvpire.attacks.least_change.search`). The lower it is, the more is changed, and the more slack is
gained.
"""

from __future__ import annotations

import math

# The slack that is gained goes about with this power of 1 / multiplier, or a higher one: as the
# multiplier falls, more pixels move, and each of them further. What is seen of it counts where the
# multiplier moved by a hundredth or more, since the gradient gets better meanwhile.
_GAIN_POWER, _LEAST_MOVE = 1.6, 0.01

# Until the first success, a step leaves between so much and so much of the multiplier.
_LEAST_KEPT, _MOST_KEPT = 0.5, 0.95

# Afterwards it raises or lowers the multiplier by a share of at most the first, at the end the
# second.
_FIRST_SHARE, _LAST_SHARE = 0.5, 0.03

# A multiplier this share of the first leaves no pixel where it could still move.
_LEAST_MULTIPLIER = 1e-12

# What is to be gained, in slack, is taken as no less than this.
_LEAST_WANTED = 1e-6


class Multiplier:
    """The multiplier of one search, moved after each step by what the step gained.

    Args:
        first: what the first change is looked for at, above 0.
        start: slack of the unchanged image.
        margin: slack to reach.
        refinements: steps after the first success.

    Attributes:
        value: the multiplier now.
        refined: steps after the first success so far.
    """

    def __init__(self, first: float, start: float, margin: float, refinements: int) -> None:
        self.value = first
        self.refined = 0
        self._least = _LEAST_MULTIPLIER * first
        self._start, self._wanted = start, max(margin - start, _LEAST_WANTED)
        self._refinements = refinements
        self._power = _GAIN_POWER
        self._last = (0.0, 0.0)  # logarithms of the last multiplier and of the share it gained

    def lower(self, slack: float) -> None:
        """Go on to the first success, after a change that has this slack."""
        kept = min(max(self._factor(slack), _LEAST_KEPT), _MOST_KEPT)
        self.value = max(self.value * kept, self._least)

    def refine(self, slack: float) -> None:
        """Go on after the first success, up or down."""
        way = self.refined / max(1, self._refinements - 1)
        most = 1.0 + _FIRST_SHARE * (_LAST_SHARE / _FIRST_SHARE) ** way
        self.value *= min(max(self._factor(slack), 1.0 / most), most)
        self.refined += 1

    def _factor(self, slack: float) -> float:
        """By how much the multiplier is to change, for the slack to be the margin; 0 if unknown."""
        share = (slack - self._start) / self._wanted
        if not 0.0 < share < math.inf:
            return 0.0
        multiplier, gained = math.log(self.value), math.log(share)
        multiplier_before, gained_before = self._last
        if gained_before != 0.0 and abs(multiplier - multiplier_before) > _LEAST_MOVE:
            seen = (gained - gained_before) / (multiplier_before - multiplier)
            self._power = max(_GAIN_POWER, (self._power + seen) / 2.0)
        self._last = multiplier, gained
        return math.exp(gained / self._power)
