"""Metrics of pyiqa, built from files on this machine and from nothing else.

pyiqa fetches what a metric asks for while it is built, and unpickles it without protection. So its
networks are made without weights here, and get those of a file that `cvpire.weights.checkpoints`
has read. Metrics that cannot be had so are not offered. pyiqa takes seconds to import: it is
imported only when a metric is built.
"""

from __future__ import annotations

import io
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor, nn

from cvpire.errors import SettingsError, WeightsError
from cvpire.weights.checkpoints import load_strictly, read_state_dict
from cvpire.weights.store import has_sha256

# Where pyiqa fetches its files.
PUBLISHED_AT = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main/"

NIMA_FILE = "NIMA_InceptionV2_ava-b0c77c00.pth"

# Such files carry the first eight digits of their sha256 in their names.
_NAMED_HASH = re.compile(r"-([0-9a-f]{8})\.\w+$")

# torch.hub's folder belongs to the whole process.
_HUB = threading.Lock()

# Files by their published names.
_Files = Mapping[str, Path]
_Builder = Callable[[str, _Files], nn.Module]


def metric_names(*, full_reference: bool = False) -> tuple[str, ...]:
    """The metrics of pyiqa that are offered: those of one photo, or those that compare two."""
    return tuple(_OF_TWO_PHOTOS if full_reference else _OF_ONE_PHOTO)


def metric_scale(name: str) -> str:
    """A metric's range in pyiqa's words, "0, 10; lower is better"."""
    from pyiqa.default_model_configs import DEFAULT_CONFIGS

    config = DEFAULT_CONFIGS[name]
    order = "lower" if config.get("lower_better") else "higher"
    return f"{config.get('score_range', 'range unknown')}; {order} is better"


def build_metric(name: str, files: Mapping[str, Path]) -> nn.Module:
    """A metric with the weights of its files: images (1, 3, H, W) in [0, 1] to a score; one that
    compares takes the changed image and the original.

    Args:
        name: of `metric_names()`, of either kind.
        files: by the name that pyiqa's own copy has.

    Raises:
        SettingsError: for a name that is not offered, listing those that are.
        WeightsError: if a file is missing, damaged or does not fit.
    """
    builders = {**_OF_ONE_PHOTO, **_OF_TWO_PHOTOS}
    if name not in builders:
        raise SettingsError(
            f"{name!r} is none of the metrics of pyiqa that can be built from files alone: "
            f"{', '.join(builders)}."
        )
    return builders[name](name, files).eval().requires_grad_(False)


def _make(name: str, **options: object) -> nn.Module:
    """pyiqa's metric of this name, whose network is its `net`."""
    from pyiqa.models.inference_model import InferenceModel

    metric: nn.Module = InferenceModel(name, device=torch.device("cpu"), **options)
    return metric


def _formula(name: str, files: _Files) -> nn.Module:
    """A metric without a file."""
    return _make(name)


def _network(filename: str, options: Callable[[], dict[str, object]] = dict) -> _Builder:
    """A network whose weights are all in one file; `options` are of its constructor."""

    def build(name: str, files: _Files) -> nn.Module:
        path = _find(name, PUBLISHED_AT + filename, files)
        metric = _make(name, pretrained=None, **options())
        load_strictly(metric.get_submodule("net"), read_state_dict(path), source=path.name)
        return metric

    return build


@cache
def _bare_inception() -> dict[str, object]:
    """NIMA asks timm for its backbone with weights: by this name it gets one without."""
    import timm

    def bare_inception_resnet_v2(*, pretrained: bool, **options: Any) -> nn.Module:
        return timm.create_model("inception_resnet_v2", pretrained=False, **options)

    timm.models.register_model(bare_inception_resnet_v2)
    return {"base_model_name": bare_inception_resnet_v2.__name__}


def _on_backbone(filename: str, backbone: str, prefix: str) -> _Builder:
    """A network with a file of its own, above one of torchvision, whose weights' names get a
    prefix."""

    def build(name: str, files: _Files) -> nn.Module:
        from torchvision import models

        path = _find(name, PUBLISHED_AT + filename, files)
        url = models.get_model_weights(backbone)["IMAGENET1K_V1"].url
        below_path = _find(name, url, files)
        below = read_state_dict(below_path)
        load_strictly(models.get_model(backbone), below, source=below_path.name)  # does it fit?
        with _found_by_torchvision(below, PurePosixPath(url).name):
            metric = _make(name, pretrained=None)
        network = metric.get_submodule("net")
        # Of the parameters above none may stay at random; constants need not be in the file.
        above = {key for key, _ in network.named_parameters() if not key.startswith(prefix)}
        rest = {key: value for key, value in network.state_dict().items() if key not in above}
        load_strictly(network, {**rest, **read_state_dict(path)}, source=path.name)
        return metric

    return build


@contextmanager
def _found_by_torchvision(state: Mapping[str, Tensor], filename: str) -> Iterator[None]:
    """Put weights where torchvision looks for a file before it would fetch it.

    They are written anew, for torchvision unpickles whatever lies there.
    """
    with _HUB, tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "checkpoints").mkdir()
        torch.save(state, Path(folder) / "checkpoints" / filename)
        usual = torch.hub.get_dir()
        torch.hub.set_dir(folder)
        try:
            yield
        finally:
            torch.hub.set_dir(usual)


def _arrays(filename: str, prepare: Callable[[Path], object] = str) -> _Builder:
    """A metric that reads a file of arrays by itself, from what `prepare` makes of the path."""

    def build(name: str, files: _Files) -> nn.Module:
        path = _find(name, PUBLISHED_AT + filename, files)
        try:
            return _make(name, pretrained_model_path=prepare(path))
        except Exception as error:  # every damaged byte has an exception of its own
            raise WeightsError(
                f"{path.name} is damaged or another file: fetch it again from "
                f"{PUBLISHED_AT}{filename}."
            ) from error

    return build


def _tensors_alone(path: Path) -> io.BytesIO:
    """The file's tensors written anew, for pyiqa unpickles whatever it is given."""
    copy = io.BytesIO()
    torch.save(torch.load(path, map_location="cpu", weights_only=True), copy)
    copy.seek(0)
    return copy


def _find(name: str, url: str, files: _Files) -> Path:
    """The file of that url, whole as far as its name tells."""
    filename = PurePosixPath(url).name
    path = files.get(filename)
    if path is None:
        raise WeightsError(
            f"pyiqa's {name} needs the file {filename}: fetch it from {url} and put it into the "
            "folder of weights, or name its path."
        )
    named_hash = _NAMED_HASH.search(filename)
    if named_hash is not None and not has_sha256(path, named_hash[1]):
        raise WeightsError(
            f"{path.name} is damaged: its sha256 does not start with {named_hash[1]}. Fetch it "
            f"again from {url}."
        )
    return path


_OF_ONE_PHOTO: Mapping[str, _Builder] = {
    "nima": _network(NIMA_FILE, _bare_inception),
    "nima-koniq": _network("NIMA_koniq-250367ae.pth", _bare_inception),
    "nima-spaq": _network("NIMA-spaq-46a7fcb7.pth", _bare_inception),
    "musiq": _network("musiq_koniq_ckpt-e95806b9.pth"),
    "musiq-ava": _network("musiq_ava_ckpt-e8d3f067.pth", lambda: {"num_class": 10}),
    "musiq-paq2piq": _network("musiq_paq2piq_ckpt-364c0c84.pth"),
    "musiq-spaq": _network("musiq_spaq_ckpt-358bb6af.pth"),
    "cnniqa": _network("CNNIQA_koniq10k-e6f14c91.pth"),
    "niqe": _arrays("niqe_modelparameters.mat"),
    "niqe_matlab": _arrays("niqe_matlab_params.mat"),
    "ilniqe": _arrays("ILNIQE_templateModel.mat"),
    "brisque": _arrays("brisque_svm_weights.pth", _tensors_alone),
    "piqe": _formula,
    "entropy": _formula,
}

_OF_TWO_PHOTOS: Mapping[str, _Builder] = {
    "lpips": _on_backbone("LPIPS_v0.1_alex-df73285e.pth", "alexnet", "net."),
    "lpips+": _on_backbone("LPIPS_v0.1_alex-df73285e.pth", "alexnet", "net."),
    "lpips-vgg": _on_backbone("LPIPS_v0.1_vgg-a78928a0.pth", "vgg16", "net."),
    "lpips-vgg+": _on_backbone("LPIPS_v0.1_vgg-a78928a0.pth", "vgg16", "net."),
    "dists": _on_backbone("DISTS_weights-f5e65c96.pth", "vgg16", "stage"),
    **dict.fromkeys(("ssim", "ssimc", "ms_ssim", "cw_ssim", "fsim", "gmsd", "vsi"), _formula),
    **dict.fromkeys(("psnr", "psnry", "vif", "nlpd", "mad"), _formula),
}
