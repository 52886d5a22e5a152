"""The scores of the whole evaluation are added afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import table1_helpers
from table1_helpers import measure, options, records_of, set_up
from torch import nn

from cvpire.images.encoders import on_white
from cvpire.images.reading import read_photo
from cvpire.metrics.aesthetics import AestheticsUnavailable, Scorer
from eval import protection, scores

images = table1_helpers.images


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(monkeypatch)


class Brightness(nn.Module):
    """Scores an image by its mean, times a factor."""

    def __init__(self, factor: float = 10.0) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, images: Any) -> Any:
        return images.mean() * self.factor


def _no_protection(*args: Any, **named: Any) -> Any:
    raise AssertionError("nothing was to be protected again")


def test_scores_are_added_without_protecting_again(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = options(images, runs="Top1-L1")
    assert "| Original | 1.00 | 1.00 | - |" in measure(without)
    monkeypatch.setattr(protection, "protect_batch", _no_protection)
    monkeypatch.setattr(
        scores, "load_scorer", lambda *_, **named: Scorer("Brightness (0-10)", Brightness())
    )

    text = measure(replace(without, aesthetics="auto"))

    means = [on_white(read_photo(path)).pixels.mean() / 25.5 for path in images.iterdir()]
    assert f"| Original | 1.00 | 1.00 | {np.mean(means):.2f} |" in text
    assert "Aesthetics: Brightness (0-10)" in text
    for record in records_of(without.out):
        assert record.aesthetics is not None
        folder = images if record.run == "Original" else without.out / record.run
        name = record.file if record.run == "Original" else f"{record.file[0]}.png"
        mean = on_white(read_photo(folder / name)).pixels.mean() / 25.5
        assert record.aesthetics.score == pytest.approx(mean, abs=1e-4)

    # Another metric's scores replace them all.
    other = Scorer("Darkness", Brightness(-1.0))
    monkeypatch.setattr(scores, "load_scorer", lambda *_, **named: other)
    assert "| Original | 1.00 | 1.00 | -" in measure(replace(without, aesthetics="nima"))
    assert {r.aesthetics.metric for r in records_of(without.out) if r.aesthetics} == {"Darkness"}


def test_unavailable_scores_say_why(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(metric: str, *, allow_download: bool, **named: object) -> Scorer:
        assert metric == "nima" and allow_download
        raise AestheticsUnavailable("the host is down")

    monkeypatch.setattr(scores, "load_scorer", fail)
    text = measure(options(images, runs="Top1-L1", limit=1, aesthetics="nima"))
    assert "| Original | 1.00 | 1.00 | unavailable |" in text
    assert "The aesthetic score is unavailable: the host is down." in text
