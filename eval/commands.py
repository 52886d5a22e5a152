"""The subcommands: what each is asked, and what it prints."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

from cvpire.aesthetics import AUTO
from cvpire.classifiers import CLASSIFIERS
from cvpire.formats import PNG
from cvpire.runs import RUNS
from cvpire.views import VIEWS
from eval.arguments import file_format, numbers, positive, seed
from eval.dataset import listing
from eval.errors import EvaluationError
from eval.gradients import gradients_table, random_classifier, time_loop, time_steps
from eval.methods import CONDITIONS, methods_for
from eval.peers import PeersOptions, measure_peers
from eval.progress import ProgressLine
from eval.protected_photos import PhotoOptions
from eval.robustness import measure_robustness
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
from eval.sweep import SweepOptions, sweep
from eval.table1 import ALL_RUNS, Table1Options, measure_table1
from eval.transfer import measure_transfer


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the whole usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"eval: {message} (--help explains).\n")


def make_parser() -> Parser:
    """The whole command line; `options.command(options)` runs what was asked for."""
    parser = Parser(prog="python -m eval", description="Measure what protection does to photos.")
    subcommands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    _add_table1(subcommands)
    _add_peers(subcommands)
    _add_robustness(subcommands)
    _add_transfer(subcommands)
    _add_speed(subcommands)
    _add_gradients(subcommands)
    _add_sweep(subcommands)
    return parser


def _add_table1(subcommands: argparse._SubParsersAction[Parser]) -> None:
    parser = subcommands.add_parser(
        "table1",
        help="the paper's Table 1",
        description="Protect a folder of photos in each run, judge the written files, and print "
        "the paper's Table 1. Interrupted or killed, it goes on where it was with the same "
        "command. Exit codes: 0 the table is whole, 1 some photos could not be read, 2 the "
        "command was wrong or could not be carried out, 130 interrupted.",
    )
    parser.set_defaults(command=_table1)
    _add_images(parser)
    parser.add_argument(
        "--runs",
        default=ALL_RUNS,
        metavar="A,B",
        help=f"of {', '.join(RUNS)}; default: {ALL_RUNS}, the paper's",
    )
    _add_limit(parser)
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=4,
        metavar="N",
        help="photos of one size that are protected together (default: 4)",
    )
    _add_seed(parser)
    parser.add_argument(
        "--aesthetics",
        default=AUTO,
        metavar="METRIC",
        help="auto (the default): NIMA if its weights are on this machine, else the embedded "
        "beauty; nima: downloaded if need be; another no-reference metric of pyiqa; no: none",
    )
    parser.add_argument(
        "--aesthetics-files",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="weights of a pyiqa metric, under pyiqa's names",
    )
    parser.add_argument(
        "--include-misclassified",
        action="store_true",
        help="take in the images that the classifier gets wrong when clean",
    )
    _add_out(parser, "IMAGES-CLASSIFIER, by the names of both")


def _table1(options: argparse.Namespace) -> int:
    values = _values(options, "")
    result = _measured(lambda line: measure_table1(Table1Options(**values), line), values["out"])
    return _tell_unreadable(result.unreadable)


def _add_peers(subcommands: argparse._SubParsersAction[Parser]) -> None:
    parser = subcommands.add_parser(
        "peers",
        help="ours beside the best public attacks",
        description="Let each method change each photo that the classifier gets right, one at a "
        "time, and judge the written files: success, visibility, passes and seconds. Interrupted "
        "or killed, it goes on where it was with the same command. The peers come from "
        "`make peers`. Exit codes: as of table1; 1 if a method is not installed.",
    )
    parser.set_defaults(command=_peers)
    _add_images(parser)
    parser.add_argument(
        "--condition",
        choices=CONDITIONS,
        default="top1",
        help="what all methods are to reach (default: top1)",
    )
    names = ", ".join(method.name for method in methods_for("top1"))
    parser.add_argument(
        "--methods", default="all", metavar="A,B", help=f"all (the default), or of {names}"
    )
    _add_limit(parser)
    _add_seed(parser)
    parser.add_argument(
        "--perceptual",
        default="",
        metavar="A,B",
        help="besides, metrics of pyiqa that compare two photos, such as lpips and dists",
    )
    parser.add_argument(
        "--perceptual-files",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="their weights, under the names of pyiqa's and torchvision's own copies",
    )
    _add_out(parser, "peers-CONDITION-IMAGES-CLASSIFIER")


def _peers(options: argparse.Namespace) -> int:
    values = _values(options, f"peers-{options.condition}-")
    result = _measured(lambda line: measure_peers(PeersOptions(**values), line), values["out"])
    for reason in result.missing:
        print(f"eval: {reason}", file=sys.stderr)
    return max(_tell_unreadable(result.unreadable), 1 if result.missing else 0)


def _add_robustness(subcommands: argparse._SubParsersAction[Parser]) -> None:
    parser = subcommands.add_parser(
        "robustness",
        help="what codecs, sizes and edits leave of the protection",
        description="Protect the photos that the classifier gets right, one at a time, and try on "
        "each written file, and on its original as a control, what may happen to a posted photo. "
        "Interrupted or killed, it goes on where it was with the same command. Exit codes: as of "
        "table1.",
    )
    parser.set_defaults(command=_robustness)
    _add_images(parser)
    parser.add_argument(
        "--runs", default="Robust", metavar="A,B", help=f"of {', '.join(RUNS)}; default: Robust"
    )
    _add_limit(parser)
    _add_seed(parser)
    parser.add_argument(
        "--format",
        dest="file_format",
        type=file_format,
        default=PNG,
        metavar="F",
        help="of the protected files, such as JPEG-75, which are judged decoded (default: PNG)",
    )
    _add_out(parser, "robustness-IMAGES-CLASSIFIER")


def _robustness(options: argparse.Namespace) -> int:
    values = _values(options, "robustness-")
    result = _measured(lambda line: measure_robustness(PhotoOptions(**values), line), values["out"])
    return _tell_unreadable(result.unreadable)


def _add_transfer(subcommands: argparse._SubParsersAction[Parser]) -> None:
    parser = subcommands.add_parser(
        "transfer",
        help="what a classifier makes of it that was not attacked",
        description="Protect the photos that the classifier gets right, one at a time, and ask "
        "another classifier whether its own first guess is lost; beside it, blur, JPEG and noise "
        "of each photo's own SSIM. Interrupted or killed, it goes on where it was with the same "
        "command. Exit codes: as of table1.",
    )
    parser.set_defaults(command=_transfer)
    _add_images(parser)
    parser.add_argument(
        "--unseen", required=True, metavar="NAME", help="the classifier that is not attacked"
    )
    parser.add_argument(
        "--runs",
        default="Transfer,Robust",
        metavar="A,B",
        help=f"of {', '.join(RUNS)}; default: Transfer,Robust",
    )
    _add_limit(parser)
    _add_seed(parser)
    _add_out(parser, "transfer-IMAGES-CLASSIFIER")


def _transfer(options: argparse.Namespace) -> int:
    values = _values(options, "transfer-")
    unseen = values.pop("unseen")
    result = _measured(
        lambda line: measure_transfer(PhotoOptions(**values), unseen, line), values["out"]
    )
    return _tell_unreadable(result.unreadable)


def _add_speed(subcommands: argparse._SubParsersAction[Parser]) -> None:
    parser = subcommands.add_parser(
        "speed",
        help="how fast the threshold map is",
        description="Time the colour-variance map of a computed picture: ours beside scikit-image, "
        "colour-science (`requirements-dev.txt`) and a double loop, and how ours grows with the "
        "photo and the neighbourhood. Takes some minutes.",
    )
    parser.set_defaults(command=_speed)
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


def _add_gradients(subcommands: argparse._SubParsersAction[Parser]) -> None:
    parser = subcommands.add_parser(
        "gradients",
        help="how fast a gradient step is",
        description="Time a forward and backward pass of a classifier, as torch runs it and as the "
        "search does, and what the search adds to its passes. The weights are random: time does "
        "not depend on them.",
    )
    parser.set_defaults(command=_gradients)
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


def _add_sweep(subcommands: argparse._SubParsersAction[Parser]) -> None:
    parser = subcommands.add_parser(
        "sweep",
        help="a run under a grid of settings",
        description="Protect the same photos with each combination of the settings, and print "
        "success, SSIM and steps. This is how the runs' settings were chosen.",
    )
    parser.set_defaults(command=_sweep)
    _add_images(parser)
    parser.add_argument("--run", required=True, metavar="NAME", help=", ".join(RUNS))
    for name, unit in (
        ("magnitudes", "m, in grey levels"),
        ("l1-weights", "alpha, relative to the first gradient"),
        ("learning-rates", "in grey levels"),
    ):
        parser.add_argument(
            f"--{name}", type=numbers, required=True, metavar="A,B", help=f"values of {unit}"
        )
    parser.add_argument(
        "--max-steps", type=positive, default=300, metavar="N", help="T (default: 300)"
    )
    parser.add_argument(
        "--every", type=positive, default=1, metavar="N", help="take each N-th image only"
    )


def _sweep(options: argparse.Namespace) -> int:
    values = {name: value for name, value in vars(options).items() if name != "command"}
    line = ProgressLine(sys.stderr)
    try:
        for row in sweep(SweepOptions(**values), line):
            line.clear()
            print(row, flush=True)
    finally:
        line.clear()
    return 0


def _tell_unreadable(unreadable: Mapping[str, str]) -> int:
    """Say which photos could not be looked at; the exit code."""
    if not unreadable:
        return 0
    print(
        f"eval: {len(unreadable)} of the photos could not be looked at and are not in the table: "
        f"{' '.join(unreadable.values())}",
        file=sys.stderr,
    )
    return 1


class _Tables(Protocol):
    """What an evaluation comes to."""

    @property
    def markdown(self) -> str: ...

    @property
    def unreadable(self) -> Mapping[str, str]: ...


_Result = TypeVar("_Result", bound=_Tables)


def _measured(measure: Callable[[ProgressLine], _Result], out: Path) -> _Result:
    """Carry out an evaluation with its progress shown, and print its tables."""
    line = ProgressLine(sys.stderr)
    try:
        result = measure(line)
    finally:
        line.clear()
    print(result.markdown, end="", flush=True)
    print(f"eval: the protected files, records and tables are in {out}.", file=sys.stderr)
    return result


def _values(options: argparse.Namespace, prefix: str) -> dict[str, Any]:
    """What was asked, by name; without a folder for the results, one by the names of the images and
    the classifier.
    """
    values = {name: value for name, value in vars(options).items() if name != "command"}
    if options.out is None:
        name = f"{prefix}{options.images.resolve().name}-{options.classifier}"
        values["out"] = Path("results") / name
    return values


def _add_seed(parser: Parser) -> None:
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="of what is random (default: 0)"
    )


def _add_out(parser: Parser, default: str) -> None:
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help=f"made if new; default: results/{default}"
    )


def _add_limit(parser: Parser) -> None:
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="take the first N images by name"
    )


def _add_images(parser: Parser) -> None:
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="CSV",
        help="columns `file` and `imagenet_index` or `places365_index`, as the classifier counts; "
        "default: the classifier's own first guess for each clean photo",
    )
    parser.add_argument(
        "--classifier", required=True, metavar="NAME", help=", ".join(("auto", *CLASSIFIERS))
    )
    parser.add_argument(
        "--view", metavar="VIEW", help=f"{', '.join(VIEWS)}; default: the classifier's own"
    )
