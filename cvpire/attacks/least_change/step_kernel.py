"""The least-change search's inner loop, compiled: each pixel's best change at a given multiplier.

A pixel's change is a whole number of levels along one of 26 directions: those to the corners, edges
and faces of a cube. Arrays hold a photo's pixels in one row, (channels, P) float32, C-contiguous.
Importing this module takes numba's half a second, and the first call compiles where nothing is kept
(see `cvpire.compiled`).
"""

from __future__ import annotations

import itertools
import math
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvpire.compiled import compiled

Array = NDArray[np.float32]


class Table(NamedTuple):
    """What each of a photo's pixels may change, and what that costs.

    Attributes:
        color: (6, P), see `cvpire.attacks.least_change.visibility.ChangeCost`.
        structure: (3, P), see there.
        lower: (3, P), the least change of each channel, whole levels of 0 or less.
        upper: (3, P), the largest, 0 or more.
        least: (3, P), the least cost of one level along a direction of one, two and three channels.
        curvature: see `cvpire.attacks.least_change.visibility.ChangeCost`.
    """

    color: Array
    structure: Array
    lower: Array
    upper: Array
    least: Array
    curvature: float

    @classmethod
    def of(
        cls,
        color: Array,
        structure: Array,
        lower: Array,
        upper: Array,
        curvature: float,
        workers: Executor,
    ) -> Table:
        """The table of pixels of these costs and limits."""
        least = np.empty_like(structure)

        def fill_band(first: int, end: int) -> None:
            _fill_least(color, structure, np.float32(curvature), first, end, least)

        list(workers.map(fill_band, *_band_edges(least)))
        return cls(color, structure, lower, upper, least, curvature)

    def every(self, stride: int) -> Table:
        """The same of each so many-th pixel."""
        color, structure, lower, upper, least = (
            np.ascontiguousarray(rows[:, ::stride]) for rows in self[:5]
        )
        return Table(color, structure, lower, upper, least, self.curvature)


# Pixels that are looked at along one direction after the other: what they need stays in cache.
_RUN_PIXELS = 1024

# Pixels that one thread takes at a time.
_BAND_PIXELS = 1 << 15

_f = np.float32
_ZERO, _HALF, _ONE = _f(0.0), _f(0.5), _f(1.0)
_FAR = _f(255.0)
# The SSIM term is never so small; this only keeps 0 / 0 away.
_TINY = _f(1e-30)
# What may just gain its cost is looked at closely.
_ALMOST = _f(1.0 - 1e-5)

# One of each pair of opposite directions.
_DIRECTIONS = np.array(
    [step for step in itertools.product((-1, 0, 1), repeat=3) if step > (0, 0, 0)], np.float32
)

# The rows of the buffer that a run of pixels is copied into, each of _RUN_PIXELS: with all of them
# at known distances in one array, the compiler sees that none overlaps and makes vector
# instructions.
_GRADIENT, _COLOR, _STRUCTURE, _LOWER, _UPPER = (_RUN_PIXELS * row for row in (0, 3, 9, 12, 15))
_BEST, _LEVELS, _DIRECTION, _END = (_RUN_PIXELS * row for row in (18, 19, 20, 21))
_ROW = _RUN_PIXELS


@compiled(fastmath={"contract", "arcp", "nsz"})
def _choose_run(t: Array, curvature: np.float32, inverse_multiplier: np.float32) -> None:
    """Fill the buffer's last rows: value, signed levels and direction of each best change."""
    t[_BEST:_END] = _ZERO
    for j in range(len(_DIRECTIONS)):
        r, g, b = _DIRECTIONS[j, 0], _DIRECTIONS[j, 1], _DIRECTIONS[j, 2]
        rr, gg, bb = r * r, g * g, b * b
        rg, rb, gb = r * g, r * b, g * b
        # Channels that do not take part have room enough.
        room_r, room_g, room_b = (_ONE - rr) * _FAR, (_ONE - gg) * _FAR, (_ONE - bb) * _FAR
        direction = _f(j)
        for i in range(_ROW):
            gain = r * t[_GRADIENT + i] + g * t[_GRADIENT + _ROW + i]
            gain = (gain + b * t[_GRADIENT + 2 * _ROW + i]) * inverse_multiplier
            sign = _ONE if gain >= _ZERO else -_ONE
            form = rr * t[_COLOR + i] + gg * t[_COLOR + _ROW + i] + bb * t[_COLOR + 2 * _ROW + i]
            form += rg * t[_COLOR + 3 * _ROW + i] + rb * t[_COLOR + 4 * _ROW + i]
            form += gb * t[_COLOR + 5 * _ROW + i]
            form = max(form, _ZERO)
            linear = math.sqrt(form)
            square = rr * t[_STRUCTURE + i] + gg * t[_STRUCTURE + _ROW + i]
            square += bb * t[_STRUCTURE + 2 * _ROW + i] + form * curvature + _TINY
            down_r, up_r = -t[_LOWER + i], t[_UPPER + i]
            down_g, up_g = -t[_LOWER + _ROW + i], t[_UPPER + _ROW + i]
            down_b, up_b = -t[_LOWER + 2 * _ROW + i], t[_UPPER + 2 * _ROW + i]
            most_r = (up_r if sign * r > _ZERO else down_r) * rr + room_r
            most_g = (up_g if sign * g > _ZERO else down_g) * gg + room_g
            most_b = (up_b if sign * b > _ZERO else down_b) * bb + room_b
            most = min(most_r, min(most_g, most_b))
            surplus = abs(gain) - linear
            # The value count * (surplus - count * square) is largest at surplus / (2 square).
            count = np.floor(surplus / (square + square) + _HALF)
            count = min(max(count, _ZERO), most)
            value = count * (surplus - count * square)
            is_better = value > t[_BEST + i]
            t[_BEST + i] = value if is_better else t[_BEST + i]
            t[_LEVELS + i] = sign * count if is_better else t[_LEVELS + i]
            t[_DIRECTION + i] = direction if is_better else t[_DIRECTION + i]


@compiled(fastmath={"contract", "arcp", "nsz"})
def _fill_least(
    color: Array, structure: Array, curvature: np.float32, first: int, end: int, least: Array
) -> None:
    """Fill `least` from pixel `first` to `end`."""
    least[:, first:end] = np.inf
    for j in range(len(_DIRECTIONS)):
        r, g, b = _DIRECTIONS[j, 0], _DIRECTIONS[j, 1], _DIRECTIONS[j, 2]
        rr, gg, bb = r * r, g * g, b * b
        rg, rb, gb = r * g, r * b, g * b
        here = least[int(rr + gg + bb) - 1]
        for i in range(first, end):
            form = rr * color[0, i] + gg * color[1, i] + bb * color[2, i]
            form += rg * color[3, i] + rb * color[4, i] + gb * color[5, i]
            form = max(form, _ZERO)
            square = rr * structure[0, i] + gg * structure[1, i] + bb * structure[2, i]
            cost = math.sqrt(form) + square + form * curvature
            here[i] = min(here[i], cost)


@compiled(fastmath={"contract", "arcp", "nsz"})
def _find_movable(
    gradient: Array,
    least: Array,
    inverse_multiplier: np.float32,
    start: int,
    stop: int,
    is_movable: NDArray[np.bool_],
) -> None:
    """Tell which pixels from `start` on may gain what one level costs: few do."""
    for i in range(stop - start):
        x = start + i
        r, g, b = abs(gradient[0, x]), abs(gradient[1, x]), abs(gradient[2, x])
        # The most that one, two and three channels gain.
        three = (r + g + b) * inverse_multiplier
        two = three - min(r, min(g, b)) * inverse_multiplier
        one = max(r, max(g, b)) * inverse_multiplier
        is_movable[i] = (
            (one >= least[0, x] * _ALMOST)
            | (two >= least[1, x] * _ALMOST)
            | (three >= least[2, x] * _ALMOST)
        )


@compiled()
def _copy(planes: Array, pixels: NDArray[np.int64], length: int, t: Array, row: int) -> None:
    for channel in range(len(planes)):
        to = row + channel * _ROW
        for i in range(length):
            t[to + i] = planes[channel, pixels[i]]


@compiled()
def _choose_band(
    gradient: Array,
    color: Array,
    structure: Array,
    lower: Array,
    upper: Array,
    least: Array,
    curvature: np.float32,
    inverse_multiplier: np.float32,
    first: int,
    end: int,
    change: Array,
) -> float:
    """Fill `change` from pixel `first` to `end` and return what it costs."""
    t = np.zeros(_END, np.float32)
    is_movable = np.empty(_RUN_PIXELS, np.bool_)
    pixels = np.empty(2 * _RUN_PIXELS, np.int64)  # those that are to be looked at
    waiting = 0
    total = 0.0
    change[:, first:end] = _ZERO
    for start in range(first, end, _RUN_PIXELS):
        stop = min(end, start + _RUN_PIXELS)
        _find_movable(gradient, least, inverse_multiplier, start, stop, is_movable)
        for i in range(stop - start):
            pixels[waiting] = start + i
            waiting += is_movable[i]
        while waiting >= _RUN_PIXELS or (waiting > 0 and stop == end):
            length = min(_RUN_PIXELS, waiting)
            _copy(gradient, pixels, length, t, _GRADIENT)
            _copy(color, pixels, length, t, _COLOR)
            _copy(structure, pixels, length, t, _STRUCTURE)
            _copy(lower, pixels, length, t, _LOWER)
            _copy(upper, pixels, length, t, _UPPER)
            _choose_run(t, curvature, inverse_multiplier)
            for i in range(length):
                x = pixels[i]
                count = t[_LEVELS + i]
                if count == _ZERO:
                    continue
                step = int(t[_DIRECTION + i])
                for c in range(3):
                    change[c, x] = count * _DIRECTIONS[step, c]
                r, g, b = change[0, x], change[1, x], change[2, x]
                form = r * r * color[0, x] + g * g * color[1, x] + b * b * color[2, x]
                form += r * g * color[3, x] + r * b * color[4, x] + g * b * color[5, x]
                form = max(form, _ZERO)
                total += math.sqrt(form) + form * curvature
                total += r * r * structure[0, x] + g * g * structure[1, x] + b * b * structure[2, x]
            waiting -= length
            for i in range(waiting):
                pixels[i] = pixels[length + i]
    return total


def choose_changes(
    gradient: Array,
    table: Table,
    multiplier: float,
    change: Array,
    workers: Executor,
) -> float:
    """Give each pixel the change whose gain, less multiplier times cost, is the largest.

    Args:
        gradient: (3, P), what a level more of each channel gains.
        table: of the same pixels.
        multiplier: what a unit of cost must gain, above 0.
        change: (3, P), to be filled with whole levels.
        workers: thread pool for the bands of pixels.

    Returns:
        The cost of all changes.
    """

    def choose_band(first: int, end: int) -> float:
        cost: float = _choose_band(
            gradient,
            *table[:5],
            np.float32(table.curvature),
            np.float32(1.0 / multiplier),
            first,
            end,
            change,
        )
        return cost

    return math.fsum(workers.map(choose_band, *_band_edges(change)))


def _band_edges(planes: Array) -> tuple[list[int], list[int]]:
    """Where each band of pixels of (C, P) begins, and where it ends."""
    edges = [*range(0, planes.shape[1], _BAND_PIXELS), planes.shape[1]]
    return edges[:-1], edges[1:]
