"""What a search for the faintest change is to survive, and how hard it searches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from cvpire.attacks.conditions import Condition
from cvpire.edits.differentiable import EDITS

# Calls of the trials, and how near to the least contrast they go.
MOST_TRIALS, TRIAL_PRECISION = 6, 1.05

# Of a change that is only looked at as it is, which takes next to no time.
MOST_LOOKS, LOOK_PRECISION = 16, 1.005


@dataclass(frozen=True)
class FaintSettings:
    """What a change is to survive, and how hard to search.

    Attributes:
        edits: that it is to survive, one of `cvpire.edits.differentiable.EDITS`.
        steps: of the search.
        views: looks at the photo in a step.
        margin: slack, in logits, that each look is to have; one that has it counts no more.
        reserve: slack, in logits, that the trials are to be passed by.
        masking: see `cvpire.attacks.faint_change.sensitivity.ContrastCost`.
        contrast: None for the least that passes; else the visible contrast to spend, without
            trials (see `cvpire.attacks.faint_change.sensitivity.ContrastCost`).
    """

    edits: str
    steps: int
    views: int = 1
    margin: float = 1.5
    reserve: float = 0.15
    masking: float = 0.25
    contrast: float | None = None

    def __post_init__(self) -> None:
        if self.edits not in EDITS:
            raise ValueError(f"expected edits of {', '.join(EDITS)}, got {self.edits!r}")


def most_steps(settings: FaintSettings) -> int:
    """The most steps that a search takes, calls of the trials included."""
    if settings.contrast is not None:
        return settings.steps
    return settings.steps + (MOST_LOOKS if settings.edits == "none" else MOST_TRIALS)


class Surrogate(NamedTuple):
    """An additional classifier that is attacked jointly, for transfer to one that nobody can ask.

    Attributes:
        differentiable: images (n, 3, H, W) to logits.
        condition: to reach, for all sights of the images that the search is given.
    """

    differentiable: Callable[[Tensor], Tensor]
    condition: Condition
