"""Algorithm 1 of the paper: the smallest push that meets a condition, inside a given bound.

Images and bounds are those of `cvpire.attacks.base`. Inside, changes are counted in grey levels
(1/255).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cvpire.attacks.base import (
    SAFETY_MARGIN,
    AttackResult,
    Search,
    SearchInput,
    bounds,
    in_levels,
)
from cvpire.errors import SettingsError
from cvpire.watch import AttackStep

# The paper's starting noise: uniform, up to this share of the bound.
_START_SHARE = 0.01

# Adam's constants, as in its paper but for epsilon. A classifier that is sure gives gradients of
# 1e-20 and less, which the usual 1e-8 would drown and whose squares float32 cannot hold: so Adam,
# whose steps do not depend on the gradient's scale, gets it multiplied.
_BETA1, _BETA2, _ADAM_EPSILON = 0.9, 0.999, 1e-16
_GRADIENT_SCALE = 2.0**40


@dataclass
class _Work:
    """The images that are not done: one row for each, and whatever belongs to it."""

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


@dataclass(frozen=True)
class Algorithm1(Search):
    """The paper's search: changes images within their bound until each meets the condition.

    Descends, with Adam, on `condition.loss + alpha * |v|_1 / |pT|_1`. Each image stops at its own
    first success. Two readings of the paper, both needed for a file of 8-bit pixels: the loss is
    taken at the *rounded* change, as it would be written, while a smooth copy collects the steps;
    and a rounded change beyond the bound is brought back inside it.

    alpha is the image's own, `l1_weight * mean|g| * |pT|_1` with g the loss's first gradient: a
    channel leaves 0 where its gradient exceeds `l1_weight` times that mean. With one alpha for
    all, an image whose class is certain, p = 0.99, would never leave its start, since the gradient
    of a cross entropy shrinks with 1 - p.

    Attributes:
        l1_weight: of the L1 term, relative to the gradient at the start; 0 leaves the term out.
        max_steps: T in the paper.
        learning_rate: of Adam, in [0, 1] units: the most that a channel moves in a step.
    """

    l1_weight: float
    max_steps: int
    learning_rate: float

    def __post_init__(self) -> None:
        if not self.learning_rate > 0.0 or not self.l1_weight >= 0.0 or self.max_steps < 0:
            raise SettingsError(
                "expected learning_rate > 0, l1_weight >= 0 and max_steps >= 0, got "
                f"{self.learning_rate}, {self.l1_weight} and {self.max_steps}"
            )

    @property
    def most_steps(self) -> int:
        return self.max_steps

    def find(self, given: SearchInput) -> AttackResult:
        """See `Search.find`; the starting noise is the same draw for each image of a batch."""
        condition, device, count = given.goal, given.images.device, len(given.images)
        work = _start(given)
        best = work.levels.clone()
        slack = torch.full((count,), -torch.inf, device=device)
        success = torch.zeros(count, dtype=torch.bool, device=device)
        steps = torch.zeros(count, dtype=torch.int64, device=device)

        for step in range(self.max_steps + 1):
            written = work.written()
            pixels = (written / 255.0).requires_grad_(True)
            with torch.enable_grad():
                logits = given.logits(pixels)
            current = condition.slack(logits.detach()).to(slack)
            is_met = current > SAFETY_MARGIN
            is_better = is_met | (current > slack[work.rows])
            best[work.rows[is_better]] = written[is_better]
            slack[work.rows[is_better]] = current[is_better]
            success[work.rows] = is_met
            steps[work.rows] = step
            is_going_on = ~is_met & work.can_change
            most = self.max_steps if bool(is_going_on.any()) else step
            given.watch.step(AttackStep(step, most, success.clone(), slack.clone()))
            if step == most:
                break
            with torch.enable_grad():
                (gradient,) = torch.autograd.grad(condition.loss(logits).sum(), pixels)
            if step == 0:
                work.pull = self.l1_weight * gradient.abs().mean(dim=(1, 2, 3), keepdim=True)
            if not bool(is_going_on.all()):
                condition, gradient = condition.select(is_going_on), gradient[is_going_on]
                work = work.select(is_going_on)
            gradient = gradient + work.pull * work.change.sign()
            _descend(work, gradient, step + 1, self.learning_rate * 255.0)

        return AttackResult(best / 255.0, success, steps)


def _start(given: SearchInput) -> _Work:
    images = given.images
    levels = (images * 255.0).round()
    limit = in_levels(given.epsilon_map)
    lower, upper = bounds(levels, limit)
    noise = torch.rand(images.shape[1:], generator=torch.Generator().manual_seed(given.seed))
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
