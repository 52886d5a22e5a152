"""Models of a person's eye that nothing here is made for: SSIMULACRA2 and ColorVideoVDP's JOD.

Both judge the evaluation only; the product knows neither. Photos are 8-bit pixels (H, W, 3), sRGB.
A photo that is too small for a yardstick has NaN. FLIP and the colour differences stand in
`cvpire.metrics.difference`.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from PIL import Image

from cvpire.metrics.difference import Pixels


@dataclass(frozen=True, eq=False)
class Yardstick:
    """One model of the eye.

    Attributes:
        name: in tables and records.
        package: that computes it, by its name on PyPI.
        min_side: a photo with a smaller side has no value.
        compute: the original's pixels and the changed ones to the value.
        meaning: how to read its values, for a caption.
    """

    name: str
    package: str
    min_side: int
    compute: Callable[[Pixels, Pixels], float]
    meaning: str

    @property
    def version(self) -> str | None:
        """Of the installed package; None where there is none."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None

    def measure(self, original: Pixels, changed: Pixels) -> float:
        """Its value for a change; NaN where a side of the photo is below `min_side`.

        Args:
            original: (H, W, 3) uint8, sRGB.
            changed: (H, W, 3) uint8, sRGB.

        Raises:
            ValueError: if the shapes do not agree.
        """
        if original.shape != changed.shape:
            raise ValueError(
                f"expected photos of one size, got {original.shape} and {changed.shape}: compare "
                "a photo with its own changed version"
            )
        if min(original.shape[:2]) < self.min_side:
            return float("nan")
        return self.compute(original, changed)


def _ssimulacra2(original: Pixels, changed: Pixels) -> float:
    """By the package, which reads its two photos from files."""
    from ssimulacra2 import compute_ssimulacra2

    return float(compute_ssimulacra2(_as_file(original), _as_file(changed)))


def _as_file(pixels: Pixels) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PPM")
    file.seek(0)
    return file


def _jod(original: Pixels, changed: Pixels) -> float:
    with _JOD_LOCK:
        quality, _ = _color_video_vdp().predict(changed, original, dim_order="HWC")
    return float(quality)


# The model keeps what it computed for the last photo's size: one photo at a time.
_JOD_LOCK = threading.Lock()


@cache
def _color_video_vdp() -> Any:
    from pycvvdp import cvvdp

    return cvvdp(display_name="standard_fhd", device=torch.device("cpu"), quiet=True)


SSIMULACRA2 = Yardstick(
    "SSIMULACRA2",
    "ssimulacra2",
    8,
    _ssimulacra2,
    "100 is the same, 90 cannot be told apart, 70 is good, 50 medium",
)
"""Sneyers 2022. Below 225 pixels a side, it compares fewer than its six scales."""

JOD = Yardstick(
    "JOD",
    "cvvdp",
    2,
    _jod,
    "10 is the same, above 9.8 hardly anyone sees it, at 9 most do",
)
"""ColorVideoVDP, Mantiuk et al. 2024 (doi:10.1145/3658144), on a standard full HD screen."""

YARDSTICKS = (SSIMULACRA2, JOD)

# The value of each yardstick that was asked, by its name; NaN where the photo is too small.
Looks = Mapping[str, float]


def installed_yardsticks() -> tuple[Yardstick, ...]:
    """Those whose package is there."""
    return tuple(one for one in YARDSTICKS if one.version is not None)


def measure_pair(
    original: Pixels, changed: Pixels, yardsticks: Sequence[Yardstick] | None = None
) -> Looks:
    """What the yardsticks say of a change.

    Args:
        original: (H, W, 3) uint8, sRGB.
        changed: (H, W, 3) uint8, sRGB.
        yardsticks: to ask; None for those that are installed.

    Raises:
        ValueError: if the shapes do not agree.
    """
    asked = installed_yardsticks() if yardsticks is None else yardsticks
    return {one.name: one.measure(original, changed) for one in asked}
