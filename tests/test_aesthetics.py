"""The aesthetic score: NIMA from a file of the real one's form, and what is said without it."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch
from conftest import textured_pixels

from cvpire import aesthetics
from cvpire.aesthetics import NIMA_WEIGHTS, AestheticsUnavailable, is_ready, load_scorer


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CVPIRE_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def known_as(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file that the test made stand for the published one."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    metric = aesthetics._METRICS["nima"]
    weights = dataclasses.replace(metric.weights, sha256=digest[:8])
    monkeypatch.setitem(aesthetics._METRICS, "nima", dataclasses.replace(metric, weights=weights))


def test_nima_from_a_file_of_its_form(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    path = folder / NIMA_WEIGHTS.filename
    network = aesthetics._build_nima()
    torch.save({"params": network.state_dict()}, path)
    known_as(path, monkeypatch)
    assert is_ready()
    scorer = load_scorer()
    assert scorer.title == "NIMA (AVA, 1-10)"
    pixels = textured_pixels(300, 320)
    score = scorer.score(pixels)
    assert 1.0 <= score <= 10.0
    assert score == scorer.score(pixels.copy())
    # The weights of the file are what scores: another last layer, another score.
    state = {name: value.clone() for name, value in network.state_dict().items()}
    state["classifier.2.bias"] += torch.arange(10.0)
    torch.save({"params": state}, path)
    known_as(path, monkeypatch)
    assert load_scorer().score(pixels) > score + 1.0


def test_without_weights_it_says_why_and_what_to_do(folder: Path) -> None:
    assert not is_ready()
    with pytest.raises(AestheticsUnavailable, match="weights download nima"):
        load_scorer()


def test_without_a_network_a_download_says_why(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = aesthetics._METRICS["nima"]
    nowhere = dataclasses.replace(metric.weights, urls=("http://127.0.0.1:9/nima.pth",))
    monkeypatch.setitem(aesthetics._METRICS, "nima", dataclasses.replace(metric, weights=nowhere))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(AestheticsUnavailable, match=r"127\.0\.0\.1"):
        load_scorer(allow_download=True)
    assert not [path for path in folder.iterdir() if path.suffix == ".pth"]


def test_a_damaged_file_is_no_score(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / NIMA_WEIGHTS.filename
    torch.save({"params": {"classifier.2.bias": torch.zeros(10)}}, path)
    known_as(path, monkeypatch)
    with pytest.raises(AestheticsUnavailable, match="expected"):
        load_scorer()


def test_an_unknown_metric_lists_the_known() -> None:
    with pytest.raises(ValueError, match="nima"):
        load_scorer("beauty")
