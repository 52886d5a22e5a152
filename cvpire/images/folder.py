"""What lies in a folder: its photos, and how many other files of which kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cvpire.images.suffixes import is_photo_name, is_system_name

_MOST_NAMED = 5


class FolderContents(NamedTuple):
    """The files of a folder, without those in folders inside it, hidden ones, and the system's own.

    Attributes:
        photos: their paths, sorted by name.
        others: lower-case suffix ("" without one) -> how many files, the most first.
    """

    photos: tuple[Path, ...]
    others: Mapping[str, int]


def list_folder(folder: Path) -> FolderContents:
    """Look at the names in a folder; no file is opened.

    Raises:
        OSError: if it cannot be read.
    """
    # A link to nowhere is no folder: the photo that is meant has its sentence when it is read.
    files = [path for path in folder.iterdir() if not path.is_dir()]
    photos = sorted((path for path in files if is_photo_name(path.name)), key=lambda p: p.name)
    others = sorted(
        path.suffix.lower()
        for path in files
        if not is_photo_name(path.name) and not is_system_name(path.name)
    )
    return FolderContents(tuple(photos), dict(Counter(others).most_common()))


def others_phrase(others: Mapping[str, int]) -> str:
    """How many files of which kind; "" for none.

    Example:
        >>> others_phrase({".txt": 2, ".mov": 1})
        '3 other files (.txt 2, .mov 1)'
    """
    total = sum(others.values())
    if total == 0:
        return ""
    kinds = [f"{suffix or 'without a suffix'} {count}" for suffix, count in others.items()]
    more = [f"and {len(kinds) - _MOST_NAMED} more kinds"] if len(kinds) > _MOST_NAMED else []
    files = "1 other file" if total == 1 else f"{total} other files"
    return f"{files} ({', '.join((*kinds[:_MOST_NAMED], *more))})"


def others_sentence(others: Mapping[str, int]) -> str:
    """What was left out of a folder, in a sentence; "" where nothing was.

    Example:
        >>> others_sentence({".txt": 2, ".mov": 1})
        'Left out of the folder: 3 other files (.txt 2, .mov 1).'
    """
    phrase = others_phrase(others)
    return f"Left out of the folder: {phrase}." if phrase else ""
