"""What the tests of many photos share: the command's call, its lines, and photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import MeanColorNetwork, mean_color_spec, textured_pixels

from cvpire.classifiers import registry as classifiers
from cvpire.cli import main as command
from cvpire.images.photo import Photo, encode_png

GOOD = encode_png(Photo(textured_pixels(48, 48)))


@pytest.fixture
def small_classifier(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = tmp_path / "mean-color.pth"
    torch.save(MeanColorNetwork().state_dict(), weights)
    spec = mean_color_spec(weights=weights)
    monkeypatch.setattr(classifiers, "CLASSIFIERS", {spec.name: spec})


class Done:
    """What one command printed and wrote."""

    def __init__(self, code: int, printed: Any, out: Path) -> None:
        self.code, self.err, self.out = code, printed.err, out
        self.lines = printed.out.splitlines()

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.out.iterdir()} if self.out.is_dir() else set()


Runner = Callable[..., Done]


@pytest.fixture
def run(small_classifier: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Runner:
    def run_command(*words: object, out: Path = tmp_path / "out") -> Done:
        common = ("--run", "Top1-noL1", "--classifier", "mean-color", "--view", "native")
        code = command.main([*map(str, words), "-o", str(out), *common])
        return Done(code, capsys.readouterr(), out)

    return run_command


def photos(folder: Path, *names: str) -> list[Path]:
    """Good photos of these names, each in a folder of its own if they are the same."""
    paths = []
    for number, name in enumerate(names):
        path = folder / f"in-{number}" / name
        path.parent.mkdir()
        path.write_bytes(GOOD)
        paths.append(path)
    return paths
