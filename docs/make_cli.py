"""The commands' own help as one page. `python docs/make_cli.py` writes docs/cli.md.

With --check nothing is written, and the exit code is 1 where the page is not what the commands say.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

PAGE = ROOT / "docs" / "cli.md"
COLUMNS = "100"

_HEAD = """\
# The command line

What each command says under `--help`. This page is made by `python docs/make_cli.py` with Python
3.11: later ones lay out the same help differently. `python` is `.venv/bin/python`. After
`pip install .`, `cvpire` stands for `python -m cvpire`, and `cvpire protect PHOTO... -o DIR` for
`python -m cvpire PHOTO... -o DIR`.
"""


def text() -> str:
    """The page as Markdown: a section for each command."""
    os.environ["COLUMNS"] = COLUMNS  # argparse wraps its lines at the terminal's width
    sections = (f"## {parser.prog}\n\n```\n{parser.format_help()}```\n" for parser in _parsers())
    return "\n".join([_HEAD, *sections])


def _parsers() -> Iterator[argparse.ArgumentParser]:
    from cvpire.cli import protect, rehearse, weights
    from eval.commands import make_parser

    for parser in (protect._parser(), rehearse._parser(), weights._parser(), make_parser()):
        yield parser
        yield from _subparsers(parser)


def _subparsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def main() -> int:
    """Write the page, or check it; the exit code."""
    parser = argparse.ArgumentParser(description="Write docs/cli.md from the commands' own help.")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    options = parser.parse_args()
    page = text()
    if not options.check:
        PAGE.write_text(page, encoding="utf-8", newline="\n")
        return 0
    if PAGE.read_text(encoding="utf-8") == page:
        return 0
    print("docs/cli.md is not what the commands say: run `python docs/make_cli.py`.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
