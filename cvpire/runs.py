"""The runs, as data beside each other: the paper's five, and ours.

The paper names its runs and their conditions but no m, alpha, T or learning rate. The values were
chosen by measurement (docs/runs.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.attacks.base import Search
from cvpire.attacks.faint_change.search import FaintChange
from cvpire.attacks.least_change.search import LeastChange
from cvpire.classifiers.labels import Labels
from cvpire.errors import SettingsError
from cvpire.goals import OUT_OF_TOP1, OUT_OF_TOP1_50, OUT_OF_TOP5, ConditionMaker, group_out_of_top

# The narrowest bound of a run's own is an eighth of all levels.
_MOST_FACTOR = 8.0


@dataclass(frozen=True)
class Run:
    """How to protect: what is to be reached, within what bound, by which search.

    Attributes:
        name: in the registry, in tables and reports.
        summary: one sentence for people, ending in a full stop.
        condition: makes the condition from labels (N,) and the classes that they count.
        magnitude: m, the bound of the pixel with the largest colour variance, in [0, 1] units.
        search: with its settings.
        kernel_size: n of the threshold map, in pixels.
        sigma: of the threshold map's Gaussian, in pixels.
    """

    name: str
    summary: str
    condition: ConditionMaker
    magnitude: float
    search: Search
    kernel_size: int = 5
    sigma: float = 1.0

    @property
    def settings(self) -> dict[str, Any]:
        """The settings by name, plain values for reports."""
        return {
            "magnitude": self.magnitude,
            **self.search.settings,
            "kernel_size": self.kernel_size,
            "sigma": self.sigma,
        }

    def check(self, classes: Labels) -> None:
        """Look, before any work, whether the run can be done with a classifier of these classes.

        Raises:
            SettingsError: if it cannot, with what to do.
        """
        try:
            self.condition(torch.zeros(0, dtype=torch.int64), classes)
        except SettingsError as error:
            raise SettingsError(f"{self.name} cannot be done: {error}") from error

    def with_bound(self, factor: float) -> Run:
        """The run within a bound that is so many times its own, at most all 255 levels.

        Raises:
            SettingsError: for a factor that is not above 0, or above 8.
        """
        if not 0.0 < factor <= _MOST_FACTOR:
            raise SettingsError(
                f"expected a bound above 0 and up to {_MOST_FACTOR:g} times the run's, got "
                f"{factor:g}"
            )
        return replace(self, magnitude=min(1.0, self.magnitude * factor)) if factor != 1.0 else self

    def against(self, classifier: str) -> Run:
        """The run for a classifier of this name, which is not attacked twice."""
        return replace(self, search=self.search.against(classifier))

    def for_group(self) -> Run:
        """The run that hides the whole kind of place, by the same search within the same bound."""
        return replace(
            self,
            name=f"{self.name}-group",
            summary="No scene of its kind (such as home or worship) is among the first five; "
            f"otherwise as {self.name}.",
            condition=group_out_of_top(5),
        )


# Wide, since the search itself seeks what is seen least: within a narrow bound a third of a smooth
# photo's pixels could not move by a single level, and the others would have to move further.
_LEAST_CHANGE_MAGNITUDE = 192 / 255

# Wide, so that the cost of what is seen decides where a change lies, and the bound only forbids
# what is smooth.
_FAINT_MAGNITUDE = 200 / 255

# Runs that can hide the whole kind of place as well.
_WITH_GROUP_VARIANT = ("Invisible", "Balanced", "Posting")


def _registry(*runs: Run) -> Mapping[str, Run]:
    variants = [run.for_group() for run in runs if run.name in _WITH_GROUP_VARIANT]
    return {run.name: run for run in (*runs, *variants)}


RUNS: Mapping[str, Run] = _registry(
    Run(
        name="Top1-L1",
        summary="The scene is no longer the first guess; moves the pixels that count most.",
        condition=OUT_OF_TOP1,
        magnitude=64 / 255,
        search=Algorithm1(l1_weight=4.0, max_steps=1000, learning_rate=0.03 / 255),
    ),
    Run(
        name="Top1-L1-50",
        summary="The scene is at most half as probable as the classifier's first guess.",
        condition=OUT_OF_TOP1_50,
        magnitude=64 / 255,
        search=Algorithm1(l1_weight=3.0, max_steps=1000, learning_rate=0.03 / 255),
    ),
    Run(
        name="Top1-noL1",
        summary="The scene is no longer the first guess; holds no pixel back within its bound.",
        condition=OUT_OF_TOP1,
        magnitude=32 / 255,
        search=Algorithm1(l1_weight=0.0, max_steps=1000, learning_rate=0.25 / 255),
    ),
    Run(
        name="Top5-L1",
        summary="The scene is not among the first five; moves the pixels that count most.",
        condition=OUT_OF_TOP5,
        magnitude=64 / 255,
        search=Algorithm1(l1_weight=2.0, max_steps=1000, learning_rate=0.05 / 255),
    ),
    Run(
        name="Top5-noL1",
        summary="The scene is not among the first five; holds no pixel back within its bound.",
        condition=OUT_OF_TOP5,
        magnitude=64 / 255,
        search=Algorithm1(l1_weight=0.0, max_steps=1000, learning_rate=0.25 / 255),
    ),
    Run(
        name="Top1-min",
        summary="The scene is no longer the first guess, by the least visible change.",
        condition=OUT_OF_TOP1,
        magnitude=_LEAST_CHANGE_MAGNITUDE,
        search=LeastChange(max_steps=100, refinements=10),
    ),
    Run(
        name="Top1-50-min",
        summary="The scene is at most half as probable as the first guess, by the least visible "
        "change.",
        condition=OUT_OF_TOP1_50,
        magnitude=_LEAST_CHANGE_MAGNITUDE,
        search=LeastChange(max_steps=100, refinements=10),
    ),
    Run(
        name="Top5-min",
        summary="The scene is not among the first five, by the least visible change.",
        condition=OUT_OF_TOP5,
        magnitude=_LEAST_CHANGE_MAGNITUDE,
        search=LeastChange(max_steps=100, refinements=30),
    ),
    Run(
        name="Group-min",
        summary="No scene of its kind (such as home or worship) is among the first five, by the "
        "least visible change.",
        condition=group_out_of_top(5),
        magnitude=_LEAST_CHANGE_MAGNITUDE,
        search=LeastChange(max_steps=100, refinements=30),
    ),
    Run(
        name="Group-10-min",
        summary="No scene of its kind is among the first five, and all of them together have less "
        "than 10% of the probability.",
        condition=group_out_of_top(5, below=0.1),
        magnitude=_LEAST_CHANGE_MAGNITUDE,
        search=LeastChange(max_steps=100, refinements=30),
    ),
    Run(
        name="Invisible",
        summary="The scene is not among the first five, in the file as it is, by the change that "
        "the eye sees least.",
        condition=OUT_OF_TOP5,
        magnitude=_FAINT_MAGNITUDE,
        search=FaintChange(edits="none", steps=20, reserve=0.0, masking=0.0),
    ),
    Run(
        name="Balanced",
        summary="The scene is not among the first five, and is made to stay out after codecs, "
        "smaller sizes and screenshots.",
        condition=OUT_OF_TOP5,
        magnitude=_FAINT_MAGNITUDE,
        search=FaintChange(edits="codecs and sizes", steps=28, reserve=0.1, masking=0.15),
    ),
    Run(
        name="Posting",
        summary="Survives posting: the scene is not among the first five, and is made to stay out "
        "after codecs, smaller sizes and edits.",
        condition=OUT_OF_TOP5,
        magnitude=_FAINT_MAGNITUDE,
        search=FaintChange(edits="posting", steps=48, views=2),
    ),
    Run(
        name="Robust",
        summary="As Posting, with more in reserve.",
        condition=OUT_OF_TOP5,
        magnitude=_FAINT_MAGNITUDE,
        search=FaintChange(edits="posting", steps=40, views=3, margin=3.0, reserve=1.0),
    ),
    Run(
        name="Robust-strong",
        summary="As Posting, with much more in reserve; the change can be seen.",
        condition=OUT_OF_TOP5,
        magnitude=_FAINT_MAGNITUDE,
        search=FaintChange(edits="posting", steps=40, views=3, margin=5.0, reserve=2.5),
    ),
    Run(
        name="Transfer",
        summary="A strong change, against several classifiers at once, in the hope that others "
        "fail too; it can be seen.",
        condition=OUT_OF_TOP5,
        magnitude=_FAINT_MAGNITUDE,
        search=FaintChange(
            edits="posting",
            steps=60,
            views=2,
            margin=20.0,
            contrast=10.0,
            surrogates=("lite0-imagenet", "resnet50-places365"),
        ),
    ),
)

# What somebody about to post a photo wants: platforms re-encode and shrink what is posted.
DEFAULT_RUN = "Posting"


def find_run(name: str, *, group: bool = False) -> Run:
    """The run of a name.

    Args:
        name: in the registry.
        group: take its variant that hides the whole kind of place.

    Raises:
        SettingsError: for an unknown name, listing the known ones, or a run without that variant.

    Example:
        >>> find_run("Posting", group=True).name
        'Posting-group'
    """
    try:
        run = RUNS[name]
    except KeyError:
        raise SettingsError(
            f"There is no run {name!r}; the known ones are {', '.join(RUNS)}."
        ) from None
    if not group:
        return run
    if not has_group_variant(name):
        raise SettingsError(
            f"The run {name} has no variant that hides the whole kind of place: choose one of "
            f"{', '.join(_WITH_GROUP_VARIANT)}, or do not ask for it."
        )
    return RUNS[run.for_group().name]


def has_group_variant(name: str) -> bool:
    """Whether the run of this name has a variant that hides the whole kind of place."""
    return name in _WITH_GROUP_VARIANT
