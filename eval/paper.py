"""Table 1 of the paper, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

# The row of the clean photos, in the paper's table and in ours.
ORIGINAL = "Original"


class PaperRow(NamedTuple):
    """One row: accuracies as shares, the aesthetic score (1-10), SSIM."""

    top1: float
    top5: float
    aesthetics: float
    ssim: float


PAPER_TABLE1: Mapping[str, PaperRow] = {
    ORIGINAL: PaperRow(1.00, 1.00, 4.64, 1.00),
    "Top1-L1": PaperRow(0.00, 0.99, 4.63, 0.9994),
    "Top1-L1-50": PaperRow(0.00, 0.93, 4.62, 0.9992),
    "Top1-noL1": PaperRow(0.00, 0.52, 4.61, 0.9975),
    "Top5-L1": PaperRow(0.00, 0.00, 4.65, 0.9614),
    "Top5-noL1": PaperRow(0.00, 0.00, 4.81, 0.8955),
}
"""Sweere, Liu, Larson, MediaEval 2019: 600 photos of Places365, ResNet-50."""

PAPER_NOTE = (
    "The paper's figures are for ResNet-50 (Places365) on 600 photos. Its aesthetics come from "
    "another NIMA implementation (Keras), on a scale of its own: compare them within their column "
    "only."
)
