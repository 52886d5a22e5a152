"""The terminal: text, which may hold anything and must steer nothing; progress; and parsers."""

from __future__ import annotations

import argparse
import sys
import unicodedata
from pathlib import Path
from typing import NoReturn, TextIO

from tqdm import tqdm

from cvpire.watch import AttackStep, Watch

# As it was called: the installed command, or the package.
PROGRAM = "cvpire" if Path(sys.argv[0]).stem == "cvpire" else "python -m cvpire"

# Joiners make up letters and emoji; all other characters of their kind are not seen, or turn the
# direction of the text around them.
_SEEN_FORMATS = "\u200c\u200d"
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""The text in one line, with `\x1b` and the like for what would steer a terminal.

    Replaced are control characters (ends of lines too), those that turn the direction of writing,
    and bytes of a file's name that are not UTF-8.

    Example:
        >>> print(printable("a\x1b[31m\n\u202egpj.b\udce9"))
        a\x1b[31m\n\u202egpj.b\xe9
    """
    return "".join(map(_seen, text))


def say(text: str, stream: TextIO | None, end: str = "\n") -> None:
    """Write text at once; what the stream's encoding lacks is escaped, never an error.

    Args:
        text: lines of it are kept: names belong through `printable` first.
        stream: None, which a program without a console has, takes anything.
        end: written after the text.
    """
    if stream is None:
        return
    stream.write(_encodable(text + end, getattr(stream, "encoding", None) or "utf-8"))
    stream.flush()


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


class Parser(argparse.ArgumentParser):
    """Whatever a word on the command line holds, the message about it is plain text."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def add_group(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --group, which does this."""
    parser.add_argument("--group", action="store_true", help=f"{what} (the run's -group variant)")


def _seen(character: str) -> str:
    if character in _SEEN_FORMATS or unicodedata.category(character) not in _UNSEEN:
        return character
    if "\udc80" <= character <= "\udcff":  # Python's stand-in for a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _encodable(text: str, encoding: str) -> str:
    try:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:  # an encoding that Python does not know
        return text.encode("ascii", "backslashreplace").decode("ascii")
