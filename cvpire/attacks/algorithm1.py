"""Algorithm 1 of the paper: the smallest push that meets a condition, inside a given bound.

Images and bounds are those of `cvpire.attacks.base`. Inside, changes are counted in grey levels
(1/255).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cvpire.attacks.base import (
    SAFETY_MARGIN,
    AttackResult,
    bounds,
    check_inputs,
    in_levels,
)
from cvpire.attacks.conditions import Condition
from cvpire.errors import SettingsError
from cvpire.watch import UNWATCHED, AttackStep, Watch

# The paper's starting noise: uniform, up to this share of the bound.
_START_SHARE = 0.01

# Adam's constants, as in its paper but for epsilon. A classifier that is sure gives gradients of
# 1e-20 and less, which the usual 1e-8 would drown and whose squares float32 cannot hold: so Adam,
# whose steps do not depend on the gradient's scale, gets it multiplied.
_BETA1, _BETA2, _ADAM_EPSILON = 0.9, 0.999, 1e-16
_GRADIENT_SCALE = 2.0**40


@dataclass
class _Work:
    """The images still in work: one row for each, and whatever belongs to it."""

    rows: Tensor  # (n,) which image of the batch
    levels: Tensor  # the original, in grey levels, whole numbers
    lower: Tensor  # most that a channel may lose, from its bound and from black
    upper: Tensor
    can_change: Tensor  # (n,) bool: some channel may move by a whole level
    pull: Tensor  # alpha / |pT|_1: how much gradient a channel must have to leave 0
    change: Tensor  # v in grey levels: smooth, it adds up what rounding would swallow
    mean: Tensor  # Adam's moments
    square: Tensor

    def written(self) -> Tensor:
        """Grey levels of the file: rounded, but never beyond a bound."""
        whole = torch.minimum(
            torch.maximum(self.change.round(), self.lower.ceil()), self.upper.floor()
        )
        return self.levels + whole

    def select(self, keep: Tensor) -> _Work:
        return _Work(**{name: value[keep] for name, value in vars(self).items()})


def perturb(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    epsilon_map: Tensor,
    condition: Condition,
    *,
    learning_rate: float,
    l1_weight: float,
    max_steps: int,
    seed: int = 0,
    margin: float = SAFETY_MARGIN,
    watch: Watch = UNWATCHED,
) -> AttackResult:
    """Change images within their bound until each meets the condition (Algorithm 1).

    Descends, with Adam, on `condition.loss + alpha * |v|_1 / |pT|_1`. Each image stops at its own
    first success. Two readings of the paper, both needed for a file of 8-bit pixels: the loss is
    taken at the *rounded* change, as it would be written, while a smooth copy collects the steps;
    and a rounded change beyond the bound is brought back inside it.

    alpha is the image's own, `l1_weight * mean|g| * |pT|_1` with g the loss's first gradient: a
    channel leaves 0 where its gradient exceeds `l1_weight` times that mean. With one alpha for
    all, an image whose class is certain, p = 0.99, would never leave its start, since the gradient
    of a cross entropy shrinks with 1 - p.

    Args:
        model: (n, 3, H, W) in [0, 1] to logits (n, classes), differentiable; left as it was.
        images: (N, 3, H, W) in [0, 1], multiples of 1/255.
        epsilon_map: (N, 1, H, W), 0 or more; pT in the paper.
        condition: what to reach, for these N images.
        learning_rate: of Adam, in [0, 1] units: the most that a channel moves in a step.
        l1_weight: of the L1 term, relative to the gradient at the start; 0 leaves the term out.
        max_steps: T in the paper.
        seed: of the starting noise. Every image starts from the same draw, whatever its batch.
        margin: slack, in logits, at which an image stops.
        watch: told after each forward pass, at most T + 1 times.

    Returns:
        The changed images and, for each, whether it meets the condition.

    Raises:
        ValueError: for shapes or values other than the above.
    """
    check_inputs(images, epsilon_map)
    if not learning_rate > 0.0 or not l1_weight >= 0.0 or max_steps < 0:
        raise SettingsError(
            "expected learning_rate > 0, l1_weight >= 0 and max_steps >= 0, got "
            f"{learning_rate}, {l1_weight} and {max_steps}"
        )
    work = _start(images, epsilon_map, seed)
    best = work.levels.clone()
    slack = torch.full((len(images),), -torch.inf, device=images.device)
    success = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    steps = torch.zeros(len(images), dtype=torch.int64, device=images.device)

    for step in range(max_steps + 1):
        written = work.written()
        pixels = (written / 255.0).requires_grad_(True)
        with torch.enable_grad():
            logits = model(pixels)
        current = condition.slack(logits.detach()).to(slack)
        is_met = current > margin
        is_better = is_met | (current > slack[work.rows])
        best[work.rows[is_better]] = written[is_better]
        slack[work.rows[is_better]] = current[is_better]
        success[work.rows] = is_met
        steps[work.rows] = step
        is_going_on = ~is_met & work.can_change
        most = max_steps if bool(is_going_on.any()) else step
        watch.step(AttackStep(step, most, success.clone(), slack.clone()))
        if step == most:
            break
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(condition.loss(logits).sum(), pixels)
        if step == 0:
            work.pull = l1_weight * gradient.abs().mean(dim=(1, 2, 3), keepdim=True)
        if not bool(is_going_on.all()):
            condition, gradient = condition.select(is_going_on), gradient[is_going_on]
            work = work.select(is_going_on)
        gradient = gradient + work.pull * work.change.sign()
        _descend(work, gradient, step + 1, learning_rate * 255.0)

    return AttackResult(best / 255.0, success, steps)


def _start(images: Tensor, epsilon_map: Tensor, seed: int) -> _Work:
    levels = (images * 255.0).round()
    limit = in_levels(epsilon_map)
    lower, upper = bounds(levels, limit)
    noise = torch.rand(images.shape[1:], generator=torch.Generator().manual_seed(seed))
    noise = (noise.to(images) * 2.0 - 1.0) * _START_SHARE
    return _Work(
        rows=torch.arange(len(images), device=images.device),
        levels=levels,
        lower=lower,
        upper=upper,
        can_change=((lower <= -1.0) | (upper >= 1.0)).flatten(1).any(dim=1),
        pull=torch.zeros_like(levels[:, :1, :1, :1]),
        change=noise * limit,
        mean=torch.zeros_like(levels),
        square=torch.zeros_like(levels),
    )


def _descend(work: _Work, gradient: Tensor, step: int, step_size: float) -> None:
    """One step of Adam on the smooth change, then back inside the bound (in place)."""
    gradient = gradient * _GRADIENT_SCALE
    work.mean.lerp_(gradient, 1.0 - _BETA1)
    work.square.mul_(_BETA2).addcmul_(gradient, gradient, value=1.0 - _BETA2)
    denominator = (work.square / (1.0 - _BETA2**step)).sqrt_().add_(_ADAM_EPSILON)
    work.change.addcdiv_(work.mean, denominator, value=-step_size / (1.0 - _BETA1**step))
    torch.clamp(work.change, work.lower, work.upper, out=work.change)
