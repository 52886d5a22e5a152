"""What an evaluation comes to, and the folder it writes to: made, held by one process, freed of
leftovers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from cvpire.errors import PhotoError
from cvpire.images.photo import write_bytes
from eval.errors import EvaluationError

# What a killed `cvpire.images.photo.write_bytes` leaves behind.
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")


@dataclass(frozen=True)
class Measured:
    """An evaluation's result.

    Attributes:
        markdown: caption and tables.
        unreadable: name -> why, of images that could not be looked at.
        missing: sentences that name what could not be measured.
    """

    markdown: str
    unreadable: Mapping[str, str]
    missing: tuple[str, ...] = ()


@contextmanager
def sole_user(out: Path, folders: Sequence[str]) -> Iterator[None]:
    """Make a folder with folders inside, and keep other evaluations out of it.

    The system frees the lock even when the process is killed.

    Args:
        out: the folder.
        folders: names of the folders inside.

    Raises:
        EvaluationError: if it cannot be written, or another evaluation holds it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / ".lock").acquire(blocking=False)
    except Timeout:
        raise EvaluationError(
            f"Another evaluation is writing to {out}: wait for it or choose another --out."
        ) from None
    except OSError as error:
        raise _unwritable(out, error) from error
    with lock:
        try:
            for folder in (out, *(out / name for name in folders)):
                folder.mkdir(exist_ok=True)
                for path in folder.iterdir():
                    if _TEMPORARY.fullmatch(path.name):
                        path.unlink()
        except OSError as error:
            raise _unwritable(out, error) from error
        yield


def _unwritable(out: Path, error: OSError) -> EvaluationError:
    return EvaluationError(
        f"The folder {out} cannot be written ({error.strerror}): choose another --out."
    )


def check_out(images: Path, out: Path, folders: Sequence[str]) -> None:
    """Refuse to write among the images: a written file might replace one.

    Args:
        images: their folder.
        out: the folder to write to.
        folders: of the written files, inside it.

    Raises:
        EvaluationError: if one of them is the images' own.
    """
    if images.resolve() in [(out / folder).resolve() for folder in folders]:
        raise EvaluationError(
            f"The protected files of {images.resolve().name} would be written over the images of "
            "--images: choose another --out."
        )


def write_tables(out: Path, tables: Mapping[str, str]) -> None:
    """Write tables into the folder, by the names of their files.

    Raises:
        EvaluationError: if one cannot be written.
    """
    try:
        for name, text in tables.items():
            write_bytes(out / name, text.encode("utf-8", "backslashreplace"))
    except PhotoError as error:
        raise EvaluationError(str(error)) from error
