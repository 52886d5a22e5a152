"""The least visible change that meets a condition: a search on the grid of the written file.

At a *multiplier*, what a unit of visibility must gain, each pixel's best change of whole grey
levels follows at once from a gradient (`cvpire.attacks.least_change.choices`): most pixels do not
move at all, and those that gain most for what is seen of them do. Two things are found together,
with one pass through the network a step: the multiplier at which the condition is just met
(`cvpire.attacks.least_change.multiplier`), and the gradient that holds on the way there, a running
mean of those at the changes tried (dual averaging, Nesterov 2009, doi:10.1007/s10107-007-0149-x).
Nothing is ever rounded: what is looked at is what a reader of the file gets.

Images and bounds are those of `cvpire.attacks.base`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from cvpire.attacks.base import AttackResult, Search, SearchInput
from cvpire.attacks.conditions import Measure
from cvpire.attacks.least_change.image_search import ImageSearch
from cvpire.watch import AttackStep

# Classes behind the highest others by about a quarter of the way left may become rivals too. A
# rival a twentieth of a logit beyond the border needs nothing more: what is still spent on it is
# seen for nothing.
_MEASURE = Measure(breadth=0.25, softness=0.05)


@dataclass(frozen=True)
class LeastChange(Search):
    """Our search for the least visible change, for each image by itself.

    Where a bound is wide, change of colour counts as less visible. Nothing depends on the seed.

    Attributes:
        max_steps: the most steps until the first success.
        refinements: steps after it.
    """

    max_steps: int
    refinements: int

    def __post_init__(self) -> None:
        if self.max_steps < 0 or self.refinements < 0:
            raise ValueError(
                f"expected max_steps and refinements of 0 or more, got {self.max_steps} and "
                f"{self.refinements}"
            )

    @property
    def most_steps(self) -> int:
        return self.max_steps + self.refinements

    def find(self, given: SearchInput) -> AttackResult:
        images = given.images
        with ThreadPoolExecutor(torch.get_num_threads()) as workers:
            searches = [
                ImageSearch(image, bound, self.max_steps, self.refinements, workers)
                for image, bound in zip(images.cpu(), given.epsilon_map.cpu(), strict=True)
            ]
            _run(given, searches)
            _confirm(given, searches)
        return AttackResult(
            torch.stack([search.best for search in searches]).to(images) / 255.0,
            torch.tensor([search.is_met for search in searches], device=images.device),
            torch.tensor([search.steps for search in searches], device=images.device),
        )


def _run(given: SearchInput, searches: Sequence[ImageSearch]) -> None:
    """Take steps until every search is done."""
    working = list(range(len(searches)))
    for step in itertools.count():
        if not working:
            break
        rows = torch.tensor(working, device=given.images.device)
        present = given.goal.select(rows)
        changed = [searches[row].levels + searches[row].change for row in working]
        pixels = torch.stack(changed).to(given.images) / 255.0
        with torch.enable_grad():
            logits = given.fast_logits(pixels.requires_grad_(True))
            shortfall = present.shortfall(logits, _MEASURE)
            (gradient,) = torch.autograd.grad(shortfall.sum(), pixels)
        slack = present.slack(logits.detach()).tolist()
        # The model decides, and is only asked where its answer may change anything.
        asked = [i for i, row in enumerate(working) if searches[row].take_fast_answer(slack[i])]
        answers = _ask(given, pixels.detach()[asked], [working[i] for i in asked])
        for i, answer in zip(asked, answers, strict=True):
            searches[working[i]].take_answer(slack[i], answer)
        most = step + max(searches[row].steps_left for row in working)
        success = torch.tensor([search.is_met for search in searches])
        best = torch.tensor([search.slack for search in searches])
        given.watch.step(AttackStep(step, most, success, best))
        gradient, falls_short = (gradient.cpu() / 255.0).contiguous(), shortfall.tolist()
        for i, row in enumerate(working):
            searches[row].move(gradient[i], slack[i], falls_short[i])
        working = [row for row in working if not searches[row].is_done]


def _confirm(given: SearchInput, searches: Sequence[ImageSearch]) -> None:
    """Ask the model about the changes that only the fast logits were asked about."""
    while rows := [row for row, search in enumerate(searches) if search.unverified]:
        levels = [searches[row].unverified[-1].levels for row in rows]
        pixels = torch.stack(levels).to(given.images) / 255.0
        for row, slack in zip(rows, _ask(given, pixels, rows), strict=True):
            searches[row].take_last_answer(slack)


def _ask(given: SearchInput, pixels: Tensor, rows: Sequence[int]) -> list[float]:
    """The slack, by the model, of pixels for the images of these rows."""
    if not rows:
        return []
    with torch.no_grad():
        selected = given.goal.select(torch.tensor(rows, device=pixels.device))
        slack: list[float] = selected.slack(given.logits(pixels)).tolist()
    return slack
