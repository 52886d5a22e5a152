"""What a search for the faintest change is to survive, and how hard it searches."""

from __future__ import annotations

from dataclasses import dataclass

from cvpire.attacks.base import Search
from cvpire.edits.differentiable import EDITS

# Calls of the trials, and how near to the least contrast they go.
MOST_TRIALS, TRIAL_PRECISION = 6, 1.05

# Of a change that is only looked at as it is, which takes next to no time.
MOST_LOOKS, LOOK_PRECISION = 16, 1.005


@dataclass(frozen=True)
class FaintSettings(Search):
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

    @property
    def most_steps(self) -> int:
        """The most steps that it takes, calls of the trials included."""
        if self.contrast is not None:
            return self.steps
        return self.steps + (MOST_LOOKS if self.edits == "none" else MOST_TRIALS)
