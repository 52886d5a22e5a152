"""What all subcommands share on the terminal: lines, complaints, progress, and their parser."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from cvpire.cli.console import printable, say
from cvpire.watch import AttackStep, Watch

# As it was called: the installed command, or the package.
PROGRAM = "cvpire" if Path(sys.argv[0]).stem == "cvpire" else "python -m cvpire"


class Parser(argparse.ArgumentParser):
    """Whatever a word on the command line holds, the message about it is plain text."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def add_group(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --group, which does this."""
    parser.add_argument("--group", action="store_true", help=f"{what} (the run's -group variant)")


def tell(text: str) -> None:
    """Print a line of the result."""
    say(printable(text), sys.stdout)


def complain(text: str) -> None:
    """Print a line beside the result, to standard error."""
    say(f"cvpire: {printable(text)}", sys.stderr)


def progress_bar(unit: str, *, unit_scale: bool = False) -> tqdm[NoReturn]:
    """A bar with the time left, for `advance`; none where standard error is no terminal."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return tqdm(unit=unit, unit_scale=unit_scale, leave=False, disable=not is_terminal)


def advance(bar: tqdm[NoReturn], done: int, total: int | None, words: str = "") -> None:
    """Show how much is done, and of how much as far as is known."""
    bar.total = total
    bar.set_description_str(words, refresh=False)
    bar.update(done - bar.n)


class BarWatch(Watch):
    """Shows on a bar how far the work is."""

    def __init__(self, bar: tqdm[NoReturn]) -> None:
        self._bar = bar

    def step(self, step: AttackStep) -> None:
        self.advance(step.step, step.max_steps)

    def advance(self, done: int, total: int) -> None:
        advance(self._bar, done, total)
