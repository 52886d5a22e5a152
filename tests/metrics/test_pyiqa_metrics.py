"""Metrics of pyiqa that compare two photos, from files of the published ones' form."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import textured_pixels

from cvpire.errors import WeightsError
from cvpire.images.tensors import to_image
from cvpire.metrics import pyiqa_metrics
from cvpire.metrics.pyiqa_metrics import build_metric, metric_names

LINEAR, BACKBONE = "LPIPS_v0.1_alex-df73285e.pth", "alexnet-owt-7be5be79.pth"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """LPIPS in two files: its own holds the last layers only, torchvision's the network below."""
    from torchvision.models import alexnet

    torch.manual_seed(0)
    channels = (64, 192, 384, 256, 256)
    linear = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(channels)}
    torch.save(linear, tmp_path / LINEAR)
    torch.save(alexnet(weights=None).state_dict(), tmp_path / BACKBONE)
    # The names keep the published digits, which the test's files cannot have.
    monkeypatch.setattr(pyiqa_metrics, "has_sha256", lambda path, digits: True)
    return {name: tmp_path / name for name in (LINEAR, BACKBONE)}


def test_lpips_from_its_two_files(files: dict[str, Path]) -> None:
    photo, other = (to_image(textured_pixels(64, 72, seed)) for seed in (0, 1))
    metric = build_metric("lpips", files)
    with torch.no_grad():
        same, near, far = (
            float(metric(image, photo)) for image in (photo, 0.9 * photo + 0.1 * other, other)
        )
    assert same == pytest.approx(0.0, abs=1e-6)
    assert 0.0 < near < far
    # The weights of the file are what compares: twice as much, twice as far.
    linear = torch.load(files[LINEAR], weights_only=True)
    torch.save({name: 2.0 * value for name, value in linear.items()}, files[LINEAR])
    with torch.no_grad():
        twice = float(build_metric("lpips", files)(other, photo))
    assert twice == pytest.approx(2.0 * far, rel=1e-4)


@pytest.mark.parametrize("name", [LINEAR, BACKBONE])
def test_no_part_of_it_is_left_at_random(files: dict[str, Path], name: str) -> None:
    others = {key: path for key, path in files.items() if key != name}
    with pytest.raises(WeightsError, match=f"needs the file {name}"):
        build_metric("lpips", others)
    part = torch.load(files[name], weights_only=True)
    part.popitem()
    torch.save(part, files[name])
    with pytest.raises(WeightsError, match=r"takes weights from elsewhere|Missing key"):
        build_metric("lpips", files)


def test_one_photo_s_metrics_and_two_photos_are_told_apart() -> None:
    both = set(metric_names()), set(metric_names(full_reference=True))
    assert {"nima", "cnniqa"} <= both[0]
    assert {"lpips", "dists"} <= both[1]
    with pytest.raises(ValueError, match="pyiqa has no metric 'prettiness'; it has "):
        build_metric("prettiness", {})
