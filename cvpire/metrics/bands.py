"""Photos a band or a tile at a time: metrics hold dozens of numbers a pixel as they compute."""

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
    return spans(height, max(1, pixels // max(1, width)))


def spans(length: int, count: int) -> list[slice]:
    """All of so many rows or columns, each time `count` of them."""
    return [slice(first, min(first + count, length)) for first in range(0, length, count)]


def by_threads(measure: Callable[[slice], _Result], rows: list[slice]) -> list[_Result]:
    """What is measured of each band, in order."""
    with ThreadPoolExecutor(torch.get_num_threads()) as workers:
        return list(workers.map(measure, rows))


class Widened(NamedTuple):
    """A span of rows or columns with those around it that a filter looks at.

    Attributes:
        seen: of the photo, the span among them; fewer around it at the photo's edges.
        inner: the span among those seen.
    """

    seen: slice
    inner: slice


def widened(span: slice, radius: int, length: int) -> Widened:
    """A span as a filter of this radius sees it, in a photo of this height (or width)."""
    first, last = max(0, span.start - radius), min(length, span.stop + radius)
    return Widened(slice(first, last), slice(span.start - first, span.stop - first))
