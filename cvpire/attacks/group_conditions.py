"""Conditions on all classes of one kind of place together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cvpire.attacks.conditions import Condition, above_border, number_word, shortfall_of


@dataclass(frozen=True, eq=False)
class GroupOutOfTop(Condition):
    """No class of the label's group is among the k most probable: not only another room, but no
    room of a home.

    Attributes:
        labels: (N,) int64.
        groups: (classes,) int64, a number for each class's group.
        k: how many of the highest classes must be of other groups.

    The loss is the log-probability of the whole group.
    """

    labels: Tensor
    groups: Tensor
    k: int = 1

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"expected k of 1 or more, got {self.k}")

    def __repr__(self) -> str:
        return f"GroupOutOfTop(k={self.k})"

    @property
    def words(self) -> str:
        if self.k == 1:
            return "the first guess no scene of its kind"
        return f"no scene of its kind among the first {number_word(self.k)}"

    def slack(self, logits: Tensor) -> Tensor:
        own, others = _split_group(logits, self.labels, self.groups)
        rival = others.topk(self.k, dim=1).values[:, -1]
        is_finite = logits.isfinite().all(dim=1)
        return torch.where(is_finite, rival - own.amax(dim=1), -math.inf)

    def loss(self, logits: Tensor) -> Tensor:
        return -F.softplus(-_group_log_odds(logits, self.labels, self.groups))

    def shortfall(
        self, logits: Tensor, *, margin: float = 0.0, breadth: float = 0.0, softness: float = 1.0
    ) -> Tensor:
        own, others = _split_group(logits, self.labels, self.groups)
        return shortfall_of(own.amax(dim=1) + margin, others, self.k, breadth, softness)

    def select(self, images: Tensor) -> GroupOutOfTop:
        return GroupOutOfTop(self.labels[images], self.groups, self.k)


@dataclass(frozen=True, eq=False)
class GroupBelow(Condition):
    """The classes of the label's group have, together, less than a share of the probability.

    Attributes:
        labels: (N,) int64.
        groups: (classes,) int64, a number for each class's group.
        share: in (0, 1).

    The loss is the log-probability of the whole group.
    """

    labels: Tensor
    groups: Tensor
    share: float

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 1.0:
            raise ValueError(f"expected a share in (0, 1), got {self.share}")

    def __repr__(self) -> str:
        return f"GroupBelow(share={self.share:g})"

    @property
    def words(self) -> str:
        return f"all scenes of its kind together below {self.share:.0%}"

    def slack(self, logits: Tensor) -> Tensor:
        is_finite = logits.isfinite().all(dim=1)
        return torch.where(is_finite, -self._excess(logits), -math.inf)

    def loss(self, logits: Tensor) -> Tensor:
        return -F.softplus(-_group_log_odds(logits, self.labels, self.groups))

    def shortfall(
        self, logits: Tensor, *, margin: float = 0.0, breadth: float = 0.0, softness: float = 1.0
    ) -> Tensor:
        # All others count together already: there is no rival to choose.
        return above_border(self._excess(logits) + margin, softness)

    def _excess(self, logits: Tensor) -> Tensor:
        """By how much the log-odds of the group exceed those of the share."""
        border = math.log(self.share) - math.log1p(-self.share)
        return _group_log_odds(logits, self.labels, self.groups) - border

    def select(self, images: Tensor) -> GroupBelow:
        return GroupBelow(self.labels[images], self.groups, self.share)


def _group_log_odds(logits: Tensor, labels: Tensor, groups: Tensor) -> Tensor:
    """(N,): the log-odds of all classes of the labels' groups together."""
    own, others = _split_group(logits, labels, groups)
    return own.logsumexp(dim=1) - others.logsumexp(dim=1)


def _split_group(logits: Tensor, labels: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    """The logits (N, classes) of the labels' groups, and of the others, the rest at -infinity."""
    groups = groups.to(logits.device)
    is_own = groups[labels.to(logits.device)][:, None] == groups[None]
    return logits.masked_fill(~is_own, -math.inf), logits.masked_fill(is_own, -math.inf)
