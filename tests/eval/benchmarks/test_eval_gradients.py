"""The benchmark of gradient steps: that it times what it says, on small pictures."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import mean_color_spec
from torch import Tensor

from cvpire.classifiers.classifier import Classifier
from eval import gradients
from eval.gradients import LoopRow, StepRow, gradients_table, time_loop, time_steps
from eval.progress import Progress


class Watched(Classifier):
    """A classifier that notes its passes: the batch size, and whether a gradient was asked for."""

    def __init__(self) -> None:
        spec = mean_color_spec()
        super().__init__(spec, spec.build(), "native")
        self.seen: list[tuple[str, int, bool]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(("plain", len(images), images.requires_grad))
        return super().forward(images)

    @property
    def differentiable(self) -> Any:
        def ask(images: Tensor) -> Tensor:
            self.seen.append(("fast", len(images), images.requires_grad))
            return super(Watched, self).forward(images)

        return ask


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "SIDE", 32)
    monkeypatch.setattr(gradients, "ROUNDS", 2)


def test_plain_and_fast_steps_take_turns_with_gradients() -> None:
    classifier = Watched().eval()
    told: list[Progress] = []
    rows = time_steps(classifier, told.append)
    assert [row.batch_size for row in rows] == [1, 4]
    assert all(row.plain > 0.0 and row.fast > 0.0 and row.ratio > 0.0 for row in rows)
    assert classifier.seen == [
        (kind, size, True) for size in (1, 4) for _ in range(3) for kind in ("plain", "fast")
    ]
    assert told


def test_the_bare_passes_are_those_that_the_search_made() -> None:
    classifier = Watched().eval()
    row = time_loop(classifier, lambda step: None)
    # The labels' pass, then four rounds of a search and of its passes alone.
    passes = classifier.seen[1:]
    assert len(passes) == 8 * row.passes
    searches = [passes[i : i + row.passes] for i in range(0, len(passes), row.passes)]
    assert all(one == searches[0] for one in searches)
    assert {kind for kind, _, _ in passes} == {"plain", "fast"}
    assert row.loop > 0.0
    assert row.bare > 0.0


def test_the_table_says_what_was_measured() -> None:
    text = gradients_table("scenes", [StepRow(4, 0.2, 0.05, 0.25)], LoopRow(24, 1.08, 1.0, 0.08))
    assert "| 4 | 0.2000 | 0.0500 | 0.25 |" in text
    assert text.endswith("24 passes in 1.08 s; alone they take 1.00 s: the loop adds 8.0%.")
    assert f"{torch.get_num_threads()} threads" in text
