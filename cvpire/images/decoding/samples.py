"""Samples (H, W) or (H, W, channels) as several decoders treat them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Rows that are converted at a time hold about so many samples.
_BAND = 1 << 20

_LEVELS = np.linspace(0, 255, 18).astype(np.uint8)  # every 15th
# (5832, 1, 3): colours to look at when a conversion is judged by what it does.
PROBE = np.stack(np.meshgrid(_LEVELS, _LEVELS, _LEVELS, indexing="ij"), axis=-1).reshape(-1, 1, 3)


def full_of(samples: NDArray[Any]) -> float:
    """The value of full brightness or coverage in samples of this type."""
    return 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)


def as_rgb(grey: NDArray[Any]) -> NDArray[Any]:
    """(H, W) grey as (H, W, 3)."""
    return np.repeat(grey[..., None], 3, axis=2)


def split_alpha(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Samples and alpha of (H, W), or of (H, W, channels), of which the last of 2 or 4 is alpha."""
    if values.ndim == 2:
        return values, None
    channels = values.shape[2]
    samples = values[..., 0] if channels <= 2 else values[..., :3]
    return samples, values[..., -1] if channels in (2, 4) else None


def bands(values: NDArray[Any]) -> list[slice]:
    """Slices of rows, so that what is computed of them takes little memory."""
    rows = max(1, _BAND // max(1, values[:1].size))
    return [slice(top, top + rows) for top in range(0, len(values), rows)]


def spread_bits(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Whole numbers of so many bits over all of uint8, or over all of uint16 above 8 bits."""
    dtype = np.uint8 if bits <= 8 else np.uint16
    codes = np.arange(1 << bits) * (np.iinfo(dtype).max / (2**bits - 1))
    table = np.rint(codes).astype(dtype)
    spread: NDArray[Any] = table[np.minimum(values, 2**bits - 1)]
    return spread


def reduction(bits: int) -> tuple[str, ...]:
    """What to tell of samples of so many bits, which become samples of 8."""
    return (f"Reduced from {bits} to 8 bits a channel.",) if bits > 8 else ()


def eight_bits(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Samples as of `Decoded`, in 8 bits: of 16 the high ones, as other readers do."""
    if samples.dtype == np.uint16:
        samples = samples >> 8
    elif samples.dtype.kind == "f":
        samples = np.rint(np.clip(samples, 0.0, 1.0) * 255.0)
    return samples.astype(np.uint8, copy=False)
