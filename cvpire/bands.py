"""Photos a band of rows at a time: metrics hold dozens of numbers a pixel as they compute."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

_Result = TypeVar("_Result")


def bands(photo: NDArray[np.uint8], pixels: int) -> list[slice]:
    """All rows of a photo (H, W, 3), in bands of about so many pixels."""
    height, width = photo.shape[:2]
    count = max(1, pixels // max(1, width))
    return [slice(top, min(top + count, height)) for top in range(0, height, count)]


def by_threads(measure: Callable[[slice], _Result], rows: list[slice]) -> list[_Result]:
    """What is measured of each band, in order."""
    with ThreadPoolExecutor(torch.get_num_threads()) as workers:
        return list(workers.map(measure, rows))


class Widened(NamedTuple):
    """A band with the rows around it that a filter looks at.

    Attributes:
        seen: rows of the photo, the band among them; fewer at its upper and lower edge.
        inner: the band's rows among those seen.
    """

    seen: slice
    inner: slice


def widened(rows: slice, radius: int, height: int) -> Widened:
    """A band as a filter of this radius sees it, in a photo of this height."""
    top, bottom = max(0, rows.start - radius), min(height, rows.stop + radius)
    return Widened(slice(top, bottom), slice(rows.start - top, rows.stop - top))
