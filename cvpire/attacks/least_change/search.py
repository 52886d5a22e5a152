"""The least visible change that meets a condition: a search on the grid of the written file.

At a *price*, what a unit of visibility must gain, each pixel's best change of whole grey levels
follows at once from a gradient (`cvpire.attacks.least_change.choices`): most pixels do not move at
all, and those that gain most for what is seen of them do. Two things are found together, with one
pass through the network a step: the price at which the condition is just met
(`cvpire.attacks.least_change.multiplier`), and the gradient that holds on the way there, a running
mean of those at the changes tried (dual averaging, Nesterov 2009, doi:10.1007/s10107-007-0149-x).
Nothing is ever rounded: what is looked at is what a reader of the file gets.

Images and bounds are those of `cvpire.attacks.base`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor

from cvpire.attacks.base import (
    SAFETY_MARGIN,
    AttackResult,
    AttackStep,
    StepCallback,
    bounds,
    check_inputs,
    in_levels,
)
from cvpire.attacks.conditions import Condition
from cvpire.attacks.least_change.choices import Choices
from cvpire.attacks.least_change.multiplier import Price
from cvpire.attacks.least_change.visibility import measure_visibility

# The most of the running gradient that a step keeps; until then it is the mean of all gradients.
_MEMORY = 0.95

# The fast logits are believed without asking the model where they are so many times further from
# the border than they were ever found to be wrong by.
_DOUBT = 4.0

# The same pixels' logits differ by so much from one batch or layout in memory to another: no error
# is taken as less, and the margin is kept by so much.
_LEAST_ERROR = 1e-5

# Classes behind the highest others by about this share of the way left may become rivals too.
_BREADTH = 0.25

# A rival so many logits beyond the border needs nothing more: what is still spent on it is seen for
# nothing.
_SOFTNESS = 0.05

# A gradient whose mean is smaller, in shortfall a grey level, is rounding.
_LEAST_SCALE = 1e-20

# What the first change is to gain at least, in shortfall.
_LEAST_GOAL = 0.2


def find_least_change(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    epsilon_map: Tensor,
    condition: Condition,
    *,
    max_steps: int,
    refinements: int,
    differentiable: Callable[[Tensor], Tensor] | None = None,
    margin: float = SAFETY_MARGIN,
    on_step: StepCallback | None = None,
) -> AttackResult:
    """Search, for each image by itself, the least visible change within its bound.

    Args:
        model: (n, 3, H, W) in [0, 1] to logits (n, classes), float32: it decides.
        images: (N, 3, H, W) in [0, 1], multiples of 1/255.
        epsilon_map: (N, 1, H, W), 0 or more: how far each channel may move, in [0, 1] units. Where
            it is wide, change of colour counts as less visible.
        condition: what to reach, for these N images.
        max_steps: the most steps until the first success.
        refinements: steps after it.
        differentiable: the same model in a form that gradients are faster to take through; need not
            be as precise. By default the model itself.
        margin: slack, in logits, at which the condition counts as met.
        on_step: told after each step; an answer that is true stops the search, and the best changes
            so far are kept.

    Returns:
        The changed images and, for each, whether it meets the condition.

    Raises:
        ValueError: for shapes or values other than the above.
    """
    check_inputs(images, epsilon_map)
    if max_steps < 0 or refinements < 0:
        raise ValueError(
            f"expected max_steps and refinements of 0 or more, got {max_steps} and {refinements}"
        )
    with ThreadPoolExecutor(torch.get_num_threads()) as workers:
        searches = [
            _Search(image, bound, max_steps, refinements, margin, workers)
            for image, bound in zip(images.cpu(), epsilon_map.cpu(), strict=True)
        ]
        stopped = _run(model, differentiable or model, images, condition, searches, on_step)
        _confirm(model, images, condition, searches)
    return AttackResult(
        torch.stack([search.best for search in searches]).to(images) / 255.0,
        torch.tensor([search.is_met for search in searches], device=images.device),
        torch.tensor([search.steps for search in searches], device=images.device),
        stopped,
    )


def _run(
    model: Callable[[Tensor], Tensor],
    differentiable: Callable[[Tensor], Tensor],
    images: Tensor,
    condition: Condition,
    searches: Sequence[_Search],
    on_step: StepCallback | None,
) -> bool:
    """Take steps until every search is done; whether the callback asked to stop."""
    working = list(range(len(searches)))
    for step in itertools.count():
        if not working:
            break
        rows = torch.tensor(working, device=images.device)
        present, pixels = condition.select(rows), _pixels(searches, working, images)
        with torch.enable_grad():
            logits = differentiable(pixels.requires_grad_(True))
            shortfall = present.shortfall(logits, breadth=_BREADTH, softness=_SOFTNESS)
            (gradient,) = torch.autograd.grad(shortfall.sum(), pixels)
        slack = present.slack(logits.detach()).tolist()
        # The model has the last word, and is only asked where its answer may change anything.
        asked = [i for i, row in enumerate(working) if searches[row].take_fast_answer(slack[i])]
        answers = _ask(model, pixels.detach()[asked], present, asked)
        for i, answer in zip(asked, answers, strict=True):
            searches[working[i]].take_answer(slack[i], answer)
        most = step + max(searches[row].steps_left for row in working)
        if on_step is not None and on_step(_report(searches, step, most)):
            return True
        gradient, falls_short = (gradient.cpu() / 255.0).contiguous(), shortfall.tolist()
        for i, row in enumerate(working):
            searches[row].move(gradient[i], slack[i], falls_short[i])
        working = [row for row in working if not searches[row].is_done]
    return False


def _confirm(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    condition: Condition,
    searches: Sequence[_Search],
) -> None:
    """Have the model's word on the changes that only the fast logits were asked about."""
    while rows := [row for row, search in enumerate(searches) if search.believed]:
        levels = [searches[row].believed[-1].levels for row in rows]
        pixels = torch.stack(levels).to(images) / 255.0
        for row, slack in zip(rows, _ask(model, pixels, condition, rows), strict=True):
            searches[row].take_last_answer(slack)


def _ask(
    model: Callable[[Tensor], Tensor], pixels: Tensor, condition: Condition, rows: Sequence[int]
) -> list[float]:
    """The slack, by the model, of the condition's images of these rows."""
    if not rows:
        return []
    with torch.no_grad():
        selected = condition.select(torch.tensor(rows, device=pixels.device))
        slack: list[float] = selected.slack(model(pixels)).tolist()
    return slack


def _pixels(searches: Sequence[_Search], working: Sequence[int], images: Tensor) -> Tensor:
    changed = [searches[row].levels + searches[row].change for row in working]
    return torch.stack(changed).to(images) / 255.0


def _report(searches: Sequence[_Search], step: int, most: int) -> AttackStep:
    return AttackStep(
        step,
        most,
        torch.tensor([search.is_met for search in searches]),
        torch.tensor([search.slack for search in searches]),
    )


class _Believed(NamedTuple):
    """A change that meets the condition by the fast logits.

    Attributes:
        levels: (3, H, W) uint8, of the changed image.
        cost: what is seen of it.
        surplus: its slack beyond the margin.
    """

    levels: Tensor
    cost: float
    surplus: float


class _Search:
    """The search on one image: its price, its running gradient, and the best change so far.

    Attributes:
        levels: (3, H, W), the original in grey levels.
        change: (3, H, W), what is tried next, in whole levels.
        best: (3, H, W) uint8, the levels of the cheapest change that meets the condition, and until
            there is one, of that with the largest slack.
        slack: of `best`, by the model, or believed.
        is_met: whether `best` meets the condition.
        believed: still cheaper changes that meet it by the fast logits, the cheapest last: that it
            be confirmed in the end, or else one of those before it, which have more slack.
        steps: taken so far.
        is_done: whether there is nothing more to try.
    """

    def __init__(
        self,
        image: Tensor,
        epsilon_map: Tensor,
        max_steps: int,
        refinements: int,
        margin: float,
        workers: Executor,
    ) -> None:
        self.levels = (image * 255.0).round().contiguous()
        self.change = torch.zeros_like(self.levels)
        self.best = self.levels.to(torch.uint8)
        self.slack = -math.inf
        self.is_met = False
        self.believed: list[_Believed] = []
        self.steps = 0
        self.is_done = False
        self.max_steps, self.refinements = max_steps, refinements
        self._margin = margin + _LEAST_ERROR
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
            return 0 if self.steps == 0 else self.refinements - self._price.refined
        return self.max_steps - self.steps + self.refinements

    def take_fast_answer(self, slack: float) -> bool:
        """Take in the fast slack at the present change; whether the model's is needed as well.

        Where the fast one leaves no doubt, it is believed: a change that looks best, until the end,
        and one that falls short, for good. Once a change is known that meets the condition, the
        model is not asked about those that seem to fall short.
        """
        slack += self._correction
        surplus = slack - self._margin
        is_sure = math.isfinite(surplus) and abs(surplus) > _DOUBT * self._error
        if not self.is_met:
            if is_sure and surplus < 0.0 and slack > self.slack:
                self.best, self.slack = self._changed(), slack
            return not is_sure or surplus > 0.0
        if not surplus > 0.0 or self._cost >= self._best_cost:
            return False
        if is_sure:
            self._believe(surplus)
        return not is_sure

    def _believe(self, surplus: float) -> None:
        """Take the present change, the cheapest so far, for one that meets the condition.

        Of those before it, few are kept: with at least its surplus, every other twice as far from
        the border.
        """
        kept = [change for change in self.believed if change.surplus > surplus]
        if len(kept) > 1 and kept[-2].surplus <= 2.0 * surplus:
            del kept[-1]
        self.believed = [*kept, _Believed(self._changed(), self._cost, surplus)]
        self._best_cost = self._cost

    def take_answer(self, fast_slack: float, slack: float) -> None:
        """Take in the model's slack at the present change."""
        correction = slack - fast_slack
        if math.isfinite(correction):
            if self.steps > 0:
                self._take_error(abs(correction - self._correction))
            self._correction = correction
        is_met = slack > self._margin
        if (is_met and self._cost < self._best_cost) or (not self.is_met and slack > self.slack):
            self.best, self.slack = self._changed(), slack
            self.believed = []
        if is_met:
            self.is_met = True
            self._confirmed_cost = min(self._cost, self._confirmed_cost)
            self._best_cost = min(self._cost, self._best_cost)

    def _take_error(self, error: float) -> None:
        known = 0.0 if self._error == math.inf else self._error
        self._error = max(error, known, _LEAST_ERROR)
        # The others would not have been believed.
        self._believe_beyond(_DOUBT * self._error)

    def _believe_beyond(self, surplus: float) -> None:
        """Believe only those with more surplus."""
        self.believed = [change for change in self.believed if change.surplus > surplus]
        self._best_cost = self.believed[-1].cost if self.believed else self._confirmed_cost

    def take_last_answer(self, slack: float) -> None:
        """Take in the model's slack at the cheapest believed change."""
        cheapest = self.believed.pop()
        surplus = slack - self._margin
        if surplus > 0.0:
            self.best, self.slack = cheapest.levels, slack
            self.believed = []
        else:
            self._believe_beyond(cheapest.surplus - surplus)

    def _changed(self) -> Tensor:
        return (self.levels + self.change).to(torch.uint8)

    def move(self, gradient: Tensor, slack: float, shortfall: float) -> None:
        """Choose what is tried next.

        Args:
            gradient: (3, H, W), of the shortfall by grey levels, at the present change.
            slack: at the present change, by the fast logits.
            shortfall: the same.
        """
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
                self.is_done = self._price.refined >= self.refinements
                self._price.refine(slack)
            else:
                self.is_done = self.steps >= self.max_steps
                self._price.lower(slack)
        if not self.is_done:
            self.steps += 1
            self._cost = self._choices.choose(self._gain, self._price.value, self.change)

    def _begin(self, gain: Tensor, goal: float, slack: float) -> None:
        lower, upper = bounds(self.levels, self._limit)
        lower, upper = lower.ceil(), upper.floor()
        can_change = bool((lower < 0.0).any() or (upper > 0.0).any())
        self.is_done |= self.is_met or not can_change or self.max_steps == 0
        if self.is_done:
            return
        visibility = measure_visibility(self.levels, self._limit[0])
        self._choices = Choices(visibility, lower, upper, self._workers)
        self._gain = gain
        first = self._choices.price_for(gain, goal)
        self._price = Price(first, slack, self._margin, self.refinements)
