"""The subcommands: what each is asked of photos, and what it prints."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cvpire.cli.console import say
from cvpire.images.formats import PNG
from cvpire.images.names import fitting_stem
from cvpire.metrics.aesthetics import AUTO
from cvpire.runs import RUNS
from eval.arguments import (
    ALL_RUNS,
    Parser,
    Subcommands,
    add_images,
    add_limit,
    add_out,
    add_runs,
    add_seed,
    complain,
    file_format,
    numbers,
    positive,
)
from eval.benchmarks import add_benchmarks
from eval.methods import CONDITIONS, methods_for
from eval.output import Measured
from eval.peers import PeersOptions, measure_peers
from eval.progress import ProgressLine
from eval.robustness import EDITS, RobustnessOptions, measure_robustness
from eval.sweep import DEFAULT_MAX_STEPS, SweepOptions, sweep
from eval.table1 import Table1Options, measure_table1
from eval.transfer import TransferOptions, measure_transfer


def make_parser() -> Parser:
    """The whole command line; `options.command(options)` runs what was asked for."""
    parser = Parser(prog="python -m eval", description="Measure what protection does to photos.")
    parser.set_defaults(is_benchmark=False)
    subcommands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    _add_table1(subcommands)
    _add_peers(subcommands)
    _add_robustness(subcommands)
    _add_transfer(subcommands)
    _add_sweep(subcommands)
    add_benchmarks(subcommands)
    return parser


def _add_table1(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "table1",
        help="the paper's Table 1",
        description="Protect a folder of photos in each run, judge the written files, and print "
        "the paper's Table 1. Interrupted or killed, it goes on where it was with the same "
        "command. Exit codes: 0 the table is whole, 1 some photos could not be read, 2 the "
        "command was wrong or could not be carried out, 130 interrupted.",
    )
    parser.set_defaults(command=_table1)
    add_images(parser)
    add_runs(parser, ALL_RUNS)
    add_limit(parser)
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=4,
        metavar="N",
        help="photos of one size that are protected together (default: 4)",
    )
    add_seed(parser)
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
    add_out(parser, "IMAGES-CLASSIFIER, by the names of both")


def _table1(options: argparse.Namespace) -> int:
    values = _values(options, "")
    return _measured(lambda line: measure_table1(Table1Options(**values), line), values["out"])


def _add_peers(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "peers",
        help="ours beside the best public attacks",
        description="Let each method change each photo that the classifier gets right, one at a "
        "time, and judge the written files: success, visibility, passes and seconds. Interrupted "
        "or killed, it goes on where it was with the same command. The peers come from "
        "`make peers`. Exit codes: as of table1; 1 if a method is not installed.",
    )
    parser.set_defaults(command=_peers)
    add_images(parser)
    parser.add_argument(
        "--condition",
        choices=CONDITIONS,
        default="top1",
        help="what all methods are to reach (default: top1)",
    )
    methods = (method.name for condition in CONDITIONS for method in methods_for(condition))
    names = ", ".join(dict.fromkeys(methods))
    parser.add_argument(
        "--methods", default="all", metavar="A,B", help=f"all (the default), or of {names}"
    )
    add_limit(parser)
    add_seed(parser)
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
    add_out(parser, "peers-CONDITION-IMAGES-CLASSIFIER")


def _peers(options: argparse.Namespace) -> int:
    values = _values(options, f"peers-{options.condition}-")
    return _measured(lambda line: measure_peers(PeersOptions(**values), line), values["out"])


def _add_robustness(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "robustness",
        help="what codecs, sizes and edits leave of the protection",
        description="Protect the photos that the classifier gets right, one at a time, and try on "
        "each written file, and on its original as a control, what may happen to a posted photo. "
        "Interrupted or killed, it goes on where it was with the same command. Exit codes: as of "
        "table1.",
    )
    parser.set_defaults(command=_robustness)
    add_images(parser)
    add_runs(parser, "Posting")
    add_limit(parser)
    add_seed(parser)
    parser.add_argument(
        "--format",
        dest="file_format",
        type=file_format,
        default=PNG,
        metavar="F",
        help="of the protected files, such as JPEG-75, which are judged decoded (default: PNG)",
    )
    parser.add_argument(
        "--edits",
        choices=EDITS,
        default="all",
        help="what is tried on each file: all (the default), or codecs: those down to JPEG 75, "
        "smaller sizes and screenshots only",
    )
    add_out(parser, "robustness-IMAGES-CLASSIFIER")


def _robustness(options: argparse.Namespace) -> int:
    values = _values(options, "robustness-")
    return _measured(
        lambda line: measure_robustness(RobustnessOptions(**values), line), values["out"]
    )


def _add_transfer(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "transfer",
        help="what a classifier makes of it that was not attacked",
        description="Protect the photos that the classifier gets right, one at a time, and ask "
        "another classifier whether its own first guess is lost; beside it, blur, JPEG and noise "
        "of each photo's own SSIM. Interrupted or killed, it goes on where it was with the same "
        "command. Exit codes: as of table1.",
    )
    parser.set_defaults(command=_transfer)
    add_images(parser)
    parser.add_argument(
        "--unseen", required=True, metavar="NAME", help="the classifier that is not attacked"
    )
    add_runs(parser, "Transfer,Robust")
    add_limit(parser)
    add_seed(parser)
    add_out(parser, "transfer-IMAGES-CLASSIFIER")


def _transfer(options: argparse.Namespace) -> int:
    values = _values(options, "transfer-")
    return _measured(lambda line: measure_transfer(TransferOptions(**values), line), values["out"])


def _add_sweep(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "sweep",
        help="a run under a grid of settings",
        description="Protect the same photos with each combination of the settings, and print "
        "success, SSIM, dE00 and steps. This is how the runs' settings were chosen.",
    )
    parser.set_defaults(command=_sweep)
    add_images(parser)
    parser.add_argument("--run", required=True, metavar="NAME", help=", ".join(RUNS))
    own = "of a run of Algorithm 1 (default: its own)"
    for name, unit, is_required in (
        ("magnitudes", "m, in grey levels", True),
        ("l1-weights", f"alpha, relative to the first gradient, {own}", False),
        ("learning-rates", f"the learning rate, in grey levels, {own}", False),
    ):
        parser.add_argument(
            f"--{name}", type=numbers, required=is_required, metavar="A,B", help=f"values of {unit}"
        )
    parser.add_argument(
        "--max-steps",
        type=positive,
        metavar="N",
        help=f"T of a run of Algorithm 1 (default: {DEFAULT_MAX_STEPS})",
    )
    parser.add_argument(
        "--every", type=positive, default=1, metavar="N", help="take each N-th image only"
    )


def _sweep(options: argparse.Namespace) -> int:
    values = _asked(options)
    failures: list[str] = []
    line = ProgressLine(sys.stderr)
    try:
        for row in sweep(SweepOptions(**values), line, failures.append):
            line.clear()
            say(row, sys.stdout)
    finally:
        line.clear()
    return _left_out(failures)


def _measured(measure: Callable[[ProgressLine], Measured], out: Path) -> int:
    """Carry out an evaluation with its progress shown, and print its tables; the exit code."""
    line = ProgressLine(sys.stderr)
    try:
        result = measure(line)
    finally:
        line.clear()
    say(result.markdown, sys.stdout, end="")
    complain(f"the protected files, records and tables are in {out}.")
    for sentence in result.missing:
        complain(sentence)
    code = _left_out(list(result.unreadable.values()))
    return 1 if result.missing else code


def _left_out(reasons: Sequence[str]) -> int:
    """Tell of the photos that are not in the table; the exit code."""
    if not reasons:
        return 0
    complain(
        f"{len(reasons)} of the photos could not be looked at and are not in the table: "
        f"{' '.join(reasons)}"
    )
    return 1


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """What was asked, by name, without what the parser says of the command."""
    return {
        name: value
        for name, value in vars(options).items()
        if name not in ("command", "is_benchmark")
    }


def _values(options: argparse.Namespace, prefix: str) -> dict[str, Any]:
    """What was asked, by name; without a folder for the results, one by the names of the images and
    the classifier.
    """
    values = _asked(options)
    if options.out is None:
        name = f"{prefix}{options.images.resolve().name}-{options.classifier}"
        values["out"] = Path("results") / fitting_stem(name, ("",))
    return values
