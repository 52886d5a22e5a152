"""What counts as protected: conditions on a classifier's logits, and the loss that leads there.

Logits are (N, classes), float; a condition belongs to N images and is built from their labels.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

# The shortest way to go, in logits, that the breadth of a shortfall is a share of.
_LEAST_TO_GO = 0.05


class Measure(NamedTuple):
    """How the shortfall of a condition is measured.

    Attributes:
        margin: of slack that is to be reached.
        breadth: 0 where only the highest other classes count. Above 0, others count as well while
            they are behind those by no more than about this share of the way that is left: the
            class that is the nearest rival at first is often not the one that is reached by the
            least change.
        softness: within about so many logits of the border, on either side, the rivals count in
            part; those further beyond it need nothing more.
    """

    margin: float = 0.0
    breadth: float = 0.0
    softness: float = 1.0

    def beyond(self, distance: Tensor) -> Tensor:
        """0 at the border, then the distance, and a little below 0 on its other side."""
        return self.softness * (F.softplus(distance / self.softness) - math.log(2.0))

    def behind(self, own: Tensor, others: Tensor, k: int) -> Tensor:
        """How far the k highest others are below `own`, (N,): each counts, the more, the further.

        Args:
            own: (N,), what they are to reach, the margin included.
            others: (N, classes), with -infinity where a class is none of them.
            k: how many are to reach it.
        """
        rivals = others.topk(k, dim=1).values
        if self.breadth > 0.0:
            rivals = _broad_rivals(own, others, rivals, self.breadth)
        return self.beyond(own[:, None] - rivals).sum(dim=1)


def _broad_rivals(own: Tensor, others: Tensor, rivals: Tensor, breadth: float) -> Tensor:
    """(N, k): the rivals, each with the gradient of a soft maximum of it and all others below it.

    Its value would not do: among many classes it lies far above the highest of them.
    """
    ordered = others.sort(dim=1, descending=True).values
    # Never 0, which the border would be.
    to_go = (own[:, None] - rivals).detach().clamp(min=_LEAST_TO_GO)
    soft = []
    for rank in range(rivals.shape[1]):
        scale = breadth * to_go[:, rank]
        soft.append(scale * (ordered[:, rank:] / scale[:, None]).logsumexp(dim=1))
    maxima = torch.stack(soft, dim=1)
    return rivals.detach() + (maxima - maxima.detach())


class Condition(ABC):
    """A condition that an attack tries to meet, for each image by itself."""

    @abstractmethod
    def slack(self, logits: Tensor) -> Tensor:
        """By how much the condition is met.

        Args:
            logits: (N, classes).

        Returns:
            (N,): in logits (differences of log-probability); above 0 where the condition is met,
            and the larger, the more safely.
        """

    @abstractmethod
    def loss(self, logits: Tensor) -> Tensor:
        """The quantity, (N,), whose descent leads to the condition."""

    @abstractmethod
    def shortfall(self, logits: Tensor, measure: Measure) -> Tensor:
        """How far from the condition, (N,), and its descent leads there by a shorter way than that
        of `loss`, which goes on to make the label as improbable as can be. 0 at the border, or a
        little less where several classes are to pass it and some have.

        Args:
            logits: (N, classes).
            measure: how it is measured.
        """

    @property
    @abstractmethod
    def words(self) -> str:
        """What holds where the condition is met, for people: "no longer the first guess"."""

    @abstractmethod
    def select(self, images: Tensor) -> Condition:
        """The same condition on some of the images, given by an index or mask of shape (N,)."""

    def is_met(self, logits: Tensor, *, margin: float = 0.0) -> Tensor:
        """Where the condition holds with at least this margin of slack: (N,) bool.

        Logits that are not finite never meet a condition.
        """
        return self.slack(logits) > margin

    def __and__(self, other: Condition) -> Condition:
        """Both conditions at once."""
        return Both(self, other)


@dataclass(frozen=True, eq=False)
class OfLabels(Condition):
    """A condition on each image's own label.

    Attributes:
        labels: (N,) int64, c0 in the paper.
    """

    labels: Tensor

    def select(self, images: Tensor) -> Self:
        return replace(self, labels=self.labels[images])


def if_finite(slack: Tensor, logits: Tensor) -> Tensor:
    """The slack, (N,), or -infinity where any of an image's logits is not finite."""
    return torch.where(logits.isfinite().all(dim=1), slack, -math.inf)


@dataclass(frozen=True, eq=False)
class OutOfTop(OfLabels):
    """The label is not among the k most probable classes.

    Attributes:
        k: how many of the highest classes must be others.
        share: besides, p(label) is below this share of the k-th highest other class's, in (0, 1].

    The loss is the paper's, -CE(logits, label): the log-probability of the label.
    """

    k: int = 1
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.labels.ndim != 1 or self.labels.is_floating_point():
            raise ValueError(
                f"expected labels as integers of shape (N,), got {self.labels.dtype} of shape "
                f"{tuple(self.labels.shape)}"
            )
        if self.k < 1:
            raise ValueError(f"expected k of 1 or more, got {self.k}")
        if not 0.0 < self.share <= 1.0:
            raise ValueError(f"expected a share in (0, 1], got {self.share}")

    def __repr__(self) -> str:
        share = f", share={self.share:g}" if self.share < 1.0 else ""
        return f"OutOfTop(k={self.k}{share})"

    @property
    def words(self) -> str:
        if self.share == 1.0 and self.k == 1:
            return "no longer the first guess"
        if self.share == 1.0:
            return f"out of the first {number_word(self.k)}"
        share = "half" if self.share == 0.5 else f"{self.share:.0%}"
        rival = "the first guess" if self.k == 1 else f"the {number_word(self.k)} classes above it"
        return f"at most {share} as probable as {rival}"

    def slack(self, logits: Tensor) -> Tensor:
        own, others = self._split(logits)
        rival = others.topk(self.k, dim=1).values[:, -1]
        return if_finite(rival - own + math.log(self.share), logits)

    def loss(self, logits: Tensor) -> Tensor:
        # log p = -softplus(logsumexp of the others - own): written so that the gradient is not lost
        # where p rounds to 1, as it is in a cross entropy computed by softmax.
        own, others = self._split(logits)
        return -F.softplus(others.logsumexp(dim=1) - own)

    def shortfall(self, logits: Tensor, measure: Measure) -> Tensor:
        own, others = self._split(logits)
        return measure.behind(own + measure.margin - math.log(self.share), others, self.k)

    def _split(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The label's logit (N,), and the logits (N, classes) with the label's at -infinity."""
        labels = self.labels[:, None]
        return logits.gather(1, labels)[:, 0], logits.scatter(1, labels, -math.inf)


def number_word(count: int) -> str:
    """Small numbers in words."""
    return "five" if count == 5 else f"{count}"


class _Several(Condition):
    """Conditions that must all hold: the slack is the smallest one, the shortfall their sum."""

    @abstractmethod
    def _parts(self, logits: Tensor) -> Sequence[tuple[Condition, Tensor]]:
        """Each condition, and the logits that it is on."""

    def slack(self, logits: Tensor) -> Tensor:
        return torch.stack([one.slack(its) for one, its in self._parts(logits)]).amin(dim=0)

    def loss(self, logits: Tensor) -> Tensor:
        return torch.stack([one.loss(its) for one, its in self._parts(logits)]).sum(dim=0)

    def shortfall(self, logits: Tensor, measure: Measure) -> Tensor:
        each = [one.shortfall(its, measure) for one, its in self._parts(logits)]
        return torch.stack(each).sum(dim=0)


@dataclass(frozen=True, eq=False)
class Both(_Several):
    """Two conditions at once; the loss is a sum, too."""

    first: Condition
    second: Condition

    def __repr__(self) -> str:
        return f"{self.first!r} & {self.second!r}"

    @property
    def words(self) -> str:
        return f"{self.first.words}, and {self.second.words}"

    def _parts(self, logits: Tensor) -> Sequence[tuple[Condition, Tensor]]:
        return (self.first, logits), (self.second, logits)

    def select(self, images: Tensor) -> Both:
        return Both(self.first.select(images), self.second.select(images))


@dataclass(frozen=True, eq=False)
class InEach(_Several):
    """One condition on several sights of each image at once, such as those on two backgrounds. The
    loss is a sum, too, and goes down by the sights that fall short alone.

    Attributes:
        condition: for N images.
        sights: how many there are of each; logits are (N, sights * classes), one after the other.
    """

    condition: Condition
    sights: int

    def __post_init__(self) -> None:
        if self.sights < 1:
            raise ValueError(f"expected 1 sight or more, got {self.sights}")

    def __repr__(self) -> str:
        return f"InEach({self.condition!r}, sights={self.sights})"

    @property
    def words(self) -> str:
        return self.condition.words

    def loss(self, logits: Tensor) -> Tensor:
        left = []
        for condition, sight in self._parts(logits):
            # The log-probability of a class that is out already falls faster than that of one that
            # is not: it would draw the descent to where there is nothing more to do.
            is_done = condition.slack(sight.detach()) > _LEAST_TO_GO
            loss = condition.loss(sight)
            left.append(torch.where(is_done, loss.detach(), loss))
        return torch.stack(left).sum(dim=0)

    def _parts(self, logits: Tensor) -> Sequence[tuple[Condition, Tensor]]:
        if logits.shape[1] % self.sights:
            raise ValueError(f"expected logits of {self.sights} sights, got {tuple(logits.shape)}")
        return [(self.condition, sight) for sight in logits.chunk(self.sights, dim=1)]

    def select(self, images: Tensor) -> InEach:
        return InEach(self.condition.select(images), self.sights)
