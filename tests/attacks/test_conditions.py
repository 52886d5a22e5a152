"""Conditions: when they hold, by how much, and what they refuse."""

from __future__ import annotations

import math

import pytest
import torch

from cvpire.attacks.conditions import Condition, InEach, Measure, OutOfTop
from cvpire.attacks.group_conditions import GroupBelow, GroupOutOfTop

LOGITS = torch.tensor([[5.0, 4.0, 3.0, 2.0, 1.0, 0.0, -1.0]])


@pytest.mark.parametrize(
    ("label", "k", "expected"),
    [
        (0, 1, False),
        (1, 1, True),
        (4, 5, False),
        (5, 5, True),
        (6, 5, True),
        (2, 2, True),
    ],
)
def test_out_of_the_top_k(label: int, k: int, expected: bool) -> None:
    condition = OutOfTop(torch.tensor([label]), k)
    assert bool(condition.is_met(LOGITS)[0]) is expected


def test_it_says_the_same_as_counting_ranks() -> None:
    logits = torch.randn(200, 9, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(200) % 9
    for k in (1, 3, 5):
        counted = (logits > logits.gather(1, labels[:, None])).sum(dim=1) >= k
        assert torch.equal(OutOfTop(labels, k).is_met(logits), counted)


def test_share_is_of_the_probabilities() -> None:
    logits = torch.randn(500, 6, generator=torch.Generator().manual_seed(1))
    labels = torch.zeros(500, dtype=torch.int64)
    probabilities = logits.softmax(dim=1)
    expected = probabilities[:, 0] < 0.5 * probabilities.amax(dim=1)
    met = OutOfTop(labels, k=1, share=0.5).is_met(logits)
    assert torch.equal(met, expected)
    assert 0 < int(met.sum()) < 500


def test_a_tie_is_not_enough_and_a_margin_asks_for_more() -> None:
    labels = torch.tensor([0])
    tie = torch.tensor([[1.0, 1.0, 0.0]])
    assert not OutOfTop(labels).is_met(tie)
    above = torch.tensor([[1.0, 1.5, 0.0]])
    assert OutOfTop(labels).is_met(above, margin=0.4)
    assert not OutOfTop(labels).is_met(above, margin=0.6)


def test_logits_that_are_not_finite_meet_nothing() -> None:
    for wrong in (math.nan, math.inf, -math.inf):
        for position in (0, 1, 6):
            logits = torch.arange(7.0)[None].clone()
            logits[0, position] = wrong
            for k in (1, 5):
                assert not OutOfTop(torch.tensor([0]), k).is_met(logits)


def test_the_loss_is_the_log_probability_of_the_label() -> None:
    condition = OutOfTop(torch.tensor([2]))
    expected = LOGITS.log_softmax(dim=1)[0, 2]
    assert torch.allclose(condition.loss(LOGITS), expected[None])


def test_both_hold_or_neither_counts() -> None:
    first, second = OutOfTop(torch.tensor([1, 1])), OutOfTop(torch.tensor([2, 0]))
    both = first & second
    logits = LOGITS[:, :3].expand(2, 3)
    assert both.is_met(logits).tolist() == [True, False]
    assert torch.equal(both.slack(logits), torch.minimum(first.slack(logits), second.slack(logits)))
    assert both.select(torch.tensor([1])).is_met(logits[:1]).tolist() == [False]
    assert repr(both) == "OutOfTop(k=1) & OutOfTop(k=1)"


@pytest.mark.parametrize(
    ("labels", "options"),
    [
        (torch.tensor([[0]]), {}),
        (torch.tensor([0.0]), {}),
        (torch.tensor([0]), {"k": 0}),
        (torch.tensor([0]), {"share": 0.0}),
        (torch.tensor([0]), {"share": 1.5}),
    ],
)
def test_what_is_no_condition(labels: torch.Tensor, options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        OutOfTop(labels, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("k", "share"), [(1, 1.0), (1, 0.5), (3, 1.0)])
def test_the_shortfall_is_0_at_the_border_and_its_descent_leads_there(k: int, share: float) -> None:
    condition = OutOfTop(torch.tensor([0]), k, share)
    border = torch.zeros(1, 7)
    border[0, k + 1 :] = -3.0
    border[0, 0] = math.log(share)
    assert float(condition.shortfall(border, Measure())) == pytest.approx(0.0, abs=1e-6)
    assert float(condition.slack(border)) == pytest.approx(0.0, abs=1e-6)
    logits = LOGITS.clone()
    for _ in range(200):
        logits.requires_grad_(True)
        (gradient,) = torch.autograd.grad(condition.shortfall(logits, Measure()).sum(), logits)
        logits = (logits - 0.2 * gradient).detach()
    assert bool(condition.is_met(logits))
    # Classes that are not among the k highest others have no part in it.
    assert torch.equal(logits[0, k + 1 :], LOGITS[0, k + 1 :])


@pytest.mark.parametrize("k", [1, 3])
def test_a_broad_shortfall_counts_others_while_there_is_far_to_go(k: int) -> None:
    condition = OutOfTop(torch.tensor([0]), k)

    def share_of_the_last(logits: torch.Tensor, breadth: float) -> float:
        logits = logits.clone().requires_grad_(True)
        shortfall = condition.shortfall(logits, Measure(breadth=breadth))
        (gradient,) = torch.autograd.grad(shortfall.sum(), logits)
        return float(gradient[0, -1] / gradient[0, 0])

    far = torch.tensor([[8.0, 4.0, 4.0, 4.0, 3.0]])
    assert share_of_the_last(far, 0.0) == 0.0
    assert share_of_the_last(far, 1e-3) == 0.0
    assert share_of_the_last(far, 0.1) == pytest.approx(0.0, abs=0.05)
    assert 0.0 > share_of_the_last(far, 0.25) > share_of_the_last(far, 0.5)
    # The last class is as far behind as before, but there is hardly any way left.
    near = torch.tensor([[4.02, 4.0, 4.0, 4.0, 3.0]])
    assert share_of_the_last(near, 0.25) == pytest.approx(0.0, abs=1e-6)


def test_a_broad_shortfall_is_as_long_as_the_way_however_many_others_there_are() -> None:
    condition = OutOfTop(torch.tensor([0]))
    logits = torch.full((1, 1000), -1.0)
    logits[0, 0] = 3.0
    for softness in (1.0, 0.1):
        broad = condition.shortfall(logits, Measure(breadth=0.25, softness=softness))
        assert torch.equal(broad, condition.shortfall(logits, Measure(softness=softness)))
        assert float(broad) > 3.0


def test_the_less_soft_a_shortfall_the_less_a_rival_counts_that_needs_nothing_more() -> None:
    condition = OutOfTop(torch.tensor([0]), k=2)
    border = torch.tensor([[4.0, 4.0, 4.0, 1.0]])
    far = torch.tensor([[8.0, 4.0, 4.0, 1.0]])
    one_beyond = torch.tensor([[4.0, 5.0, 3.9, 1.0]], requires_grad=True)
    shares = []
    for softness in (1.0, 0.3, 0.1):
        assert float(condition.shortfall(border, Measure(softness=softness))) == pytest.approx(
            0.0, abs=1e-6
        )
        shortfall = float(condition.shortfall(far, Measure(softness=softness)))
        assert shortfall == pytest.approx(2.0 * (4.0 - softness * math.log(2.0)), abs=0.05)
        (gradient,) = torch.autograd.grad(
            condition.shortfall(one_beyond, Measure(softness=softness)).sum(), one_beyond
        )
        assert float(gradient.sum()) == pytest.approx(0.0, abs=1e-6)
        shares.append(float(gradient[0, 1] / gradient[0, 2]))
    assert shares[0] > 0.5 > 0.1 > shares[1] > 0.001 > shares[2] > 0.0


def test_the_shortfall_of_both_is_their_sum() -> None:
    first, second = OutOfTop(torch.tensor([0])), OutOfTop(torch.tensor([1]), k=3)
    for measure in (Measure(), Measure(breadth=0.5), Measure(softness=0.1)):
        one, other = (each.shortfall(LOGITS, measure) for each in (first, second))
        assert torch.equal((first & second).shortfall(LOGITS, measure), one + other)


def test_the_shortfall_with_a_margin_is_0_where_the_slack_is_the_margin() -> None:
    logits = torch.tensor([[1.0, 3.0, 0.0]])
    for condition in (
        OutOfTop(torch.tensor([0])),
        GroupOutOfTop(torch.tensor([0]), torch.tensor([0, 1, 0])),
    ):
        assert float(condition.slack(logits)) == pytest.approx(2.0)
        assert float(condition.shortfall(logits, Measure(margin=2.0))) == pytest.approx(
            0.0, abs=1e-6
        )
        assert (
            float(condition.shortfall(logits, Measure()))
            < 0.0
            < float(condition.shortfall(logits, Measure(margin=3.0)))
        )


def test_a_group_is_out_when_its_best_class_is() -> None:
    groups = torch.tensor([0, 1, 0, 2, 2, 1, 0])
    # In the order of their logits: groups 0, 1, 0, 2, 2, 1, 0.
    for label, k, expected in ((0, 1, False), (6, 1, False), (1, 1, True), (5, 2, False)):
        condition = GroupOutOfTop(torch.tensor([label]), groups, k)
        assert bool(condition.is_met(LOGITS)[0]) is expected
    assert bool(GroupOutOfTop(torch.tensor([4]), groups, 3).is_met(LOGITS)[0])
    assert not bool(GroupOutOfTop(torch.tensor([4]), groups, 4).is_met(LOGITS)[0])


def test_a_group_of_one_is_a_class() -> None:
    logits = torch.randn(50, 9, generator=torch.Generator().manual_seed(2))
    labels = torch.arange(50) % 9
    for k in (1, 5):
        alone, group = OutOfTop(labels, k), GroupOutOfTop(labels, torch.arange(9), k)
        assert torch.equal(alone.slack(logits), group.slack(logits))
        assert torch.allclose(alone.loss(logits), group.loss(logits))
        assert torch.allclose(
            alone.shortfall(logits, Measure()), group.shortfall(logits, Measure())
        )
        some = torch.tensor([3, 7])
        assert torch.equal(group.select(some).slack(logits[some]), group.slack(logits)[some])


def test_the_group_s_loss_is_its_log_probability() -> None:
    groups = torch.tensor([0, 1, 0, 2, 2, 1, 0])
    found = GroupOutOfTop(torch.tensor([1]), groups, 1).loss(LOGITS)
    expected = LOGITS.softmax(dim=1)[0, [1, 5]].sum().log()
    assert torch.allclose(found, expected[None])


def test_a_group_is_below_its_share_where_its_probabilities_add_up_to_less() -> None:
    groups = torch.tensor([0, 1, 0, 2, 2, 1, 0])
    total = float(LOGITS.softmax(dim=1)[0, [1, 5]].sum())
    labels = torch.tensor([5])
    for share, expected in ((total + 1e-4, True), (total - 1e-4, False)):
        condition = GroupBelow(labels, groups, share)
        assert bool(condition.is_met(LOGITS)[0]) is expected
        assert float(condition.shortfall(LOGITS, Measure())) * float(condition.slack(LOGITS)) < 0.0
    # The slack is a difference of log-odds, and the shortfall is 0 where it is the margin.
    condition = GroupBelow(labels, groups, 0.5)
    assert float(condition.slack(LOGITS)) == pytest.approx(-math.log(total / (1.0 - total)))
    slack = float(condition.slack(LOGITS))
    assert float(condition.shortfall(LOGITS, Measure(margin=slack))) == pytest.approx(0.0, abs=1e-6)
    assert torch.allclose(condition.loss(LOGITS), torch.tensor([math.log(total)]))
    assert not bool(condition.is_met(torch.full((1, 7), torch.nan))[0])
    with pytest.raises(ValueError, match=r"expected a share in \(0, 1\), got 1"):
        GroupBelow(labels, groups, 1.0)


LABEL, GROUPS = torch.tensor([0]), torch.tensor([0, 0, 1, 1, 2, 2, 3])


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (OutOfTop(LABEL), "no longer the first guess"),
        (OutOfTop(LABEL, 5), "out of the first five"),
        (OutOfTop(LABEL, 3), "out of the first 3"),
        (OutOfTop(LABEL, share=0.5), "at most half as probable as the first guess"),
        (OutOfTop(LABEL, share=0.2), "at most 20% as probable as the first guess"),
        (GroupOutOfTop(LABEL, GROUPS, 5), "no scene of its kind among the first five"),
        (GroupBelow(LABEL, GROUPS, 0.1), "all scenes of its kind together below 10%"),
        (
            GroupOutOfTop(LABEL, GROUPS, 5) & GroupBelow(LABEL, GROUPS, 0.1),
            "no scene of its kind among the first five, and all scenes of its kind together below "
            "10%",
        ),
        (InEach(OutOfTop(LABEL, 5), 2), "out of the first five"),
    ],
    ids=repr,
)
def test_conditions_have_words_for_people(condition: Condition, words: str) -> None:
    assert condition.words == words
    assert condition.select(torch.tensor([0, 0])).words == words


def test_in_each_is_the_worst_of_all() -> None:
    logits = torch.randn(40, 14, generator=torch.Generator().manual_seed(4))
    labels = torch.arange(40) % 7
    one = OutOfTop(labels, 2)
    both = InEach(one, 2)
    first, second = logits[:, :7], logits[:, 7:]
    assert torch.equal(both.slack(logits), torch.minimum(one.slack(first), one.slack(second)))
    assert torch.equal(both.is_met(logits), one.is_met(first) & one.is_met(second))
    together = one.shortfall(first, Measure(margin=0.5)) + one.shortfall(
        second, Measure(margin=0.5)
    )
    assert torch.allclose(both.shortfall(logits, Measure(margin=0.5)), together)
    assert torch.allclose(both.loss(logits), one.loss(first) + one.loss(second))
    some = torch.tensor([3, 5])
    assert torch.equal(both.select(some).slack(logits[some]), both.slack(logits)[some])
    with pytest.raises(ValueError, match="expected logits of 2 sights"):
        both.slack(logits[:, :13])
    with pytest.raises(ValueError, match="1 sight or more"):
        InEach(one, 0)


def test_in_each_goes_down_by_what_falls_short() -> None:
    # Of two classes, the label is first in one sight and far below in the other.
    logits = torch.tensor([[9.0, 0.0, -20.0, 0.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(InEach(OutOfTop(LABEL), 2).loss(logits).sum(), logits)
    assert gradient[0, 0] > 0.0 and not gradient[0, 2:].any()
