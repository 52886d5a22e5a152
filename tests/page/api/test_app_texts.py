"""What the page writes and draws: names, escaped texts and the heatmap."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import app
from cvpire.classifiers.classifier import Prediction
from cvpire.classifiers.registry import CLASSIFIERS
from cvpire.color.heatmap import heatmap
from cvpire.runs import DEFAULT_RUN
from page.looks import render, texts
from page.looks.viewer import asset
from page.orders.words import percent


def test_names_that_two_classes_share_are_told_apart() -> None:
    bird, machine = Prediction("crane", 134, 0.4), Prediction("crane", 517, 0.3)
    html = render.top5(report(label=bird, before=(bird, machine), after=(machine, bird)))
    assert "crane <small>134</small>" in html and "crane <small>517</small>" in html


def test_a_scene_stands_with_its_group() -> None:
    room = Prediction("hospital room", 179, 0.6, "health", is_sensitive=True)
    office = Prediction("office", 244, 0.3, "work")
    html = render.top5(report(label=room, before=(room,), after=(office,)))
    rows = html.split("<tr>")
    # The protected class first, with its share in both photos, however low it is now.
    assert "hospital room <small>health, sensitive</small>" in rows[2]
    assert "60%" in rows[2] and "0.02%" in rows[2]
    assert "office <small>work</small>" in rows[3] and "below its first five" in rows[3]


def report(**figures: object) -> Any:
    """What `top5` looks at."""
    return SimpleNamespace(backgrounds=(), label_probability_after=0.0002, **figures)


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.734, "73%"), (0.0412, "4.1%"), (0.00021, "0.02%"), (0.00002, "below 0.01%"), (1.0, "100%")],
)
def test_shares_have_the_digits_that_tell(share: float, words: str) -> None:
    assert percent(share) == words


def test_the_stored_example_is_of_the_classifier_that_comes_along() -> None:
    example = json.loads(asset("example.json"))
    assert example["weights_sha256"] == CLASSIFIERS["scenes"].weights.sha256
    assert example["run"] == DEFAULT_RUN
    assert example["after"] < example["before"] and example["survived"] <= example["tried"]
    shown = texts.intro()
    assert f"survives {example['survived']} of" in shown and "data:image/webp;base64," in shown


def test_texts_from_a_photo_are_escaped() -> None:
    html = render.banner("good", "✓", "Protected", ["x"], notes=["profile '<img src=//evil>'"])
    assert "<img" not in html and "&lt;img" in html


def test_heatmap_runs_from_black_to_yellow() -> None:
    picture = heatmap(np.array([[0.0, 1.0]], np.float32))
    assert picture.shape == (1, 2, 3) and picture.dtype == np.uint8
    # matplotlib's inferno, first and last colour.
    assert picture[0].tolist() == [[0, 0, 3], [252, 254, 164]]
    lightness = heatmap(np.linspace(0, 1, 256, dtype=np.float32)[None])[0].sum(axis=1, dtype=int)
    assert (np.diff(lightness) > -3).all()


@pytest.mark.parametrize("bad", [np.full((2, 2), np.nan), np.full((2, 2), 1.5), np.zeros(3)])
def test_heatmap_refuses_what_is_no_map(bad: Any) -> None:
    with pytest.raises(ValueError, match="expected a map"):
        heatmap(bad.astype(np.float32))


def test_building_the_page_loads_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("cvpire.classifiers.sources.read_state_dict", refuse)
    monkeypatch.setattr(torch, "load", refuse)
    app.build_page()
    assert Path(app.find_examples()[0][0]).name == "tower.jpg"
