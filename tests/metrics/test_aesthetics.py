"""The aesthetic score: which metric, from files of its form, and what is said without them."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch
from conftest import textured_pixels
from torch import nn

from cvpire.errors import SettingsError
from cvpire.metrics import aesthetics, pyiqa_metrics
from cvpire.metrics.aesthetics import (
    BEAUTY,
    NIMA,
    NIMA_WEIGHTS,
    AestheticsUnavailable,
    load_scorer,
    preferred_metric,
)

# pyiqa's own name for the small metric whose file the tests make; its hash they put in.
CNNIQA_FILE = "CNNIQA_koniq10k-e6f14c91.pth"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CVPIRE_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def known_as(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file that the test made stand for the published one."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    weights = dataclasses.replace(NIMA_WEIGHTS, sha256=digest[:8])
    monkeypatch.setattr(aesthetics, "NIMA_WEIGHTS", weights)
    # The name keeps the published digits, which the test's file cannot have.
    monkeypatch.setattr(pyiqa_metrics, "has_sha256", lambda path, digits: True)


def nima_network(num_classes: int = 10) -> nn.Module:
    from pyiqa.archs import nima_arch

    with pytest.MonkeyPatch.context() as patch:
        create = nima_arch.timm.create_model
        patch.setattr(
            nima_arch.timm,
            "create_model",
            lambda *words, **named: create(*words, **{**named, "pretrained": False}),
        )
        network: nn.Module = nima_arch.NIMA(
            base_model_name="inception_resnet_v2", num_classes=num_classes, pretrained=False
        )
    return network


def test_nima_from_a_file_of_its_form(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    path = folder / NIMA_WEIGHTS.filename
    network = nima_network()
    torch.save({"params": network.state_dict()}, path)
    known_as(path, monkeypatch)
    assert preferred_metric() == NIMA
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


def test_nima_from_a_named_file_anywhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / NIMA_WEIGHTS.filename
    torch.save({"params": nima_network().state_dict()}, path)
    monkeypatch.setattr(pyiqa_metrics, "has_sha256", lambda path, digits: True)
    assert load_scorer(NIMA, files=[path]).title == "NIMA (AVA, 1-10)"
    monkeypatch.undo()
    monkeypatch.setenv("CVPIRE_HOME", str(tmp_path))
    with pytest.raises(AestheticsUnavailable, match="does not start with b0c77c00"):
        load_scorer(NIMA, files=[path])


def cnniqa_file(path: Path, bias: float) -> None:
    from pyiqa.archs.cnniqa_arch import CNNIQA

    torch.manual_seed(0)
    network = CNNIQA(pretrained=None)
    nn.init.constant_(network.fc3.bias, bias)
    torch.save({"params": network.state_dict()}, path)


def test_another_metric_of_pyiqa_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyiqa_metrics, "has_sha256", lambda path, digits: True)
    path = folder / CNNIQA_FILE
    pixels = textured_pixels(60, 80)
    scores = []
    for bias in (0.0, 5.0):
        cnniqa_file(path, bias)
        scorer = load_scorer("cnniqa")
        assert "cnniqa (pyiqa" in scorer.title
        scores.append(scorer.score(pixels))
    assert scores[1] == pytest.approx(scores[0] + 5.0, abs=1e-4)


def test_a_metric_without_its_file_names_it(folder: Path) -> None:
    with pytest.raises(AestheticsUnavailable, match=f"needs the file {CNNIQA_FILE}: fetch"):
        load_scorer("cnniqa")


def test_a_file_of_another_hash_is_refused(folder: Path) -> None:
    cnniqa_file(folder / CNNIQA_FILE, 0.0)
    with pytest.raises(AestheticsUnavailable, match="is damaged: its sha256 does not start with"):
        load_scorer("cnniqa")


@pytest.mark.parametrize("name", ["clipiqa", "arniqa", "unique"])
def test_a_metric_that_wants_more_than_files_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=rf"'{name}'; .* cannot be built from files alone"):
        load_scorer(name)


def test_a_file_that_asks_for_code_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyiqa_metrics, "has_sha256", lambda path, digits: True)
    torch.save({"params": Path("code")}, folder / CNNIQA_FILE)
    with pytest.raises(AestheticsUnavailable, match="holds more than tensors"):
        load_scorer("cnniqa")


def test_without_nima_the_embedded_score_is_used(folder: Path) -> None:
    assert preferred_metric() == BEAUTY
    scorer = load_scorer()
    assert scorer.title == "beauty (OASIS, 1-7)"
    assert 1.0 <= scorer.score(textured_pixels(90, 120)) <= 7.0


def test_a_sunlit_coast_is_more_beautiful_than_a_dump(shared: Path) -> None:
    from cvpire.images.reading import read_photo

    scorer = load_scorer(BEAUTY)
    nice, ugly = (
        scorer.score(read_photo(next((shared / "data/oasis").glob(name))).pixels)
        for name in ("Lake_*.jpg", "Pollution_*.jpg")
    )
    assert nice > ugly + 1.0


def test_without_weights_it_says_why_and_what_to_do(folder: Path) -> None:
    with pytest.raises(AestheticsUnavailable, match="weights download nima"):
        load_scorer(NIMA)


def test_without_a_network_a_download_says_why(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = dataclasses.replace(NIMA_WEIGHTS, urls=("http://127.0.0.1:9/nima.pth",))
    monkeypatch.setattr(aesthetics, "NIMA_WEIGHTS", nowhere)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(AestheticsUnavailable, match=r"127\.0\.0\.1"):
        load_scorer(NIMA, allow_download=True)
    assert not [path for path in folder.iterdir() if path.suffix == ".pth"]


def test_a_damaged_file_is_no_score(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / NIMA_WEIGHTS.filename
    torch.save({"params": {"classifier.2.bias": torch.zeros(10)}}, path)
    known_as(path, monkeypatch)
    with pytest.raises(AestheticsUnavailable, match="expected"):
        load_scorer(NIMA)


def test_an_unknown_metric_lists_the_known() -> None:
    with pytest.raises(ValueError, match=r"auto, beauty and those of pyiqa: .*nima"):
        load_scorer("prettiness")
