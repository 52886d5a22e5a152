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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from cvpire.attacks.base import SAFETY_MARGIN, AttackResult, check_inputs
from cvpire.attacks.conditions import Condition
from cvpire.attacks.least_change.image_search import ImageSearch
from cvpire.watch import UNWATCHED, AttackStep, Watch

# Classes behind the highest others by about this share of the way left may become rivals too.
_BREADTH = 0.25

# A rival so many logits beyond the border needs nothing more: what is still spent on it is seen for
# nothing.
_SOFTNESS = 0.05


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
    watch: Watch = UNWATCHED,
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
        watch: told after each step.

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
            ImageSearch(image, bound, max_steps, refinements, margin, workers)
            for image, bound in zip(images.cpu(), epsilon_map.cpu(), strict=True)
        ]
        _run(model, differentiable or model, images, condition, searches, watch)
        _confirm(model, images, condition, searches)
    return AttackResult(
        torch.stack([search.best for search in searches]).to(images) / 255.0,
        torch.tensor([search.is_met for search in searches], device=images.device),
        torch.tensor([search.steps for search in searches], device=images.device),
    )


def _run(
    model: Callable[[Tensor], Tensor],
    differentiable: Callable[[Tensor], Tensor],
    images: Tensor,
    condition: Condition,
    searches: Sequence[ImageSearch],
    watch: Watch,
) -> None:
    """Take steps until every search is done."""
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
        watch.step(_report(searches, step, most))
        gradient, falls_short = (gradient.cpu() / 255.0).contiguous(), shortfall.tolist()
        for i, row in enumerate(working):
            searches[row].move(gradient[i], slack[i], falls_short[i])
        working = [row for row in working if not searches[row].is_done]


def _confirm(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    condition: Condition,
    searches: Sequence[ImageSearch],
) -> None:
    """Have the model's word on the changes that only the fast logits were asked about."""
    while rows := [row for row, search in enumerate(searches) if search.unverified]:
        levels = [searches[row].unverified[-1].levels for row in rows]
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


def _pixels(searches: Sequence[ImageSearch], working: Sequence[int], images: Tensor) -> Tensor:
    changed = [searches[row].levels + searches[row].change for row in working]
    return torch.stack(changed).to(images) / 255.0


def _report(searches: Sequence[ImageSearch], step: int, most: int) -> AttackStep:
    return AttackStep(
        step,
        most,
        torch.tensor([search.is_met for search in searches]),
        torch.tensor([search.slack for search in searches]),
    )
