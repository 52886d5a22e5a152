"""Conditions on all classes of one kind of place together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from cvpire.attacks.conditions import Measure, OfLabels, if_finite, number_word


@dataclass(frozen=True, eq=False)
class _OfGroup(OfLabels):
    """A condition on the label's group; its loss is the log-probability of the whole group.

    Attributes:
        groups: (classes,) int64, a number for each class's group.
    """

    groups: Tensor

    def loss(self, logits: Tensor) -> Tensor:
        return -F.softplus(-self._log_odds(logits))

    def _log_odds(self, logits: Tensor) -> Tensor:
        """(N,): of all classes of the labels' groups together."""
        own, others = self._split(logits)
        return own.logsumexp(dim=1) - others.logsumexp(dim=1)

    def _split(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, classes) of the labels' groups, and of the others, the rest at -infinity."""
        groups = self.groups.to(logits.device)
        is_own = groups[self.labels.to(logits.device)][:, None] == groups[None]
        return logits.masked_fill(~is_own, -math.inf), logits.masked_fill(is_own, -math.inf)


@dataclass(frozen=True, eq=False)
class GroupOutOfTop(_OfGroup):
    """No class of the label's group is among the k most probable: not only another room, but no
    room of a home.

    Attributes:
        k: how many of the highest classes must be of other groups.
    """

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
        own, others = self._split(logits)
        rival = others.topk(self.k, dim=1).values[:, -1]
        return if_finite(rival - own.amax(dim=1), logits)

    def shortfall(self, logits: Tensor, measure: Measure) -> Tensor:
        own, others = self._split(logits)
        return measure.behind(own.amax(dim=1) + measure.margin, others, self.k)


@dataclass(frozen=True, eq=False)
class GroupBelow(_OfGroup):
    """The classes of the label's group have, together, less than a share of the probability.

    Attributes:
        share: in (0, 1).
    """

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
        return if_finite(-self._excess(logits), logits)

    def shortfall(self, logits: Tensor, measure: Measure) -> Tensor:
        # All others count together already: there is no rival to choose.
        return measure.beyond(self._excess(logits) + measure.margin)

    def _excess(self, logits: Tensor) -> Tensor:
        """By how much the log-odds of the group exceed those of the share."""
        border = math.log(self.share) - math.log1p(-self.share)
        return self._log_odds(logits) - border
