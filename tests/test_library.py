"""`cvpire` as a library: its public names, its metadata, and what others register."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from conftest import MeanColorNetwork, textured_pixels
from packaging.requirements import Requirement
from torch import nn

import cvpire
from cvpire import (
    CLASSIFIERS,
    PhotoError,
    SettingsError,
    load_classifier,
    protect,
    read_photo,
    register_classifier,
)
from cvpire.classifiers.registry import shared_classifier
from cvpire.images.formats import FileFormat
from cvpire.images.photo import Photo, encode_png

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

COLORS = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "labels": [f"class {n}" for n in range(12)]}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("cvpire.classifiers.registry.CLASSIFIERS", dict(CLASSIFIERS))
    torch.manual_seed(0)
    network = MeanColorNetwork()
    register_classifier("colors", network, view="native", **COLORS)  # type: ignore[arg-type]
    return "colors"


def test_every_public_name_is_there_and_stands_for_itself() -> None:
    for name in cvpire.__all__:
        assert getattr(cvpire, name) is not None
    assert set(cvpire.__all__) <= set(dir(cvpire))
    with pytest.raises(AttributeError, match="No cvpire attribute protekt"):
        _ = cvpire.protekt  # type: ignore[attr-defined]


def test_every_public_name_has_an_example() -> None:
    data = {"CLASSIFIERS", "RUNS", "__version__"}
    for name in set(cvpire.__all__) - data:
        assert ">>> " in (getattr(cvpire, name).__doc__ or ""), name


def test_the_list_of_public_names_is_installed_with_the_package() -> None:
    """Programs and type checkers read the same one."""
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert "__init__.pyi" in packaged["package-data"]["cvpire"]
    assert {"protect", "Photo", "RUNS"} < set(cvpire.__all__)


def test_the_package_alone_is_imported_at_once() -> None:
    code = "import sys, cvpire; print(sorted({'torch', 'numpy', 'PIL'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_what_the_package_asks_for_is_what_is_tested() -> None:
    """Each requirement of the package is met by the version that requirements.txt pins."""
    pinned = {}
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line and not line.startswith(("#", "-")):
            name, _, version = line.partition(";")[0].strip().partition("==")
            pinned[name.lower()] = version
    extras = PROJECT["optional-dependencies"]
    asked = [
        *PROJECT["dependencies"],
        *extras["aesthetics"],
        *extras["imagenet"],
        extras["page"][0],
    ]
    requirements = [Requirement(text) for text in asked]
    assert {requirement.name.lower() for requirement in requirements} == set(pinned)
    for requirement in requirements:
        assert pinned[requirement.name.lower()] in requirement.specifier


def test_a_path_and_names_are_enough(registered: str, tmp_path: Path) -> None:
    path = tmp_path / "in.png"
    path.write_bytes(encode_png(Photo(textured_pixels())))
    result = protect(path, registered, "Top1-min")
    result.save(tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes() == result.data
    assert (read_photo(tmp_path / "out.png").pixels == result.photo.pixels).all()


def test_a_jpeg_stays_one(registered: str, tmp_path: Path) -> None:
    path = tmp_path / "in.jpeg"
    path.write_bytes(FileFormat("JPEG", 95).encode(Photo(textured_pixels())))
    result = protect(str(path), registered, "Top1-min")
    assert result.file_format == FileFormat("JPEG", 90)
    with pytest.raises(PhotoError, match=r"expected a name that ends in \.jpg"):
        result.save(tmp_path / "out.png")
    result.save(tmp_path / "out.JPEG")
    assert (tmp_path / "out.JPEG").read_bytes() == result.data


def test_what_is_not_protected_is_not_saved(registered: str, tmp_path: Path) -> None:
    flat = textured_pixels()
    flat[:] = 128
    result = protect(Photo(flat), registered, "Top1-min")
    assert not result.report.verdict.is_success
    with pytest.raises(PhotoError, match=r"Nothing was written to out\.png"):
        result.save(tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_a_registered_network_is_copied_and_left_as_it_was(registered: str) -> None:
    last = nn.Linear(3, 12)
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)
    state, before = torch.get_rng_state(), last.bias[0].item()
    spec = register_classifier("linear", network, **COLORS)  # type: ignore[arg-type]
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training and all(
        p.requires_grad and p.grad is None for p in network.parameters()
    )
    with torch.no_grad():
        last.bias.add_(1.0)
    classifier = load_classifier("linear")
    assert not classifier.training
    assert not any(parameter.requires_grad for parameter in classifier.parameters())
    assert dict(classifier.named_parameters())["network.2.bias"][0].item() == before
    later = register_classifier("later", network, **COLORS)  # type: ignore[arg-type]
    assert spec.weights.sha256 != later.weights.sha256
    assert shared_classifier("linear") is shared_classifier("linear"), "copied once"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "scenes"}, "another name than one of our own"),
        ({"name": "auto"}, "another name than one of our own"),
        ({"view": "upright"}, "expected a view of"),
        ({"std": (1.0, 0.0, 1.0)}, "std above 0"),
        ({"mean": (0.5,)}, "of three channels"),
        ({"network": nn.Identity()}, r"got \(1, 3, 256, 256\)"),
        ({"labels": ["a", "b"]}, r"expected logits of shape \(1, 2\)"),
    ],
)
def test_what_cannot_be_registered(changed: dict[str, object], words: str) -> None:
    settings = {"name": "other", "network": MeanColorNetwork(), **COLORS, **changed}
    with pytest.raises(SettingsError, match=words):
        register_classifier(**settings)  # type: ignore[arg-type]
    assert "other" not in CLASSIFIERS
