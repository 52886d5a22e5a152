"""Which stored values are black and white, and samples spread over that range.

The tags tell for whole numbers of up to 16 bits. Files of 32 bits and of floats often hold values
of a smaller range and say nothing of it: there the values themselves decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvpire.images.decoding.samples import bands, reduction
from cvpire.images.decoding.tiff.fields import SampleFormat
from cvpire.images.decoding.tiff.layout import Layout
from cvpire.images.decoding.tiff.tags import Directory, RefusedError

# A picture whose brightest value is below 1/256 of white would be black: that is not its white.
_BLACK = 256
# Floats a little beyond 1.0 come from sharpening, resampling or another gamut and are clipped. Read
# as 0 to 255 instead, a picture that ends here would be nearly black.
_CLIPPED_FLOAT = 16.0
# The least peak of floats that are meant as 0 to 65535.
_LEAST_WIDE_FLOAT = 4096.0

# Samples may fall below 0 by one part in so many of white and mean black nevertheless.
_NOISE_SHARE = 128


@dataclass(frozen=True, eq=False)
class Range:
    """The stored values of black and white, of all channels or (channels,), either the lower."""

    black: float | NDArray[np.float64]
    white: float | NDArray[np.float64]
    notes: tuple[str, ...]  # where something was decided or reduced


def find_range(values: NDArray[Any], layout: Layout, directory: Directory, what: str) -> Range:
    """The range of samples of any shape, which are "grey", "colour" or "transparency" (what)."""
    stated = _stated(directory, layout)
    if layout.number is SampleFormat.FLOAT:
        return _float_range(values, layout, stated, what)
    if layout.bits > 16:
        return _wide_range(values, layout, stated, what)
    is_signed = layout.number is SampleFormat.SIGNED
    low, high = int(values.min()), int(values.max())
    white, bits = 2 ** (layout.bits - is_signed) - 1, layout.bits
    if stated and high <= stated < white and low >= -stated - 1:
        white = int(stated)
        bits = white.bit_length() + (low < 0)
    # A signed file whose values are below 0 by no more than noise leaves that half of its range
    # unused.
    return Range(-white - 1 if low < -(white // _NOISE_SHARE) else 0, white, reduction(bits))


def spread(values: NDArray[Any], found: Range) -> NDArray[Any]:
    """Samples with black at 0 and white at their type's full value, of a type of `Decoded`.

    What is beyond is clipped. The values are overwritten where that saves memory.
    """
    values = values.view(np.uint8) if values.dtype == np.bool_ else values
    if values.dtype.kind == "f":
        result = values if values.dtype == np.float32 else np.empty(values.shape, np.float32)
        full = 1.0
    else:
        dtype = np.uint8 if np.max(np.abs(found.white - found.black)) <= 255 else np.uint16
        full = float(np.iinfo(dtype).max)
        is_same = np.all(found.black == 0) and np.all(found.white == full)
        if is_same and values.dtype == dtype:
            return values
        is_roomy = values.dtype.itemsize == np.dtype(dtype).itemsize
        result = values.view(dtype) if is_roomy else np.empty(values.shape, dtype)
        if values.dtype.itemsize <= 2:
            _by_table(values, result, found, full)
            return result
    for band in bands(values):
        shares = _shares(values[band], found)
        result[band] = shares if full == 1.0 else np.rint(shares * full)
    return result


def _shares(values: NDArray[Any], found: Range) -> NDArray[np.float64]:
    """Brightness in [0, 1]."""
    shares = (values.astype(np.float64) - found.black) / (found.white - found.black)
    return np.clip(shares, 0.0, 1.0)


def _by_table(values: NDArray[Any], result: NDArray[Any], found: Range, full: float) -> None:
    """Each possible value is computed once."""
    patterns = np.arange(1 << (8 * values.dtype.itemsize)).astype(f"u{values.dtype.itemsize}")
    meanings = patterns.view(values.dtype)[:, None]
    table = np.rint(_shares(meanings, found) * full).astype(result.dtype)
    stored = values.view(patterns.dtype)
    for band in bands(values):
        if table.shape[1] == 1:
            result[band] = table[stored[band], 0]
        else:
            for channel in range(table.shape[1]):
                result[band, :, channel] = table[stored[band, :, channel], channel]


def _stated(directory: Directory, layout: Layout) -> float | None:
    """White as MaxSampleValue or SMaxSampleValue tells it, None where they do not.

    By TIFF 6.0 these are statistics of the picture, but many use them to state the depth of samples
    in larger words. They count where they are a depth: a power of two less one; and 1.0 for floats.
    """
    for tag in (341, 281):
        values = directory.numbers(tag)
        if len(values):
            value = float(values.max())
            depths = {2.0**depth - 1 for depth in range(8, layout.bits)}
            if layout.number is SampleFormat.FLOAT:
                depths.add(1.0)
            return value if value in depths else None
    return None


def _wide_range(values: NDArray[Any], layout: Layout, stated: float | None, what: str) -> Range:
    """Whole numbers of more than 16 bits.

    A file that stays within 0..255 or 0..65535 is taken to use that range, for in its type's own it
    would be black.
    """
    is_signed = layout.number is SampleFormat.SIGNED
    low, high = int(values.min()), int(values.max())
    full = 2 ** (layout.bits - is_signed) - 1
    kind = f"{'' if is_signed else 'u'}int{layout.bits}"
    is_full = max(-low, high) >= full // _BLACK
    if low < 0 and is_full:
        return Range(-full - 1, full, reduction(layout.bits))
    whites = (255, 65535) if layout.bits in (32, 64) else ()
    if stated and stated > 1:
        whites = (int(stated), *whites)
    white = next((white for white in whites if high <= white), full if is_full else 0)
    if low < 0 or not white:
        raise _refusal(what, low, high, 255, 65535)
    if white == full:
        return Range(0, full, reduction(layout.bits))
    note = f"Read its {kind} values as 0 to {white} and reduced them to 8 bits."
    return Range(0, white, (note,))


def _float_range(values: NDArray[Any], layout: Layout, stated: float | None, what: str) -> Range:
    """Floats: 0 to 1, or 0 to 255 or 65535 where they go beyond.

    Colours outside sRGB's gamut have negative values, and filters overshoot: in a colour picture
    both are clipped. A grey one has no such excuse for a negative value.
    """
    low, high = float(values.min()), float(values.max())  # NaN where any is
    is_grey = what != "colour"
    least = 0.0 if is_grey else -max(high, 0.0)
    white = 0.0
    if np.isfinite(low) and np.isfinite(high) and low >= least:
        if stated and stated < high <= stated * 1.1:
            high = stated
        if stated and high <= stated:
            white = stated
        elif high <= _CLIPPED_FLOAT:
            white = 1.0
        elif high <= (255.0 if is_grey else 255.0 + _CLIPPED_FLOAT):
            white = 255.0
        elif _LEAST_WIDE_FLOAT <= high <= 65535.0:
            white = 65535.0
    if not white:
        raise _refusal(what, low, high, 1, 255)
    note = f"Read its float{layout.bits} values as 0 to {white:g} and reduced them to 8 bits."
    return Range(0.0, white, (note,))


def _refusal(what: str, low: float, high: float, small: int, large: int) -> RefusedError:
    return RefusedError(
        f"has {what} values from {low:g} to {high:g} and 0 to {small} or 0 to {large} was"
        " expected: save it with 8 or 16 bits a channel."
    )
