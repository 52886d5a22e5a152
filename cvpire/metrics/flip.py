"""FLIP: what people see when they flip between two pictures on a screen.

FLIP (Andersson et al. 2020, doi:10.1145/3406183) filters both pictures by the eye's contrast
sensitivity and compares colours, edges and points. Its authors' package computes it, at its default
of 67 pixels a degree: a screen of 3840 x 2160 pixels, 0.7 m wide, from 0.7 m away. Nobody publishes
the package for Linux on Arm: there FLIP is unavailable, and everything else works.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvpire.metrics.bands import spans, widened
from cvpire.watch import UNWATCHED, Watch

# Its filters reach so far around a pixel: the widest is that of blue and yellow, three standard
# deviations of 3.02 pixels, rounded up (the package's `FLIP.h`; its edges and points reach 9).
RADIUS = 10

# A tile's height and width. The package holds the interpreter's lock while it works, half a second
# for a tile; smaller ones would spend more on what they overlap.
_SIDE = 512

# Where it is missing, this stands in its place.
NO_FLIP = (
    "FLIP is unavailable: the package flip-evaluator cannot be imported (there is none for Linux "
    "on Arm)."
)


def has_flip() -> bool:
    """Whether the package is here."""
    try:
        _package()
    except ImportError:
        return False
    return True


def flip_map(
    original: NDArray[np.uint8],
    changed: NDArray[np.uint8],
    watch: Watch = UNWATCHED,
) -> NDArray[np.float32]:
    """How visible the difference of each pixel is to who flips between two photos.

    Tiles are measured in turn, and give what one piece would. The package uses OpenMP's threads.

    Args:
        original: (H, W, 3) uint8, sRGB.
        changed: (H, W, 3) uint8, sRGB, of the same shape.
        watch: asked before each tile; what it raises ends the work.

    Returns:
        (H, W) float32 in [0, 1]; exactly 0 where nothing changed within `RADIUS` pixels.

    Raises:
        ImportError: where the package is missing (see `has_flip`).
    """
    height, width = original.shape[:2]
    visible = np.zeros((height, width), dtype=np.float32)
    for rows, columns in product(spans(height, _SIDE), spans(width, _SIDE)):
        high, wide = widened(rows, RADIUS, height), widened(columns, RADIUS, width)
        before, after = (pixels[high.seen, wide.seen] for pixels in (original, changed))
        if np.array_equal(before, after):
            continue
        watch.check()
        found, _, _ = _package().evaluate(
            _image(before), _image(after), "LDR", applyMagma=False, computeMeanError=False
        )
        visible[rows, columns] = found[high.inner, wide.inner, 0]
    return visible


def _package() -> Any:
    """Imported when it is first asked for."""
    import flip_evaluator

    return flip_evaluator


def _image(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """As the package takes it: sRGB in [0, 1]."""
    return np.ascontiguousarray(pixels, dtype=np.float32) / np.float32(255.0)
