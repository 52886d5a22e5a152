"""The aesthetic score of a photo, by a no-reference metric of pyiqa.

NIMA (Talebi and Milanfar 2018, doi:10.1109/TIP.2018.2831899), trained on AVA, gives 1 to 10. The
metric is pyiqa's; its weights are fetched and read here, because pyiqa would also download a
backbone that NIMA's own file makes superfluous, and would unpickle whatever the host sends.
pyiqa takes seconds to import and is licensed PolyForm Noncommercial: it is imported only when a
scorer is asked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cvpire.checkpoints import load_strictly, read_state_dict
from cvpire.weights import (
    DownloadProgress,
    WeightsError,
    WeightsFile,
    download_weights,
    find_weights,
)

_NIMA_FILE = "NIMA_InceptionV2_ava-b0c77c00.pth"

NIMA_WEIGHTS = WeightsFile(
    filename=_NIMA_FILE,
    urls=(
        f"https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main/{_NIMA_FILE}",
        f"https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/{_NIMA_FILE}",
    ),
    # The start of the file's sha256, as its name gives it; no more of it is published.
    sha256="b0c77c00",
    size=218_000_000,
)


class AestheticsUnavailable(RuntimeError):  # noqa: N818 - not an error: a score that is not there
    """There is no aesthetic score on this machine; the message says why, in one sentence."""


@dataclass(frozen=True, eq=False)
class Scorer:
    """A loaded no-reference metric.

    Attributes:
        title: what is measured, with its scale, for table heads.
        network: images (1, 3, H, W) in [0, 1] to one score.
    """

    title: str
    network: nn.Module

    def score(self, pixels: NDArray[np.uint8]) -> float:
        """The score of a photo's pixels, (H, W, 3) uint8, sRGB.

        NIMA itself shrinks a photo's shorter side to 299 pixels and looks at the centre.
        """
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255.0
        with torch.no_grad():
            return float(self.network(image))


@dataclass(frozen=True)
class _Metric:
    title: str
    weights: WeightsFile
    build: Callable[[], nn.Module]


def is_ready(metric: str = "nima") -> bool:
    """Whether a metric's weights are on this machine.

    Raises:
        ValueError: for an unknown metric.
    """
    return find_weights(_find(metric).weights) is not None


def load_scorer(
    metric: str = "nima",
    *,
    allow_download: bool = False,
    progress: Callable[[DownloadProgress], None] | None = None,
) -> Scorer:
    """Load a metric.

    Args:
        metric: "nima".
        allow_download: fetch the weights if they are not on this machine.
        progress: told of a download as it goes.

    Returns:
        The metric, ready to score.

    Raises:
        ValueError: for an unknown metric.
        AestheticsUnavailable: if its weights are missing, damaged, or cannot be fetched.
    """
    found = _find(metric)
    try:
        path = find_weights(found.weights)
        if path is None and allow_download:
            # Two attempts: whoever waits for a photo would rather have it without a score.
            path = download_weights(found.weights, progress=progress, attempts=2, timeout=10.0)
        if path is None:
            raise AestheticsUnavailable(
                f"the weights of {metric} ({found.weights.size / 1e6:.0f} MB) are not on this "
                f"machine; `python -m cvpire weights download {metric}` fetches them"
            )
        network = found.build()
        load_strictly(network, read_state_dict(path), source=path.name)
    except WeightsError as error:
        raise AestheticsUnavailable(str(error)) from error
    return Scorer(found.title, network.eval().requires_grad_(False))


def _find(metric: str) -> _Metric:
    if metric not in _METRICS:
        raise ValueError(
            f"There is no metric {metric!r}; the known ones are {', '.join(_METRICS)}."
        )
    return _METRICS[metric]


def _build_nima() -> nn.Module:
    from pyiqa.archs import nima_arch

    with _without_pretrained_backbone(nima_arch):
        network: nn.Module = nima_arch.NIMA(
            base_model_name="inception_resnet_v2", num_classes=10, pretrained=False
        )
    return network


@contextlib.contextmanager
def _without_pretrained_backbone(module: object) -> Iterator[None]:
    """Let a pyiqa module build its timm backbone with random weights.

    NIMA asks timm for pretrained ones, 200 MB that its own weights replace a moment later.
    """
    timm = module.timm  # type: ignore[attr-defined]  # pyiqa has no types

    class OfflineTimm:
        @staticmethod
        def create_model(*args: object, pretrained: bool, **options: object) -> nn.Module:
            model: nn.Module = timm.create_model(*args, pretrained=False, **options)
            return model

    module.timm = OfflineTimm  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.timm = timm  # type: ignore[attr-defined]


_METRICS = {"nima": _Metric("NIMA (AVA, 1-10)", NIMA_WEIGHTS, _build_nima)}
