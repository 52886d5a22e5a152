"""The files that the photos of one command become: their names, and which of them are taken.

One photo's clash is its own: it alone is refused, and a name is taken only once a photo has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from cvpire.errors import PhotoError
from cvpire.images.names import fitting_stem, normal

_Identity = tuple[int, int]


class Outputs(NamedTuple):
    """The files that one photo becomes.

    Attributes:
        paths: each under its kind, such as "photo".
        is_shortened: whether their name had to become shorter than the photo's.
    """

    paths: Mapping[str, Path]
    is_shortened: bool


def make_outputs(stem: str, folder: Path, suffixes: Mapping[str, str]) -> Outputs:
    """The files of a photo of that stem, in a folder, under names that file systems take.

    Args:
        stem: of the photo's name.
        folder: to write to.
        suffixes: of each kind that is asked for, such as {"photo": ".png"}.
    """
    fitting = fitting_stem(stem, tuple(suffixes.values()))
    paths = {kind: folder / f"{fitting}{suffix}" for kind, suffix in suffixes.items()}
    return Outputs(paths, fitting != stem)


class Claims:
    """Which files are inputs, and which were written by this command, and from which photo.

    Two names are one file where the file system says so (links, or names that differ in case on
    some systems), and where they differ only in how their accents are written (NFC and NFD), since
    the next system may make one file of them.

    Args:
        inputs: the photos of the command.
    """

    def __init__(self, inputs: Iterable[Path]) -> None:
        self._inputs = set(map(_identity, inputs)) - {None}
        self._taken: dict[str | _Identity | None, Path] = {}

    def check(self, photo: Path, targets: Outputs) -> None:
        """Refuse a photo whose files would replace an input, or another photo's file.

        Raises:
            PhotoError: naming the two.
        """
        for target in targets.paths.values():
            identity = _identity(target)
            if identity in self._inputs:
                raise PhotoError(f"{target} would overwrite an input photo: choose another folder.")
            other = self._taken.get(normal(target.name)) or self._taken.get(identity)
            if other is not None:
                raise PhotoError(
                    f"{other} and {photo} would both become {target}: give one another name."
                )

    def take(self, photo: Path, targets: Outputs) -> None:
        """Remember that these files were written from this photo."""
        for target in targets.paths.values():
            self._taken[normal(target.name)] = photo
            if (identity := _identity(target)) is not None:
                self._taken[identity] = photo


def _identity(path: Path) -> _Identity | None:
    """The file that is there, whatever it is called; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: a zero character in the name
        return None
    return status.st_dev, status.st_ino
