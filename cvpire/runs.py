"""The runs, as data beside each other: the paper's five, and ours.

The paper names its runs and their conditions but no m, alpha, T or learning rate. The values were
chosen by measurement, as the README says under "How the runs were set".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from cvpire.algorithm1 import perturb
from cvpire.attack import AttackResult, StepCallback
from cvpire.classifiers import Classifier, Labels, find_spec, load_classifier
from cvpire.conditions import Condition, GroupBelow, GroupOutOfTop, OutOfTop
from cvpire.least_change import find_least_change
from cvpire.robust_change import Bystander, RobustSettings, find_robust_change

ConditionMaker = Callable[[Tensor, Labels], Condition]


class Attacked(Protocol):
    """A classifier as a search sees it: images (N, 3, H, W) in [0, 1] to logits (N, classes)."""

    def __call__(self, images: Tensor, /) -> Tensor:
        """The logits that decide, float32."""
        ...

    @property
    def differentiable(self) -> Callable[[Tensor], Tensor]:
        """The same, near enough, in a form that gradients are faster to take through."""
        ...


Reader = Callable[[Tensor], Tensor]
"""From images to what the reader of their files gets, with the images' gradient."""


class _Reading:
    """A classifier that is shown what a reader gets: all that a search sees is in the file."""

    def __init__(self, classifier: Attacked, read: Reader | None) -> None:
        self._classifier = classifier
        self._read = read or _as_written

    def __call__(self, images: Tensor, /) -> Tensor:
        return self._classifier(self._read(images))

    def differentiable(self, images: Tensor) -> Tensor:
        return self._classifier.differentiable(self._read(images))


def _as_written(images: Tensor) -> Tensor:
    return images


@dataclass(frozen=True)
class Algorithm1:
    """The paper's search: descends until the condition is met (see `cvpire.algorithm1`).

    Attributes:
        l1_weight: of the L1 term, relative to the first gradient.
        max_steps: T.
        learning_rate: of Adam, in [0, 1] units.
    """

    l1_weight: float
    max_steps: int
    learning_rate: float
    besides: ClassVar[tuple[str, ...]] = ()

    @property
    def most_steps(self) -> int:
        """The most steps that a search takes."""
        return self.max_steps

    def find(
        self,
        classifier: Attacked,
        images: Tensor,
        epsilon_map: Tensor,
        condition: Condition,
        seed: int,
        on_step: StepCallback | None,
        read: Reader | None = None,
    ) -> AttackResult:
        """Search a change of each image within its bound."""
        return perturb(
            _Reading(classifier, read),
            images,
            epsilon_map,
            condition,
            learning_rate=self.learning_rate,
            l1_weight=self.l1_weight,
            max_steps=self.max_steps,
            seed=seed,
            on_step=on_step,
        )


@dataclass(frozen=True)
class LeastChange:
    """Our search: the least visible change (see `cvpire.least_change`).

    Attributes:
        max_steps: the most steps until the first success.
        refinements: steps after it.
    """

    max_steps: int
    refinements: int
    besides: ClassVar[tuple[str, ...]] = ()

    @property
    def most_steps(self) -> int:
        """The most steps that a search takes."""
        return self.max_steps + self.refinements

    def find(
        self,
        classifier: Attacked,
        images: Tensor,
        epsilon_map: Tensor,
        condition: Condition,
        seed: int,
        on_step: StepCallback | None,
        read: Reader | None = None,
    ) -> AttackResult:
        """Search a change of each image within its bound; nothing depends on the seed."""
        reading = _Reading(classifier, read)
        return find_least_change(
            reading,
            images,
            epsilon_map,
            condition,
            max_steps=self.max_steps,
            refinements=self.refinements,
            differentiable=reading.differentiable,
            on_step=on_step,
        )


@dataclass(frozen=True)
class RobustChange(RobustSettings):
    """The search for what survives codecs and edits (see `cvpire.robust_change`).

    Attributes:
        besides: names of classifiers that are attacked as well, where their weights are at hand, so
            that one which nobody attacked may be led astray too. Each sees the whole photo at
            256x256, and is to have its own first guess leave its first five.
    """

    besides: tuple[str, ...] = ()

    @property
    def most_steps(self) -> int:
        """The most steps that a search takes."""
        return self.rounds * self.round_steps

    def find(
        self,
        classifier: Attacked,
        images: Tensor,
        epsilon_map: Tensor,
        condition: Condition,
        seed: int,
        on_step: StepCallback | None,
        read: Reader | None = None,
    ) -> AttackResult:
        """Search a change of each image within its bound."""
        return find_robust_change(
            classifier,
            images,
            epsilon_map,
            condition,
            self,
            seed=seed,
            differentiable=classifier.differentiable,
            bystanders=[_bystander(name, images) for name in self.besides if _is_ready(name)],
            read=read,
            on_step=on_step,
        )


def _bystander(name: str, images: Tensor) -> Bystander:
    other = _load_bystander(name).to(images.device)
    with torch.no_grad():
        first = torch.cat([other(image[None]).argmax(dim=1) for image in images])
    return Bystander(other.differentiable, OutOfTop(first, 5))


@lru_cache(maxsize=2)
def _load_bystander(name: str) -> Classifier:
    return load_classifier(name, view="resize")


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
    search: Algorithm1 | LeastChange | RobustChange
    kernel_size: int = 5
    sigma: float = 1.0

    @property
    def settings(self) -> dict[str, Any]:
        """The settings by name, plain values for reports."""
        search = {name: value for name, value in asdict(self.search).items() if name != "besides"}
        others = {name: find_spec(name).weights.sha256 for name in self.attacked_besides}
        return {
            "magnitude": self.magnitude,
            **search,
            **({"besides": others} if self.search.besides else {}),
            "kernel_size": self.kernel_size,
            "sigma": self.sigma,
        }

    @property
    def attacked_besides(self) -> tuple[str, ...]:
        """Classifiers that the run attacks as well as the one it is given, if they are at hand."""
        return tuple(filter(_is_ready, self.search.besides))

    def against(self, classifier: str) -> Run:
        """The run for a classifier of this name, which is not attacked twice."""
        if not isinstance(self.search, RobustChange) or classifier not in self.search.besides:
            return self
        others = tuple(name for name in self.search.besides if name != classifier)
        return replace(self, search=replace(self.search, besides=others))


def _is_ready(name: str) -> bool:
    return find_spec(name).is_ready


def _out_of_top(k: int, share: float = 1.0) -> ConditionMaker:
    return lambda labels, classes: OutOfTop(labels, k, share)


def _group_out_of_top(k: int, below: float = 1.0) -> ConditionMaker:
    """No class of the group among the first k, and less than this share of probability for all."""

    def make(labels: Tensor, classes: Labels) -> Condition:
        if not classes.groups:
            raise ValueError(
                f"The classes of {classes.taxonomy} have no groups: choose a run without groups, "
                "or a classifier of Places365's scenes."
            )
        names = sorted(set(classes.groups))
        groups = torch.tensor([names.index(group) for group in classes.groups])
        condition = GroupOutOfTop(labels, groups, k)
        return condition if below >= 1.0 else condition & GroupBelow(labels, groups, below)

    return make


_TOP1, _TOP1_50, _TOP5 = _out_of_top(1), _out_of_top(1, share=0.5), _out_of_top(5)


def _registry(*runs: Run) -> Mapping[str, Run]:
    return {run.name: run for run in runs}


RUNS: Mapping[str, Run] = _registry(
    Run(
        name="Top1-L1",
        summary="The scene is no longer the first guess; moves the pixels that count most.",
        condition=_TOP1,
        magnitude=64 / 255,
        search=Algorithm1(l1_weight=4.0, max_steps=1000, learning_rate=0.03 / 255),
    ),
    Run(
        name="Top1-L1-50",
        summary="The scene is at most half as probable as the classifier's first guess.",
        condition=_TOP1_50,
        magnitude=64 / 255,
        search=Algorithm1(l1_weight=3.0, max_steps=1000, learning_rate=0.03 / 255),
    ),
    Run(
        name="Top1-noL1",
        summary="The scene is no longer the first guess; holds no pixel back within its bound.",
        condition=_TOP1,
        magnitude=32 / 255,
        search=Algorithm1(l1_weight=0.0, max_steps=1000, learning_rate=0.25 / 255),
    ),
    Run(
        name="Top5-L1",
        summary="The scene is not among the first five; moves the pixels that count most.",
        condition=_TOP5,
        magnitude=64 / 255,
        search=Algorithm1(l1_weight=2.0, max_steps=1000, learning_rate=0.05 / 255),
    ),
    Run(
        name="Top5-noL1",
        summary="The scene is not among the first five; holds no pixel back within its bound.",
        condition=_TOP5,
        magnitude=64 / 255,
        search=Algorithm1(l1_weight=0.0, max_steps=1000, learning_rate=0.25 / 255),
    ),
    Run(
        name="Top1-min",
        summary="The scene is no longer the first guess, by the least visible change.",
        condition=_TOP1,
        magnitude=64 / 255,
        search=LeastChange(max_steps=100, refinements=12),
    ),
    Run(
        name="Top1-50-min",
        summary="The scene is at most half as probable as the first guess, by the least visible "
        "change.",
        condition=_TOP1_50,
        magnitude=64 / 255,
        search=LeastChange(max_steps=100, refinements=12),
    ),
    Run(
        name="Top5-min",
        summary="The scene is not among the first five, by the least visible change.",
        condition=_TOP5,
        magnitude=64 / 255,
        search=LeastChange(max_steps=100, refinements=30),
    ),
    Run(
        name="Group-min",
        summary="No scene of its kind (such as home or worship) is among the first five, by the "
        "least visible change.",
        condition=_group_out_of_top(5),
        magnitude=64 / 255,
        search=LeastChange(max_steps=100, refinements=12),
    ),
    Run(
        name="Group-10-min",
        summary="No scene of its kind is among the first five, and all of them together have less "
        "than 10% of the probability.",
        condition=_group_out_of_top(5, below=0.1),
        magnitude=64 / 255,
        search=LeastChange(max_steps=100, refinements=12),
    ),
    Run(
        name="Robust",
        summary="The scene is not among the first five, and is made to stay out after codecs, "
        "resizing and edits.",
        condition=_TOP5,
        magnitude=48 / 255,
        search=RobustChange(margin=1.5, weight=1.0, round_steps=60, rounds=2),
    ),
    Run(
        name="Robust-strong",
        summary="As Robust, with more in reserve; a little more can be seen.",
        condition=_TOP5,
        magnitude=64 / 255,
        search=RobustChange(margin=3.0, weight=3.0),
    ),
    Run(
        name="Transfer",
        summary="As much as the bound allows, against several classifiers at once, in the hope "
        "that others fail too; the change can be seen.",
        condition=_TOP5,
        magnitude=128 / 255,
        search=RobustChange(
            margin=20.0,
            weight=1.0,
            views=2,
            round_steps=60,
            rounds=1,
            besides=("lite0-imagenet", "resnet50-places365"),
        ),
    ),
)


# What somebody about to post a photo wants: platforms re-encode and shrink what is posted.
DEFAULT_RUN = "Robust"


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
