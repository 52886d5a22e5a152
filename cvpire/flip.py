"""FLIP: what people see when they flip between two pictures on a screen.

FLIP (Andersson et al. 2020, doi:10.1145/3406183) filters both pictures by the eye's contrast
sensitivity and compares colours, edges and points. Its authors' package computes it, at its default
of 67 pixels a degree: a screen of 3840 x 2160 pixels, 0.7 m wide, from 0.7 m away. Nobody publishes
the package for Linux on Arm: there FLIP is unavailable, and everything else works.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvpire.bands import bands, widened

# Its filters reach so far around a pixel: the widest is that of blue and yellow, three standard
# deviations of 3.02 pixels, rounded up (the package's `FLIP.h`; its edges and points reach 9).
RADIUS = 10

# The package holds the interpreter's lock while it works: a second or less for so many pixels.
_BAND_PIXELS = 1 << 18


# Where it is missing, this stands in its place.
NO_FLIP = (
    "FLIP is unavailable: the package flip-evaluator cannot be imported (there is none for Linux on "
    "Arm)."
)


def has_flip() -> bool:
    """Whether the package is here."""
    try:
        _package()
    except ImportError:
        return False
    return True


def flip_map(original: NDArray[np.uint8], changed: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How visible the difference of each pixel is to who flips between two photos.

    Bands of rows are measured in turn, as in one piece. The package uses OpenMP's threads.

    Args:
        original: (H, W, 3) uint8, sRGB.
        changed: (H, W, 3) uint8, sRGB, of the same shape.

    Returns:
        (H, W) float32 in [0, 1]; exactly 0 where nothing changed within `RADIUS` pixels.

    Raises:
        ImportError: where the package is missing (see `has_flip`).
    """
    seen_map = np.zeros(original.shape[:2], dtype=np.float32)
    for rows in bands(original, _BAND_PIXELS):
        seen, inner = widened(rows, RADIUS, len(original))
        if np.array_equal(original[seen], changed[seen]):
            continue
        found, _, _ = _package().evaluate(
            _image(original[seen]),
            _image(changed[seen]),
            "LDR",
            applyMagma=False,
            computeMeanError=False,
        )
        seen_map[rows] = found[inner, :, 0]
    return seen_map


def _package() -> Any:
    """Imported when it is first asked for."""
    import flip_evaluator

    return flip_evaluator


def _image(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """As the package takes it: sRGB in [0, 1]."""
    return np.ascontiguousarray(pixels, dtype=np.float32) / np.float32(255.0)
