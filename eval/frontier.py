"""The picture of what each run keeps against what people see of it, beside plain damage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eval.robustness_rows import RobustnessRow

# Of `Seen`: what an axis shows, and whether less of it is better. The last is always known.
_AXES = (
    ("ssimulacra2", "SSIMULACRA2 (100: the same)", False),
    ("jod", "ColorVideoVDP, JOD (10: the same)", False),
    ("flip_p99", "FLIP, 99th percentile (0: the same)", True),
    ("delta_e_blurred", "largest CIEDE2000 of the blurred change", True),
)

# Where the names of plain damage begin, in percent, in turn: away from most runs and each other.
_DAMAGE_NAMES = (12.0, 48.0)


def draw_frontier(rows: Sequence[RobustnessRow], path: Path) -> None:
    """The rows as points, the less visible, the further right; plain damage as lines. A PNG.

    Args:
        rows: of runs that were rehearsed, and of plain damage. A yardstick that one of them lacks
            has no panel.
        path: of the picture.
    """
    shown = [axis for axis in _AXES if all(_is_known(getattr(row.seen, axis[0])) for row in rows)]
    lines = math.ceil(len(shown) / 2)
    figure = Figure(figsize=(10, 4.2 * lines), layout="constrained")
    panels = figure.subplots(lines, 2, sharey=True, squeeze=False)
    for axes, (name, label, is_less_better) in zip(panels.flat, shown, strict=False):
        heights = cycle(_DAMAGE_NAMES)
        for row in rows:
            x = getattr(row.seen, name)
            if row.kept is None:
                axes.axvline(x, color="tab:gray", linestyle=":")
                _write(axes, row.name, x, next(heights), rotation=90)
            else:
                axes.plot(x, 100.0 * row.kept, "o", color="tab:green")
                _write(axes, row.name, x, 100.0 * row.kept)
        axes.set_xlabel(label)
        axes.margins(x=0.2)  # room for the names
        if is_less_better:
            axes.invert_xaxis()
        axes.grid(alpha=0.3)
    for axes in panels.flat[len(shown) :]:
        axes.set_axis_off()
    for axes in panels[:, 0]:
        axes.set_ylim(-3, 106)
        axes.set_ylabel("kept, % of photo x transformation")
    figure.savefig(path, dpi=100)


def _write(axes: Axes, name: str, x: float, y: float, rotation: float = 0.0) -> None:
    """A name, a little above and to the right of its place."""
    axes.annotate(
        name, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8, rotation=rotation
    )


def _is_known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)
