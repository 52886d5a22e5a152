"""What several subcommands take, and how its words are read; errors become sentences."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn, TypeAlias

from cvpire.classifiers.registry import CLASSIFIERS
from cvpire.cli.console import printable, say
from cvpire.errors import SettingsError
from cvpire.images.formats import FileFormat
from cvpire.images.views import VIEWS
from cvpire.runs import RUNS, Run, find_run
from eval.paper import PAPER_TABLE1

ALL_RUNS = "all"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the whole usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"eval: {printable(message)} (--help explains).\n")


def complain(sentence: str) -> None:
    """Write a sentence for the user to standard error, in one line."""
    say(f"eval: {printable(sentence)}", sys.stderr)


Subcommands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""To which a subcommand is added."""


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between them: 0.1,0.25."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected numbers with commas between them, got {text!r}"
        ) from None


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, got {text!r}")
    return int(text)


def seed(text: str) -> int:
    """A whole number that torch takes as a seed."""
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(
            f"expected a whole number from 0 to 2^63 - 1, got {text!r}"
        )
    return int(text)


def file_format(text: str) -> FileFormat:
    """A kind of file with its quality: PNG, JPEG-75."""
    try:
        return FileFormat.parse(text)
    except SettingsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def runs(text: str) -> tuple[Run, ...]:
    """Runs by name, commas between them, in the registry's order; "all" for the paper's."""
    wanted = {name.strip() for name in text.split(",") if name.strip()}
    if ALL_RUNS in wanted:
        wanted = (wanted - {ALL_RUNS}) | (PAPER_TABLE1.keys() & RUNS.keys())
    if not wanted:
        raise argparse.ArgumentTypeError(f"expected a run, of {', '.join(RUNS)}")
    try:
        found = {find_run(name).name for name in sorted(wanted)}
    except SettingsError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None
    return tuple(run for name, run in RUNS.items() if name in found)


def add_seed(parser: Parser) -> None:
    """Ask for `--seed`."""
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="of what is random (default: 0)"
    )


def add_out(parser: Parser, default: str) -> None:
    """Ask for `--out`, and say what the folder is called by default."""
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help=f"made if new; default: results/{default}"
    )


def add_limit(parser: Parser) -> None:
    """Ask for `--limit`."""
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="take the first N images by name"
    )


def add_runs(parser: Parser, default: str) -> None:
    """Ask for `--runs`."""
    parser.add_argument(
        "--runs",
        type=runs,
        default=default,
        metavar="A,B",
        help=f"of {', '.join(RUNS)}, or {ALL_RUNS} for the paper's; default: {default}",
    )


def add_images(parser: Parser) -> None:
    """Ask for the photos, and for the classifier that judges them."""
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
