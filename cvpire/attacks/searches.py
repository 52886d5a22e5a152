"""The searches that a run may use, each with its settings, behind one interface.

The condition that a search is given is on *one* sight of each image. Where the images have an
alpha, (1, 1, H, W) for a single image, the search must meet the condition on every background.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Protocol, Self

import torch
from torch import Tensor

from cvpire.attacks.algorithm1 import perturb
from cvpire.attacks.base import AttackResult
from cvpire.attacks.conditions import Condition, InEach, OutOfTop
from cvpire.attacks.faint_change.search import find_faint_change
from cvpire.attacks.faint_change.settings import FaintSettings, Surrogate, most_steps
from cvpire.attacks.least_change.search import find_least_change
from cvpire.classifiers.registry import find_spec, shared_classifier
from cvpire.images.transparency import BACKGROUNDS, seen_images
from cvpire.images.views import DEFAULT_VIEW
from cvpire.watch import UNWATCHED, Watch


class TargetModel(Protocol):
    """The classifier that is attacked, as a search sees it: images (N, 3, H, W) in [0, 1] to logits
    (N, classes)."""

    def __call__(self, images: Tensor, /) -> Tensor:
        """Float32 logits: success is judged on these."""
        ...

    @property
    def differentiable(self) -> Callable[[Tensor], Tensor]:
        """The same with nearly equal logits, faster to take gradients through."""
        ...

    def to_size(self, images: Tensor, /) -> Tensor:
        """The images at the size that the network sees, differentiable; the model gives them the
        same logits."""
        ...


RoundTrip = Callable[[Tensor], Tensor]
"""From images (N, 3, H, W) to what is seen of their files, with the images' gradient: one sight of
each, or one on each background (see `cvpire.images.transparency`), those of an image together.
"""


@dataclass(frozen=True, eq=False)
class SearchInput:
    """What a search is given, whichever it is.

    Attributes:
        classifier: to attack.
        images: (N, 3, H, W) in [0, 1], multiples of 1/255.
        epsilon_map: (N, 1, H, W), 0 or more: how far each channel may move, in [0, 1] units.
        condition: to reach, on one sight of each image.
        seed: of the search's random draws.
        watch: told after each step.
        read: to what is seen of the images' files; None for lossless ones.
        alpha: (1, 1, H, W) in [0, 1], of one image with transparency; None for opaque ones.
    """

    classifier: TargetModel
    images: Tensor
    epsilon_map: Tensor
    condition: Condition
    seed: int
    watch: Watch = UNWATCHED
    read: RoundTrip | None = None
    alpha: Tensor | None = None

    def on_files(self) -> _OnFiles:
        """The classifier, shown what is seen of the images' files."""
        return _OnFiles(self.classifier, self.read or _as_written(self.alpha))

    def in_each(self) -> Condition:
        """The condition on every sight of an image."""
        return self.condition if self.alpha is None else InEach(self.condition, len(BACKGROUNDS))


class _OnFiles:
    """A classifier behind a file: of images it is shown what readers of their files see.

    Its logits are (N, sights * classes), as `InEach` takes them.
    """

    def __init__(self, classifier: TargetModel, read: RoundTrip) -> None:
        self._classifier, self._read = classifier, read

    def __call__(self, images: Tensor, /) -> Tensor:
        return self._classifier(self._read(images)).view(len(images), -1)

    @cached_property
    def differentiable(self) -> Callable[[Tensor], Tensor]:
        # Taken once: a classifier does not change during a search.
        fast = self._classifier.differentiable
        return lambda images: fast(self._read(images)).view(len(images), -1)


def _as_written(alpha: Tensor | None) -> RoundTrip:
    """What is seen of a lossless file."""
    return lambda images: seen_images(images, alpha)


class _OneClassifier:
    """A search that attacks the classifier it is given, and no other."""

    besides: ClassVar[tuple[str, ...]] = ()

    def against(self, classifier: str) -> Self:
        """The search for a classifier of this name: itself."""
        return self


@dataclass(frozen=True)
class Algorithm1(_OneClassifier):
    """The paper's search: descends until the condition is met (see `cvpire.attacks.algorithm1`).

    Attributes:
        l1_weight: of the L1 term, relative to the first gradient.
        max_steps: T.
        learning_rate: of Adam, in [0, 1] units.
    """

    l1_weight: float
    max_steps: int
    learning_rate: float

    @property
    def most_steps(self) -> int:
        """The most steps that a search takes."""
        return self.max_steps

    def find(self, given: SearchInput) -> AttackResult:
        """Search for a change of each image within its bound."""
        return perturb(
            given.on_files(),
            given.images,
            given.epsilon_map,
            given.in_each(),
            learning_rate=self.learning_rate,
            l1_weight=self.l1_weight,
            max_steps=self.max_steps,
            seed=given.seed,
            watch=given.watch,
        )


@dataclass(frozen=True)
class LeastChange(_OneClassifier):
    """Our search: the least visible change (see `cvpire.attacks.least_change.search`).

    Attributes:
        max_steps: the most steps until the first success.
        refinements: steps after it.
    """

    max_steps: int
    refinements: int

    @property
    def most_steps(self) -> int:
        """The most steps that a search takes."""
        return self.max_steps + self.refinements

    def find(self, given: SearchInput) -> AttackResult:
        """Search for a change of each image within its bound; nothing depends on the seed."""
        on_files = given.on_files()
        return find_least_change(
            on_files,
            given.images,
            given.epsilon_map,
            given.in_each(),
            max_steps=self.max_steps,
            refinements=self.refinements,
            differentiable=on_files.differentiable,
            watch=given.watch,
        )


@dataclass(frozen=True)
class FaintChange(FaintSettings):
    """Our search for what the eye sees least (see `cvpire.attacks.faint_change.search`).

    Attributes:
        besides: names of classifiers that are attacked as well, where their weights are at hand, so
            that one which nobody attacked may fail too. Each sees the whole photo at 256x256, and
            has its own first guess leave its first five.
    """

    besides: tuple[str, ...] = ()

    @property
    def most_steps(self) -> int:
        """The most steps that a search takes."""
        return most_steps(self)

    def against(self, classifier: str) -> FaintChange:
        """The search for a classifier of this name, which is not attacked twice."""
        return replace(self, besides=tuple(n for n in self.besides if n != classifier))

    def find(self, given: SearchInput) -> AttackResult:
        """Search for a change of each image within its bound."""
        return find_faint_change(
            given.classifier,
            given.images,
            given.epsilon_map,
            given.condition,
            self,
            seed=given.seed,
            differentiable=given.classifier.differentiable,
            to_size=given.classifier.to_size,
            surrogates=[
                _surrogate(name, seen_images(given.images, given.alpha))
                for name in self.besides
                if is_ready(name)
            ],
            read=given.read,
            alpha=given.alpha,
            watch=given.watch,
        )


def _surrogate(name: str, images: Tensor) -> Surrogate:
    other = shared_classifier(name, view=DEFAULT_VIEW).to(images.device)
    with torch.no_grad():
        first = torch.cat([other(image[None]).argmax(dim=1) for image in images])
    return Surrogate(other.differentiable, OutOfTop(first, 5))


def is_ready(name: str) -> bool:
    """Whether a classifier's weights are on this machine."""
    return find_spec(name).is_ready


Search = Algorithm1 | LeastChange | FaintChange
