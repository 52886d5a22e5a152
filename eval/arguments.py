"""What the command lines take as numbers; argparse turns the errors into sentences."""

from __future__ import annotations

import argparse

from cvpire.formats import FileFormat


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
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
