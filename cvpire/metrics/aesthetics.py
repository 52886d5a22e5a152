"""The aesthetic score of a photo: which metric gives it, and on which scale.

NIMA (Talebi and Milanfar 2018, doi:10.1109/TIP.2018.2831899), trained on AVA, gives 1 to 10 where
its 218 MB of weights are on this machine. Where they are not, the embedded `beauty` gives 1 to 7
(see `cvpire.metrics.beauty`). The two are never on one scale: a score always travels with its
title. Other no-reference metrics of pyiqa are had by their names and their files.

pyiqa takes seconds to import and is licensed PolyForm Noncommercial: it is imported only when one
of its metrics is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cvpire import data
from cvpire.errors import CvpireError, SettingsError, WeightsError
from cvpire.metrics.pyiqa_metrics import (
    NIMA_FILE,
    PUBLISHED_AT,
    build_metric,
    metric_names,
    metric_scale,
)
from cvpire.weights.download import DownloadProgress, download_weights
from cvpire.weights.store import FileState, WeightsFile, file_state, find_weights, weights_dir

AUTO = "auto"
NIMA = "nima"
BEAUTY = "beauty"
PIQE = "piqe"
TITLES = {
    NIMA: "NIMA (AVA, 1-10)",
    BEAUTY: "beauty (OASIS, 1-7)",
    PIQE: "PIQE (0-100, less is better)",
}

NIMA_WEIGHTS = WeightsFile(
    filename=NIMA_FILE,
    urls=(
        PUBLISHED_AT + NIMA_FILE,
        f"https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/{NIMA_FILE}",
    ),
    # The start of the file's sha256, as its name gives it; no more of it is published.
    sha256="b0c77c00",
    size=218_000_000,
)


class AestheticsUnavailable(CvpireError):  # noqa: N818 - a score that is not there
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

        Metrics bring a photo to their own size: NIMA looks at the centre of the photo with its
        shorter side at 299 pixels, beauty at the whole photo at 256x256.
        """
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255.0
        with torch.no_grad():
            return float(self.network(image))


def preferred_metric() -> str:
    """What "auto" means on this machine: NIMA where its weights are, else the embedded beauty."""
    return NIMA if find_weights(NIMA_WEIGHTS) is not None else BEAUTY


def weights_files() -> tuple[FileState, ...]:
    """The state of all files that a metric may be loaded from, for who keeps a loaded one."""
    folders = (weights_dir(), data.FOLDER)
    files = [path for folder in folders for path in sorted(folder.glob("*")) if path.is_file()]
    return tuple(map(file_state, files))


def expect_metric(metric: str) -> None:
    """Check a name before long work.

    Raises:
        SettingsError: for an unknown metric, listing the known ones.
    """
    if metric not in (AUTO, BEAUTY, *metric_names()):
        raise SettingsError(
            f"There is no metric {metric!r}; the known ones are {AUTO}, {BEAUTY} and those of "
            f"pyiqa: {', '.join(metric_names())} (others cannot be built from files alone)."
        )


def load_scorer(
    metric: str = AUTO,
    *,
    files: Sequence[Path] = (),
    allow_download: bool = False,
    progress: Callable[[DownloadProgress], None] | None = None,
) -> Scorer:
    """Load a metric.

    Args:
        metric: "auto", "beauty", or a no-reference metric of pyiqa that can be had from files.
        files: weights of a pyiqa metric, under the names that pyiqa's own copies have; those in
            the folder of downloaded weights are found without being named.
        allow_download: fetch NIMA's weights if they are not on this machine; other metrics' files
            are never fetched.
        progress: told of a download as it goes.

    Returns:
        The metric, ready to score.

    Raises:
        SettingsError: for an unknown metric.
        AestheticsUnavailable: if its weights are missing, damaged, or cannot be fetched.
    """
    expect_metric(metric)
    metric = preferred_metric() if metric == AUTO else metric
    found = {path.name: path for path in (*weights_dir().glob("*"), *files) if path.is_file()}
    try:
        if metric == BEAUTY:
            from cvpire.metrics.beauty import load_beauty

            return Scorer(TITLES[BEAUTY], load_beauty())
        if metric == NIMA and NIMA_FILE not in {path.name for path in files}:
            found[NIMA_FILE] = _find_nima(allow_download, progress)
        network = build_metric(metric, found)
    except WeightsError as error:
        raise AestheticsUnavailable(str(error)) from error
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyiqa":
            raise
        raise AestheticsUnavailable(
            "pyiqa is not installed: `pip install pyiqa` brings it."
        ) from error
    return Scorer(TITLES.get(metric) or f"{metric} (pyiqa: {metric_scale(metric)})", network)


def _find_nima(allow_download: bool, progress: Callable[[DownloadProgress], None] | None) -> Path:
    if path := find_weights(NIMA_WEIGHTS):
        return path
    if allow_download:
        # Two attempts: whoever waits for a photo would rather have it without a score.
        return download_weights(NIMA_WEIGHTS, progress=progress, attempts=2, timeout=10.0)
    raise WeightsError(
        f"the weights of {NIMA} ({NIMA_WEIGHTS.size / 1e6:.0f} MB) are not on this machine; "
        f"`python -m cvpire weights download {NIMA}` fetches them"
    )
