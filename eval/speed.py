"""How fast the colour-variance map is, beside other ways to the same map, and how its cost grows.

Every way works on the same computed picture, in one run and each in a process of its own, so that
its peak memory is its own. A time is the best of several: other work on a machine only ever adds.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cvpire.errors import SettingsError
from eval.errors import EvaluationError
from eval.progress import Progress, ProgressCallback
from eval.ways import WAYS, Map, Pixels, Way, by_scikit_image

# What the growth of the cost is measured on: megapixels, then sides of the neighbourhood at 1 MP.
SIZES = (0.065536, 0.25, 1.0, 3.0, 12.0, 24.0, 48.0)
KERNELS = (3, 5, 7, 9, 11, 13, 15)
MOST_MEGAPIXELS = 100.0
_WARM_UP_SIDE = 32
# At most that many seconds go into repetitions.
_PATIENCE = 2.0


class WayUnavailableError(EvaluationError):
    """A way that cannot be measured here; the message says why."""


@dataclass(frozen=True)
class SpeedRow:
    """One way, one size.

    Attributes:
        name: of the way.
        megapixels: of the photo.
        kernel_size: side of the neighbourhood.
        first_seconds: the first call of a process, on a tiny picture: imports, and compilation
            where no earlier process left it on disk.
        seconds: the best of the later calls on the photo itself.
        ratio: how many times as long as ours.
        peak_megabytes: memory above the photo's own at the highest, what the first call left
            behind not counted; None where it cannot be told, or where only a crop was measured.
        largest_difference: from scikit-image's map in float64, as a share of its maximum; None
            where both are not known for the same pixels.
    """

    name: str
    megapixels: float
    kernel_size: int
    first_seconds: float
    seconds: float
    ratio: float
    peak_megabytes: float | None
    largest_difference: float | None


class Measured(NamedTuple):
    """What a process found out: see `SpeedRow`."""

    first_seconds: float
    seconds: float
    peak_megabytes: float | None
    found: Map | None


def compare_ways(
    megapixels: float,
    kernel_size: int,
    sigma: float,
    progress: ProgressCallback,
    ways: Sequence[Way] = WAYS,
) -> tuple[list[SpeedRow], list[str]]:
    """Measure every way on one picture.

    Args:
        megapixels: of the picture, 4:3.
        kernel_size: see `cvpire.color.variance.color_variance`.
        sigma: see `cvpire.color.variance.color_variance`.
        progress: told before each way.
        ways: ours first.

    Returns:
        A row for each way that is available, and why the others are not.

    Raises:
        EvaluationError: for a kernel or sigma that the map refuses, or if ours is not available.
    """
    shape = shape_of(megapixels)
    measured: list[tuple[Way, Measured]] = []
    missing: list[str] = []
    for done, way in enumerate(ways):
        progress(Progress("Timing", f"{megapixels:g} MP, {way.name}", done, len(ways), "ways"))
        try:
            measured.append((way, measure_apart(way, shape, kernel_size, sigma, keep=True)))
        except WayUnavailableError as error:
            if way is ways[0]:
                raise
            missing.append(str(error))
    oracle = next((one.found for way, one in measured if way.compute is by_scikit_image), None)
    ours = measured[0][1].seconds
    rows = [_row(way, shape, kernel_size, one, ours=ours, oracle=oracle) for way, one in measured]
    return rows, missing


def growth(
    settings: Sequence[tuple[float, int]], sigma: float, progress: ProgressCallback
) -> list[SpeedRow]:
    """Measure ours for each (megapixels, kernel size)."""
    rows = []
    for done, (megapixels, kernel_size) in enumerate(settings):
        words = f"{megapixels:g} MP, {_square(kernel_size)}"
        progress(Progress("Timing ours", words, done, len(settings), "settings"))
        shape = shape_of(megapixels)
        one = measure_apart(WAYS[0], shape, kernel_size, sigma, keep=False)
        rows.append(_row(WAYS[0], shape, kernel_size, one, ours=one.seconds, oracle=None))
    return rows


def slope(rows: Sequence[SpeedRow], *, least_megapixels: float = 0.9) -> float:
    """d log(seconds) / d log(pixels), fitted over the rows of at least that size; NaN below two."""
    points = [(row.megapixels, row.seconds) for row in rows if row.megapixels >= least_megapixels]
    if len({size for size, _ in points}) < 2:
        return float("nan")
    sizes, seconds = np.log(np.array(points)).T
    return float(np.polyfit(sizes, seconds, 1)[0])


def draw_growth(by_size: Sequence[SpeedRow], by_kernel: Sequence[SpeedRow], path: Path) -> None:
    """Both growths as a PNG, on logarithmic axes."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw(
        left,
        [(row.megapixels, row.seconds) for row in by_size],
        "megapixels",
        f"{_square(by_size[0].kernel_size)} neighbours, slope {slope(by_size):.2f} from 1 MP on",
    )
    _draw(
        right,
        [(row.kernel_size, row.seconds) for row in by_kernel],
        "side of the neighbourhood, in pixels",
        f"{by_kernel[0].megapixels:.2g} MP",
    )
    right.set_xticks([row.kernel_size for row in by_kernel], minor=False)
    right.set_xticklabels([str(row.kernel_size) for row in by_kernel])
    right.minorticks_off()
    figure.savefig(path, dpi=110)


def _draw(axes: Axes, points: Sequence[tuple[float, float]], label: str, title: str) -> None:
    axes.loglog(*zip(*points, strict=True), marker="o")
    axes.set(xlabel=label, ylabel="seconds", title=title)
    axes.grid(True, which="both", alpha=0.3)


def speed_table(rows: Sequence[SpeedRow]) -> str:
    """The rows as Markdown."""
    lines = [
        "| way | MP | kernel | seconds | MP/s | times ours | first call | peak MB | difference |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {row.name} | {row.megapixels:.2f} | {_square(row.kernel_size)} | "
            f"{row.seconds:.4f} | {row.megapixels / row.seconds:.3g} | {row.ratio:.1f} | "
            f"{row.first_seconds:.2f} | "
            + ("-" if row.peak_megabytes is None else f"{row.peak_megabytes:.0f}")
            + " | "
            + ("-" if row.largest_difference is None else f"{row.largest_difference:.1e}")
            + " |"
            for row in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def shape_of(megapixels: float) -> tuple[int, int]:
    """(H, W) of that size, 4:3; a square where the number is one, as 256x256 is."""
    side = round((megapixels * 1e6) ** 0.5)
    if abs(side * side - megapixels * 1e6) < 1.0 and side % 16 == 0:
        return side, side
    height = max(1, round((megapixels * 1e6 * 3.0 / 4.0) ** 0.5))
    return height, max(1, round(height * 4.0 / 3.0))


def pairs(shape: tuple[int, ...], kernel_size: int) -> int:
    """How many pairs of a pixel and a neighbour an image (H, W) has, counted from both sides."""
    radius = kernel_size // 2

    def reached(length: int) -> int:
        return sum(
            min(length, position + radius + 1) - max(0, position - radius)
            for position in range(length)
        )

    height, width = shape
    return reached(height) * reached(width) - height * width


def measure_apart(
    way: Way, shape: tuple[int, int], kernel_size: int, sigma: float, *, keep: bool
) -> Measured:
    """Measure a way in a process of its own.

    Raises:
        WayUnavailableError: if a package or memory is missing.
        EvaluationError: for a kernel or sigma that the map refuses.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        try:
            return process.submit(_measure, way, shape, kernel_size, sigma, keep).result()
        except ImportError as error:
            raise WayUnavailableError(
                f"{way.name} is left out: {error}. Run `pip install -r requirements-dev.txt`."
            ) from error
        except (MemoryError, BrokenProcessPool) as error:
            raise WayUnavailableError(
                f"{way.name} is left out: it needs more memory than there is for "
                f"{shape[0] * shape[1] / 1e6:g} MP."
            ) from error
        except SettingsError as error:
            raise EvaluationError(f"{error}.") from error


def picture(shape: tuple[int, int]) -> Pixels:
    """A colourful picture (H, W, 3), smooth on the left and busy on the right."""
    height, width = shape
    random = np.random.default_rng(0)
    y, x = (np.linspace(0.0, 1.0, n, dtype=np.float32) for n in shape)
    pixels = np.empty((height, width, 3), np.uint8)
    for row in range(height):
        smooth = np.stack((x, np.full_like(x, y[row]), (1.0 - x) * y[row]), axis=-1) * 255.0
        noise = random.normal(0.0, 60.0, (width, 3)).astype(np.float32) * (x > 0.5)[:, None]
        pixels[row] = np.clip(smooth + noise, 0.0, 255.0).astype(np.uint8)
    return pixels


def _row(
    way: Way,
    shape: tuple[int, int],
    kernel_size: int,
    measured: Measured,
    *,
    ours: float,
    oracle: Map | None,
) -> SpeedRow:
    return SpeedRow(
        way.name,
        megapixels=shape[0] * shape[1] / 1e6,
        kernel_size=kernel_size,
        first_seconds=measured.first_seconds,
        seconds=measured.seconds,
        ratio=measured.seconds / ours,
        peak_megabytes=measured.peak_megabytes if way.crop_side is None else None,
        largest_difference=_difference(measured.found, oracle),
    )


def _measure(
    way: Way, shape: tuple[int, int], kernel_size: int, sigma: float, keep: bool
) -> Measured:
    pixels = picture(shape)
    if way.crop_side is not None:
        pixels = pixels[: way.crop_side, -way.crop_side :]
    factor = pairs(shape, kernel_size) / max(1, pairs(pixels.shape[:2], kernel_size))
    photo = way.prepare(pixels)
    tiny = picture((_WARM_UP_SIDE, _WARM_UP_SIDE) if way.crop_side is None else (2, 2))
    started = time.perf_counter()
    way.compute(way.prepare(tiny), kernel_size, sigma)
    first = time.perf_counter() - started
    before = _resident(reset_peak=True)
    seconds: list[float] = []
    while not seconds or (sum(seconds) < _PATIENCE and len(seconds) < 10):
        found = None  # or two maps would count in the peak
        started = time.perf_counter()
        found = way.compute(photo, kernel_size, sigma)
        seconds.append(time.perf_counter() - started)
    after = _peak()
    peak = None if before is None or after is None else (after - before) / 1e6
    return Measured(first, factor * min(seconds), peak, found if keep else None)


def _resident(*, reset_peak: bool) -> int | None:
    """Bytes of memory this process holds now; Linux only, and its peak starts anew from there."""
    try:
        if reset_peak:
            Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    except OSError:
        return None


def _peak() -> int | None:
    try:
        return _status("VmHWM")
    except OSError:
        return None


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {key}")


def _square(side: int) -> str:
    return f"{side}x{side}"


def _difference(found: Map | None, oracle: Map | None) -> float | None:
    if found is None or oracle is None or found is oracle or found.shape != oracle.shape:
        return None
    return float(np.abs(found - oracle).max() / oracle.max())
