"""What the tests of the command share: a small classifier, a photo, and the command's call."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import MeanColorNetwork, mean_color_spec, textured_pixels

from cvpire.classifiers import registry as classifiers
from cvpire.cli import main as command
from cvpire.images.photo import Photo, encode_png


@pytest.fixture(autouse=True)
def only_a_small_classifier(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = tmp_path / "mean-color.pth"
    torch.save(MeanColorNetwork().state_dict(), weights)
    spec = mean_color_spec(weights=weights)
    monkeypatch.setattr(classifiers, "CLASSIFIERS", {spec.name: spec})
    monkeypatch.setenv("CVPIRE_HOME", str(tmp_path / "home"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(encode_png(Photo(textured_pixels())))
    return path


def run(*arguments: object) -> int:
    return command.main([*map(str, arguments), "--classifier", "mean-color", "--view", "native"])


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()
