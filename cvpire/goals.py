"""What a run is to reach: a condition, made for the labels of photos and a classifier's classes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cvpire.attacks.conditions import Condition, OutOfTop
from cvpire.attacks.group_conditions import GroupBelow, GroupOutOfTop
from cvpire.classifiers.labels import Labels
from cvpire.errors import SettingsError

ConditionMaker = Callable[[Tensor, Labels], Condition]


def out_of_top(k: int, share: float = 1.0) -> ConditionMaker:
    """The true class is below k others, and below this share of the k-th one's probability."""

    def make(labels: Tensor, classes: Labels) -> Condition:
        _expect_classes(classes, k)
        return OutOfTop(labels, k, share)

    return make


def _expect_classes(classes: Labels, k: int) -> None:
    if len(classes.names) <= k:
        raise SettingsError(
            f"the classifier has {len(classes.names)} classes, and {k} others must be above the "
            "true one: choose a run on the first guess, or another classifier."
        )


def group_out_of_top(k: int, below: float = 1.0) -> ConditionMaker:
    """No class of the group is among the first k; all of them sum to less than `below`."""

    def make(labels: Tensor, classes: Labels) -> Condition:
        _expect_classes(classes, k)
        if not classes.groups:
            raise SettingsError(
                f"the classes of {classes.taxonomy} have no groups: choose a run without groups, "
                "or a classifier of Places365's scenes."
            )
        names = sorted(set(classes.groups))
        groups = torch.tensor([names.index(group) for group in classes.groups])
        condition = GroupOutOfTop(labels, groups, k)
        return condition if below >= 1.0 else condition & GroupBelow(labels, groups, below)

    return make


OUT_OF_TOP1, OUT_OF_TOP1_50 = out_of_top(1), out_of_top(1, share=0.5)

# Also the fallback where no run is given, or where a run needs groups that a classifier's classes
# lack.
OUT_OF_TOP5 = out_of_top(5)
