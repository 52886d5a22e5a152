"""Following the work and ending it: one object goes through everything that takes long."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class AttackStep(NamedTuple):
    """What an attack reports after each forward pass.

    Attributes:
        step: steps taken so far.
        max_steps: the most that will have been taken, as far as is known.
        success: (N,) bool, the images for which a change that meets the condition is known.
        slack: (N,) float, of each image's best change so far, or its last (see
            `cvpire.attacks.conditions.Condition.slack`).

    Example:
        >>> import torch
        >>> step = AttackStep(3, 200, success=torch.tensor([False]), slack=torch.tensor([-0.5]))
        >>> f"{step.step} of {step.max_steps}"
        '3 of 200'
    """

    step: int
    max_steps: int
    success: Tensor
    slack: Tensor


class Watch:
    """Follows the work, and may end it: what a method raises, such as `Stopped`, ends it there.

    This one lets everything pass. Derive from it what shows progress, or can be cancelled.

    Example:
        >>> import torch
        >>> from cvpire import Stopped
        >>> class AtMost(Watch):
        ...     def step(self, step: AttackStep) -> None:
        ...         if step.step > 100:
        ...             raise Stopped("100 steps are enough.")
        >>> AtMost().step(AttackStep(3, 200, torch.tensor([False]), torch.tensor([-0.5])))
    """

    def step(self, step: AttackStep) -> None:
        """Called after each step of a search."""

    def advance(self, done: int, total: int) -> None:
        """Called after each of so many pieces of work that are alike."""

    def check(self) -> None:
        """Called now and then between encodings and measurements, which take up to seconds each."""


UNWATCHED = Watch()
