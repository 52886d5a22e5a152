"""Metrics of pyiqa: each that is offered, from files of the published ones' form."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from conftest import textured_pixels
from scipy.io import savemat
from torch import Tensor, nn

from cvpire.errors import SettingsError, WeightsError
from cvpire.images.tensors import to_image
from cvpire.metrics import pyiqa_metrics
from cvpire.metrics.pyiqa_metrics import build_metric, metric_names

LINEAR, BACKBONE = "LPIPS_v0.1_alex-df73285e.pth", "alexnet-owt-7be5be79.pth"
LINEAR_VGG, DISTS = "LPIPS_v0.1_vgg-a78928a0.pth", "DISTS_weights-f5e65c96.pth"
VGG = "vgg16-397923af.pth"
BRISQUE = "brisque_svm_weights.pth"

NETWORKS = {
    "cnniqa": "CNNIQA_koniq10k-e6f14c91.pth",
    "musiq": "musiq_koniq_ckpt-e95806b9.pth",
    "musiq-ava": "musiq_ava_ckpt-e8d3f067.pth",
    "musiq-paq2piq": "musiq_paq2piq_ckpt-364c0c84.pth",
    "musiq-spaq": "musiq_spaq_ckpt-358bb6af.pth",
    "nima": "NIMA_InceptionV2_ava-b0c77c00.pth",
    "nima-koniq": "NIMA_koniq-250367ae.pth",
    "nima-spaq": "NIMA-spaq-46a7fcb7.pth",
}
ARRAYS = ("niqe", "niqe_matlab", "ilniqe", "brisque")
OF_ONE_PHOTO = ("piqe", "entropy")
ON_BACKBONES = ("lpips", "lpips+", "lpips-vgg", "lpips-vgg+", "dists")
OF_TWO_PHOTOS = (
    "ssim", "ssimc", "ms_ssim", "cw_ssim", "psnr", "psnry", "fsim", "vif", "gmsd", "nlpd", "vsi",
    "mad",
)  # fmt: skip


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched; and names keep the published digits, which a test's file cannot have."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("something asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(pyiqa_metrics, "has_sha256", lambda path, digits: True)


def photo(seed: int = 0, side: int = 64) -> Tensor:
    return to_image(textured_pixels(side, side + 8, seed))


def score(name: str, files: dict[str, Path], *images: Tensor) -> float:
    metric = build_metric(name, files)
    with torch.no_grad():
        return float(metric(*images))


def bare_network(name: str) -> nn.Module:
    """The architecture by pyiqa's own class, whatever it begins with."""
    from pyiqa.archs.cnniqa_arch import CNNIQA
    from pyiqa.archs.musiq_arch import MUSIQ
    from test_aesthetics import nima_network

    torch.manual_seed(0)
    kind, _, training = name.partition("-")
    if kind == "nima":
        return nima_network(1 if training else 10)
    network: nn.Module = (
        CNNIQA(pretrained=None)
        if kind == "cnniqa"
        else MUSIQ(pretrained=False, num_class=10 if training == "ava" else 1)
    )
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_the_weights_of_their_file(name: str, tmp_path: Path) -> None:
    network = bare_network(name).eval()
    path = tmp_path / NETWORKS[name]
    # MUSIQ's files are plain, the others' have the weights within.
    state = network.state_dict()
    torch.save(state if name.startswith("musiq") else {"params": state}, path)
    with torch.no_grad():
        expected = float(network(photo()))
    assert score(name, {path.name: path}, photo()) == pytest.approx(expected, abs=1e-6)
    bias = next(key for key in reversed(state) if key.endswith("bias"))
    del state[bias]
    torch.save(state, path)
    with pytest.raises(WeightsError, match=rf"do not fit .*: expected {bias} of .*came nothing"):
        build_metric(name, {path.name: path})


def arrays_file(name: str, folder: Path) -> Path:
    """Statistics of the published form: means and covariances, or support vectors."""
    random = np.random.default_rng(0)
    if name == "brisque":
        path = folder / BRISQUE
        torch.save((torch.rand(5), torch.rand(5, 36)), path)
    elif name == "ilniqe":
        path = folder / "ILNIQE_templateModel.mat"
        mean, cov = random.random((1, 430)), np.eye(430)
        template = np.empty((1, 4), dtype=object)
        template[0] = [mean, cov, random.random((1, 468)), random.random((468, 430))]
        savemat(path, {"templateModel": template})
    else:
        path = folder / ("niqe_modelparameters.mat" if name == "niqe" else "niqe_matlab_params.mat")
        savemat(path, {"mu_prisparam": random.random((1, 36)), "cov_prisparam": np.eye(36)})
    return path


@pytest.mark.parametrize("name", ARRAYS)
def test_metrics_of_arrays_read_their_file(name: str, tmp_path: Path) -> None:
    path = arrays_file(name, tmp_path)
    metric = build_metric(name, {path.name: path})
    if name != "ilniqe":  # it takes 20 s a photo, whatever its size
        with torch.no_grad():
            assert np.isfinite(float(metric(photo(side=208))))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError, match=f"{path.name} is damaged or another file: fetch it"):
        build_metric(name, {path.name: path})


def test_arrays_that_ask_for_code_are_refused(tmp_path: Path) -> None:
    torch.save((Path("code"), torch.rand(5, 36)), tmp_path / BRISQUE)
    with pytest.raises(WeightsError, match="is damaged or another file"):
        build_metric("brisque", {BRISQUE: tmp_path / BRISQUE})


def test_formulas_of_one_photo() -> None:
    assert 0.0 < score("piqe", {}, photo()) <= 100.0
    assert score("entropy", {}, torch.full((1, 3, 64, 72), 0.5)) == pytest.approx(0.0, abs=1e-3)
    assert 7.0 < score("entropy", {}, photo()) <= 8.0


@pytest.mark.parametrize("name", OF_TWO_PHOTOS)
def test_formulas_of_two_photos(name: str) -> None:
    first, second = photo(0, 176), photo(1, 176)
    same, other = score(name, {}, first, first), score(name, {}, second, first)
    is_distance = name in ("gmsd", "nlpd", "mad")
    assert (same < other) if is_distance else (same > other)


def linear_layers(channels: tuple[int, ...]) -> dict[str, Tensor]:
    return {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(channels)}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """LPIPS in two files: its own holds the last layers only, torchvision's the network below."""
    from torchvision.models import alexnet

    torch.manual_seed(0)
    torch.save(linear_layers((64, 192, 384, 256, 256)), tmp_path / LINEAR)
    torch.save(alexnet(weights=None).state_dict(), tmp_path / BACKBONE)
    return {name: tmp_path / name for name in (LINEAR, BACKBONE)}


@pytest.fixture(scope="module")
def vgg_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same, with DISTS, on VGG-16."""
    from torchvision.models import vgg16

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vgg")
    torch.save(linear_layers((64, 128, 256, 512, 512)), folder / LINEAR_VGG)
    torch.save({key: torch.rand(1, 1475, 1, 1) for key in ("alpha", "beta")}, folder / DISTS)
    with torch.device("meta"):
        network = vgg16(weights=None)
    # Its last layers, 500 MB, look at nothing here: one number each.
    state: dict[str, Any] = {
        key: torch.randn(value.shape) * (2.0 / value[0].numel()) ** 0.5
        if key.startswith("features")
        else torch.zeros(1).expand(value.shape)
        for key, value in network.state_dict().items()
    }
    torch.save(state, folder / VGG)
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("name", ON_BACKBONES)
def test_networks_on_a_backbone_of_their_own_file(
    name: str, files: dict[str, Path], vgg_files: dict[str, Path]
) -> None:
    original, other = photo(0), photo(1)
    metric = build_metric(name, {**files, **vgg_files})
    with torch.no_grad():
        same, near, far = (
            float(metric(image, original))
            for image in (original, 0.9 * original + 0.1 * other, other)
        )
    assert same == pytest.approx(0.0, abs=1e-6)
    assert 0.0 < near < far


def test_lpips_has_the_weights_of_both_files(files: dict[str, Path]) -> None:
    original, other = photo(0), photo(1)
    far = score("lpips", files, other, original)
    # The weights of the file are what compares: twice as much, twice as far.
    linear = torch.load(files[LINEAR], weights_only=True)
    torch.save({name: 2.0 * value for name, value in linear.items()}, files[LINEAR])
    assert score("lpips", files, other, original) == pytest.approx(2.0 * far, rel=1e-4)
    below = torch.load(files[BACKBONE], weights_only=True)
    torch.save({**below, "features.0.weight": 0.0 * below["features.0.weight"]}, files[BACKBONE])
    assert score("lpips", files, other, original) != pytest.approx(2.0 * far, rel=0.1)


@pytest.mark.parametrize("name", [LINEAR, BACKBONE])
def test_no_part_of_it_is_left_at_random(files: dict[str, Path], name: str) -> None:
    others = {key: path for key, path in files.items() if key != name}
    with pytest.raises(WeightsError, match=f"needs the file {name}: fetch it from http"):
        build_metric("lpips", others)
    part = torch.load(files[name], weights_only=True)
    lost, _ = part.popitem()
    torch.save(part, files[name])
    with pytest.raises(WeightsError, match=f"from {name} do not fit .*: expected {lost} of shape"):
        build_metric("lpips", files)


def test_files_may_lie_under_other_names(files: dict[str, Path]) -> None:
    others = {name: path.rename(path.with_suffix(".bin")) for name, path in files.items()}
    assert score("lpips", others, photo(1), photo(0)) > 0.0


@pytest.mark.parametrize("name", [LINEAR, BACKBONE])
def test_files_that_ask_for_code_are_refused(files: dict[str, Path], name: str) -> None:
    torch.save({"code": Path("code")}, files[name])
    with pytest.raises(WeightsError, match="holds more than tensors"):
        build_metric("lpips", files)


def test_building_leaves_torch_as_it_was(files: dict[str, Path]) -> None:
    before = (torch.load, torch.jit.load, torch.hub.load, torch.hub.get_dir())
    build_metric("lpips", files)
    with pytest.raises(WeightsError):
        build_metric("lpips", {})
    assert (torch.load, torch.jit.load, torch.hub.load, torch.hub.get_dir()) == before


def test_all_that_are_offered_are_tested_here() -> None:
    assert set(metric_names()) == {*NETWORKS, *ARRAYS, *OF_ONE_PHOTO}
    assert set(metric_names(full_reference=True)) == {*ON_BACKBONES, *OF_TWO_PHOTOS}


def test_what_pyiqa_says_of_them_is_so() -> None:
    from pyiqa.default_model_configs import DEFAULT_CONFIGS

    assert {DEFAULT_CONFIGS[name]["metric_mode"] for name in metric_names()} == {"NR"}
    both = {DEFAULT_CONFIGS[name]["metric_mode"] for name in metric_names(full_reference=True)}
    assert both == {"FR"}


@pytest.mark.parametrize("name", ["prettiness", "clipiqa", "arniqa", "unique"])
def test_others_are_refused_with_those_that_are_offered(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"'{name}' is none of .* files alone: nima, .*dists"):
        build_metric(name, {})
