"""The sweep over a run's settings: what it counts, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import MeanColorNetwork, mean_color_spec, textured_pixels

from cvpire.classifiers import registry as classifiers
from cvpire.images.photo import Photo, encode_png
from eval.__main__ import main


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    weights = tmp_path / "mean-color.pth"
    torch.save(MeanColorNetwork().state_dict(), weights)
    spec = mean_color_spec(weights=weights)
    monkeypatch.setattr(classifiers, "CLASSIFIERS", {spec.name: spec})
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(3):
        size = 32 + 8 * (seed % 2)
        photo = Photo(textured_pixels(size, size, seed))
        (folder / f"{seed}.png").write_bytes(encode_png(photo))
    return folder


def sweep(images: Path, *arguments: str) -> int:
    settings = ["--l1-weights", "0", "--learning-rates", "2", "--max-steps", "30"]
    known = ["--images", str(images), "--classifier", "mean-color", "--run", "Top1-noL1"]
    return main(["sweep", *known, *settings, *arguments])


def test_a_line_for_each_point_of_the_grid(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(images, "--magnitudes", "1.5,48") == 0
    text = capsys.readouterr().out
    head, _, weak, strong = text.splitlines()
    assert weak.startswith("| 1.5 | 0 | 2 | 0/3 | ")
    assert weak.endswith("| 30.0 | 30 |")
    assert strong.startswith("| 48 | 0 | 2 | 3/3 | ")
    assert not strong.endswith("| 30 |")
    names, *cells = ([cell.strip() for cell in line.split("|")] for line in (head, weak, strong))
    first, second = (dict(zip(names, row, strict=True)) for row in cells)
    for name in ("JOD", "SSIMULACRA2 (least)"):
        assert float(second[name].split()[0]) < float(first[name].split()[0]) <= 100.0
    for name in ("dE00 p99.9", "dE00 blurred", "FLIP p99"):
        assert 0.0 < float(first[name]) < float(second[name])


def test_every_second_image(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(images, "--magnitudes", "48", "--every", "2") == 0
    assert "| 2/2 |" in capsys.readouterr().out


def test_of_a_run_of_our_own_the_magnitude_is_tried(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = ["sweep", "--images", str(images), "--classifier", "mean-color", "--run", "Top1-min"]
    assert main([*known, "--magnitudes", "1.5,48"]) == 0
    weak, strong = capsys.readouterr().out.splitlines()[2:]
    assert weak.startswith("| 1.5 | - | - | 0/3 | ")
    assert strong.startswith("| 48 | - | - | 3/3 | ")
    # What has been changed more is seen more.
    faint, seen = (float(line.split(" | ")[6]) for line in (weak, strong))
    assert 0.0 <= faint < seen

    assert main([*known, "--magnitudes", "48", "--l1-weights", "2"]) == 2
    assert "only its magnitude can be tried" in capsys.readouterr().err


def test_the_settings_that_are_not_given_are_the_run_s_own(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = ["sweep", "--images", str(images), "--classifier", "mean-color", "--run", "Top1-noL1"]
    assert main([*known, "--magnitudes", "48", "--max-steps", "2"]) == 0
    (line,) = capsys.readouterr().out.splitlines()[2:]
    assert line.startswith("| 48 | 0 | 0.25 | ")


def test_what_cannot_be_swept(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(images, "--magnitudes", "300") == 2
    assert "magnitude in [0, 1]" in capsys.readouterr().err
    (images / "bad.png").write_bytes(b"")
    assert sweep(images, "--magnitudes", "48") == 1
    assert "bad.png is empty" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        sweep(images, "--magnitudes", "much")
    assert "expected numbers" in capsys.readouterr().err
