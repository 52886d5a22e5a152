"""The least-change search on one image."""

from __future__ import annotations

import math
from concurrent.futures import Executor
from typing import NamedTuple

import torch
from torch import Tensor

from cvpire.attacks.base import SAFETY_MARGIN, bounds, in_levels
from cvpire.attacks.least_change.multiplier import Multiplier
from cvpire.attacks.least_change.visibility import measure_visibility

# The most of the running gradient that a step keeps; until then it is the mean of all gradients.
_MEMORY = 0.95

# The fast logits are taken without asking the model where they are so many times further from
# the border than they were ever found to be wrong by.
_ERROR_FACTOR = 4.0

# The same pixels' logits differ by so much from one batch or layout in memory to another: no error
# is taken as less, and the margin is kept by so much.
_LEAST_ERROR = 1e-5
_MARGIN = SAFETY_MARGIN + _LEAST_ERROR

# A gradient whose mean is smaller, in shortfall a grey level, is rounding.
_LEAST_SCALE = 1e-20

# What the first change is to gain at least, in shortfall.
_LEAST_GOAL = 0.2


class Candidate(NamedTuple):
    """A change that meets the condition by the fast logits.

    Attributes:
        levels: (3, H, W) uint8, of the changed image.
        cost: what is seen of it.
        surplus: its slack beyond the margin.
    """

    levels: Tensor
    cost: float
    surplus: float


class ImageSearch:
    """The search on one image: its multiplier, its running gradient, and the best change so far.

    Attributes:
        levels: (3, H, W), the original in grey levels.
        change: (3, H, W), what is tried next, in whole levels.
        best: (3, H, W) uint8, the levels of the cheapest change that meets the condition, and until
            there is one, of that with the largest slack.
        slack: of `best`, by the model, or not verified yet.
        is_met: whether `best` meets the condition.
        unverified: still cheaper changes that meet it by the fast logits, the cheapest last: that
            it be confirmed in the end, or else one of those before it, which have more slack.
        steps: taken so far.
        is_done: whether there is nothing more to try.
    """

    def __init__(
        self,
        image: Tensor,
        epsilon_map: Tensor,
        max_steps: int,
        refinements: int,
        workers: Executor,
    ) -> None:
        self.levels = (image * 255.0).round().contiguous()
        self.change = torch.zeros_like(self.levels)
        self.best = self.levels.to(torch.uint8)
        self.slack = -math.inf
        self.is_met = False
        self.unverified: list[Candidate] = []
        self.steps = 0
        self.is_done = False
        self.max_steps, self.refinements = max_steps, refinements
        self._limit = in_levels(epsilon_map)
        self._workers = workers
        self._gain = torch.zeros_like(self.levels)
        self._correction = 0.0  # the model's slack less the fast one's
        self._error = math.inf  # the most that the correction was seen to be wrong by
        self._cost = 0.0
        self._best_cost = self._confirmed_cost = math.inf

    @property
    def steps_left(self) -> int:
        """The most that will follow, the present change looked at."""
        if self.is_met:
            return 0 if self.steps == 0 else self.refinements - self._multiplier.refined
        return self.max_steps - self.steps + self.refinements

    def take_fast_answer(self, slack: float) -> bool:
        """Take in the fast slack at the present change; whether the model's is needed as well.

        Where the fast one is sure, it is not verified: a change that looks best, until the
        end, and one that falls short, for good. Once a change is known that meets the condition,
        the model is not asked about those that seem to fall short.
        """
        slack += self._correction
        surplus = slack - _MARGIN
        is_sure = math.isfinite(surplus) and abs(surplus) > _ERROR_FACTOR * self._error
        if not self.is_met:
            if is_sure and surplus < 0.0 and slack > self.slack:
                self.best, self.slack = self._changed(), slack
            return not is_sure or surplus > 0.0
        if not surplus > 0.0 or self._cost >= self._best_cost:
            return False
        if is_sure:
            self._add_unverified(surplus)
        return not is_sure

    def _add_unverified(self, surplus: float) -> None:
        """Take the present change, the cheapest so far, for one that meets the condition.

        Of those before it, few are kept: with at least its surplus, every other twice as far from
        the border.
        """
        kept = [change for change in self.unverified if change.surplus > surplus]
        if len(kept) > 1 and kept[-2].surplus <= 2.0 * surplus:
            del kept[-1]
        self.unverified = [*kept, Candidate(self._changed(), self._cost, surplus)]
        self._best_cost = self._cost

    def take_answer(self, fast_slack: float, slack: float) -> None:
        """Take in the model's slack at the present change."""
        correction = slack - fast_slack
        if math.isfinite(correction):
            if self.steps > 0:
                self._take_error(abs(correction - self._correction))
            self._correction = correction
        is_met = slack > _MARGIN
        if (is_met and self._cost < self._best_cost) or (not self.is_met and slack > self.slack):
            self.best, self.slack = self._changed(), slack
            self.unverified = []
        if is_met:
            self.is_met = True
            self._confirmed_cost = min(self._cost, self._confirmed_cost)
            self._best_cost = min(self._cost, self._best_cost)

    def _take_error(self, error: float) -> None:
        known = 0.0 if self._error == math.inf else self._error
        self._error = max(error, known, _LEAST_ERROR)
        # The others would not have passed either.
        self._keep_unverified(_ERROR_FACTOR * self._error)

    def _keep_unverified(self, surplus: float) -> None:
        """Keep only the unverified changes with more surplus."""
        self.unverified = [change for change in self.unverified if change.surplus > surplus]
        self._best_cost = self.unverified[-1].cost if self.unverified else self._confirmed_cost

    def take_last_answer(self, slack: float) -> None:
        """Take in the model's slack at the cheapest unverified change."""
        cheapest = self.unverified.pop()
        surplus = slack - _MARGIN
        if surplus > 0.0:
            self.best, self.slack = cheapest.levels, slack
            self.unverified = []
        else:
            self._keep_unverified(cheapest.surplus - surplus)

    def _changed(self) -> Tensor:
        return (self.levels + self.change).to(torch.uint8)

    def move(self, gradient: Tensor, slack: float, shortfall: float) -> None:
        """Choose what is tried next, by the fast logits at the present change: their slack, their
        shortfall, and its gradient (3, H, W) by grey levels."""
        scale = float(gradient.abs().mean())
        # A gradient that is next to 0 or none says nothing of where to go: the one before stays.
        weight = -1.0 / scale if _LEAST_SCALE < scale < math.inf else 0.0
        slack += self._correction
        if self.steps == 0:
            self.is_done = weight == 0.0
            self._begin(gradient * weight, -weight * max(shortfall, _LEAST_GOAL), slack)
        else:
            if weight != 0.0:
                kept = min(_MEMORY, self.steps / (self.steps + 1.0))
                self._gain.mul_(kept).add_(gradient, alpha=weight * (1.0 - kept))
            if self.is_met:
                self.is_done = self._multiplier.refined >= self.refinements
                self._multiplier.refine(slack)
            else:
                self.is_done = self.steps >= self.max_steps
                self._multiplier.lower(slack)
        if not self.is_done:
            self.steps += 1
            self._cost = self._choices.choose(self._gain, self._multiplier.value, self.change)

    def _begin(self, gain: Tensor, goal: float, slack: float) -> None:
        lower, upper = bounds(self.levels, self._limit)
        lower, upper = lower.ceil(), upper.floor()
        can_change = bool((lower < 0.0).any() or (upper > 0.0).any())
        self.is_done |= self.is_met or not can_change or self.max_steps == 0
        if self.is_done:
            return
        # Imported late: numba takes half a second, which a page's start need not wait for.
        from cvpire.attacks.least_change.choices import Choices

        visibility = measure_visibility(self.levels, self._limit[0])
        self._choices = Choices(visibility, lower, upper, self._workers)
        self._gain = gain
        first = self._choices.multiplier_for(gain, goal)
        self._multiplier = Multiplier(first, slack, _MARGIN, self.refinements)
