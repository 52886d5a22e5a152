"""The paper's five runs, as data beside each other.

The paper names the runs and their conditions but no m, alpha, T or learning rate. The values were
chosen by measurement, as the README says under "How the runs were set".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial

from torch import Tensor

from cvpire.conditions import Condition, OutOfTop


@dataclass(frozen=True)
class Run:
    """How to protect: what is to be reached, within what bound, with which settings.

    Attributes:
        name: in the registry, in tables and reports.
        summary: one sentence for people, ending in a full stop.
        condition: makes the condition from labels (N,).
        magnitude: m, the bound of the pixel with the largest colour variance, in [0, 1] units.
        l1_weight: of the L1 term, relative to the first gradient (see `cvpire.attack.perturb`).
        max_steps: T.
        learning_rate: of Adam, in [0, 1] units.
        kernel_size: n of the threshold map, in pixels.
        sigma: of the threshold map's Gaussian, in pixels.
    """

    name: str
    summary: str
    condition: Callable[[Tensor], Condition]
    magnitude: float
    l1_weight: float
    max_steps: int
    learning_rate: float
    kernel_size: int = 5
    sigma: float = 1.0

    @property
    def settings(self) -> dict[str, float]:
        """The numbers by name, for reports."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if isinstance(getattr(self, field.name), int | float)
        }


_TOP1 = partial(OutOfTop, k=1)
_TOP1_50 = partial(OutOfTop, k=1, share=0.5)
_TOP5 = partial(OutOfTop, k=5)


def _registry(*runs: Run) -> Mapping[str, Run]:
    return {run.name: run for run in runs}


RUNS: Mapping[str, Run] = _registry(
    Run(
        name="Top1-L1",
        summary="The scene is no longer the first guess; moves the pixels that count most.",
        condition=_TOP1,
        magnitude=64 / 255,
        l1_weight=4.0,
        max_steps=1000,
        learning_rate=0.03 / 255,
    ),
    Run(
        name="Top1-L1-50",
        summary="The scene is at most half as probable as the classifier's first guess.",
        condition=_TOP1_50,
        magnitude=64 / 255,
        l1_weight=4.0,
        max_steps=1000,
        learning_rate=0.03 / 255,
    ),
    Run(
        name="Top1-noL1",
        summary="The scene is no longer the first guess; holds no pixel back within its bound.",
        condition=_TOP1,
        magnitude=32 / 255,
        l1_weight=0.0,
        max_steps=1000,
        learning_rate=0.25 / 255,
    ),
    Run(
        name="Top5-L1",
        summary="The scene is not among the first five; moves the pixels that count most.",
        condition=_TOP5,
        magnitude=64 / 255,
        l1_weight=2.0,
        max_steps=1000,
        learning_rate=0.05 / 255,
    ),
    Run(
        name="Top5-noL1",
        summary="The scene is not among the first five; holds no pixel back within its bound.",
        condition=_TOP5,
        magnitude=48 / 255,
        l1_weight=0.0,
        max_steps=1000,
        learning_rate=0.25 / 255,
    ),
)


def find_run(name: str) -> Run:
    """The run of a name.

    Raises:
        ValueError: for an unknown name, listing the known ones.
    """
    try:
        return RUNS[name]
    except KeyError:
        raise ValueError(
            f"There is no run {name!r}; the known ones are {', '.join(RUNS)}."
        ) from None
