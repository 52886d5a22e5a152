"""The subcommands that look at no photos: how fast the map and the gradients are."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cvpire.classifiers.registry import CLASSIFIERS
from eval.arguments import Subcommands, numbers, positive
from eval.dataset import listing
from eval.errors import EvaluationError
from eval.gradients import gradients_table, random_classifier, time_loop, time_steps
from eval.progress import ProgressLine
from eval.speed import (
    KERNELS,
    MOST_MEGAPIXELS,
    SIZES,
    compare_ways,
    draw_growth,
    growth,
    slope,
    speed_table,
)


def add_benchmarks(subcommands: Subcommands) -> None:
    """Add `speed` and `gradients` to a command line."""
    _add_speed(subcommands)
    _add_gradients(subcommands)


def _add_speed(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "speed",
        help="how fast the threshold map is",
        description="Time the colour-variance map of a computed picture: ours beside scikit-image, "
        "colour-science (`requirements-dev.txt`) and a double loop, and how ours grows with the "
        "photo and the neighbourhood. Takes some minutes.",
    )
    parser.set_defaults(command=_speed, is_benchmark=True)
    parser.add_argument(
        "--megapixels",
        type=numbers,
        default=(0.065536, 12.0),
        metavar="A,B",
        help="sizes at which all ways are compared (default: 0.065536, which is 256x256, and 12)",
    )
    parser.add_argument(
        "--kernel-size", type=positive, default=5, metavar="N", help="odd (default: 5)"
    )
    parser.add_argument("--sigma", type=float, default=1.0, help="in pixels (default: 1)")
    parser.add_argument(
        "--plot",
        type=Path,
        default=Path("results/speed.png"),
        metavar="PNG",
        help="where to draw how the cost grows (default: results/speed.png)",
    )


def _speed(options: argparse.Namespace) -> int:
    if not all(0.0 < size <= MOST_MEGAPIXELS for size in options.megapixels):
        raise EvaluationError(
            f"expected --megapixels above 0 and up to {MOST_MEGAPIXELS:g}, got "
            f"{listing([f'{size:g}' for size in options.megapixels])}."
        )
    line = ProgressLine(sys.stderr)
    try:
        for megapixels in options.megapixels:
            rows, missing = compare_ways(megapixels, options.kernel_size, options.sigma, line)
            line.clear()
            print(speed_table(rows), flush=True)
            for reason in missing:
                print(f"eval: {reason}", file=sys.stderr)
        by_size = growth([(size, options.kernel_size) for size in SIZES], options.sigma, line)
        by_kernel = growth([(1.0, kernel) for kernel in KERNELS], options.sigma, line)
    finally:
        line.clear()
    print(speed_table([*by_size, *by_kernel]))
    print(
        f"From 1 to {SIZES[-1]:g} MP, the seconds grow as the pixels to the power of "
        f"{slope(by_size):.3f}."
    )
    options.plot.parent.mkdir(parents=True, exist_ok=True)
    draw_growth(by_size, by_kernel, options.plot)
    print(f"eval: drawn in {options.plot}.", file=sys.stderr)
    return 0


def _add_gradients(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "gradients",
        help="how fast a gradient step is",
        description="Time a forward and backward pass of a classifier, as torch runs it and as the "
        "search does, and what the search adds to its passes. The weights are random: time does "
        "not depend on them.",
    )
    parser.set_defaults(command=_gradients, is_benchmark=True)
    parser.add_argument(
        "--classifier",
        choices=CLASSIFIERS,
        default="resnet50-places365",
        help="default: resnet50-places365",
    )


def _gradients(options: argparse.Namespace) -> int:
    line = ProgressLine(sys.stderr)
    try:
        classifier = random_classifier(options.classifier)
        steps = time_steps(classifier, line)
        loop = time_loop(classifier, line)
    finally:
        line.clear()
    print(gradients_table(options.classifier, steps, loop))
    return 0
