"""The threshold map as a picture: dark where nothing may change, bright where most may.

Maps are (H, W) float32 in [0, 1]; pictures are (H, W, 3) uint8, sRGB.
"""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

# The 256 colours, (256, 3).
_INFERNO: NDArray[np.uint8] = colormaps["inferno"](np.arange(256), bytes=True)[:, :3]


def heatmap(threshold_map: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colour a map by matplotlib's `inferno`, whose lightness grows evenly with the value.

    Args:
        threshold_map: (H, W), in [0, 1].

    Returns:
        (H, W, 3); the scale has 256 colours.

    Raises:
        ValueError: for another number of dimensions, or values outside [0, 1].
    """
    if threshold_map.ndim != 2:
        raise ValueError(f"expected a map of shape (H, W), got {threshold_map.shape}")
    # So put, NaN fails it too.
    if not bool(((threshold_map >= 0.0) & (threshold_map <= 1.0)).all()):
        raise ValueError("expected a map of values in [0, 1], got others")
    picture: NDArray[np.uint8] = _INFERNO[np.rint(threshold_map * 255.0).astype(np.uint8)]
    return picture
