"""The runs: the paper's five, ours, and their settings."""

from __future__ import annotations

import pytest
import torch

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.attacks.least_change.search import LeastChange
from cvpire.classifiers.registry import find_spec
from cvpire.runs import RUNS, find_run, has_group_variant


def test_the_five_runs_are_the_paper_s() -> None:
    papers = {name: run for name, run in RUNS.items() if isinstance(run.search, Algorithm1)}
    label, classes = torch.tensor([0]), find_spec("scenes").read_labels()
    conditions = {name: repr(run.condition(label, classes)) for name, run in papers.items()}
    assert conditions == {
        "Top1-L1": "OutOfTop(k=1)",
        "Top1-L1-50": "OutOfTop(k=1, share=0.5)",
        "Top1-noL1": "OutOfTop(k=1)",
        "Top5-L1": "OutOfTop(k=5)",
        "Top5-noL1": "OutOfTop(k=5)",
    }
    for name, run in papers.items():
        assert (run.settings["l1_weight"] == 0.0) is ("noL1" in name)
        assert (run.kernel_size, run.sigma) == (5, 1.0)
    with pytest.raises(ValueError, match="the known ones are Top1-L1, "):
        find_run("top1")


def test_our_runs_have_the_papers_conditions() -> None:
    label, classes = torch.tensor([0]), find_spec("scenes").read_labels()
    for ours, theirs in (
        ("Top1-min", "Top1-L1"),
        ("Top1-50-min", "Top1-L1-50"),
        ("Top5-min", "Top5-L1"),
    ):
        assert isinstance(RUNS[ours].search, LeastChange)
        own, papers = (RUNS[name].condition(label, classes) for name in (ours, theirs))
        assert repr(own) == repr(papers)


def test_a_group_s_run_needs_groups() -> None:
    label = torch.tensor([0])
    condition = RUNS["Group-min"].condition(label, find_spec("scenes").read_labels())
    assert repr(condition) == "GroupOutOfTop(k=5)"
    condition = RUNS["Group-10-min"].condition(label, find_spec("scenes").read_labels())
    assert repr(condition) == "GroupOutOfTop(k=5) & GroupBelow(share=0.1)"
    with pytest.raises(ValueError, match="classes of imagenet have no groups"):
        RUNS["Group-min"].condition(label, find_spec("lite0-imagenet").read_labels())


def test_a_run_s_settings_are_all_its_numbers_and_those_of_its_search() -> None:
    for run in RUNS.values():
        numbers = {name: n for name, n in vars(run).items() if isinstance(n, int | float)}
        expected = {**numbers, **vars(run.search)}
        expected.pop("surrogates", None)
        settings = {name: value for name, value in run.settings.items() if name != "besides"}
        assert settings == expected


def test_a_group_s_variant_is_the_same_search_for_the_whole_kind_of_place() -> None:
    label, classes = torch.tensor([0]), find_spec("scenes").read_labels()
    for name in ("Invisible", "Balanced", "Posting"):
        plain, variant = find_run(name), find_run(name, group=True)
        assert variant is RUNS[f"{name}-group"] and variant.name == f"{name}-group"
        assert repr(plain.condition(label, classes)) == "OutOfTop(k=5)"
        assert repr(variant.condition(label, classes)) == "GroupOutOfTop(k=5)"
        assert variant.settings == plain.settings
        assert variant.against("scenes").name == variant.name
    assert [name for name in RUNS if has_group_variant(name)] == [
        "Invisible",
        "Balanced",
        "Posting",
    ]
    for name in ("Top1-L1", "Group-min", "Posting-group", "Robust"):
        with pytest.raises(
            ValueError, match=f"^The run {name} has no variant that hides the whole"
        ):
            find_run(name, group=True)
    with pytest.raises(ValueError, match="the known ones are Top1-L1, "):
        find_run("top1", group=True)


def test_every_run_of_the_registry_has_words() -> None:
    scenes = find_spec("scenes").read_labels()
    found = {name: run.condition(torch.tensor([0]), scenes).words for name, run in RUNS.items()}
    for name, words in found.items():
        is_group = name.startswith("Group") or name.endswith("-group")
        first = "guess" if name.startswith("Top1") else "out of the first five"
        assert ("of its kind" if is_group else first) in words
