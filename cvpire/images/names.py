"""Names of files that are made from the names of photos: as long as they may be, and when equal."""

from __future__ import annotations

import hashlib
import os
import unicodedata

# Of ext4, APFS, NTFS and nearly all others, in bytes (NTFS counts UTF-16, of which there is less).
MOST_NAME_BYTES = 255

_DIGEST_DIGITS = 8


def fitting_stem(stem: str, suffixes: tuple[str, ...]) -> str:
    """A stem whose names fit a file system with each of these suffixes; itself where it does.

    A longer one is cut between two characters, and ends in "~" and eight digits of the whole stem's
    sha256: two stems that differ still do, and one stem always becomes the same.

    Args:
        stem: as `Path.stem` gives it; bytes that are not UTF-8 may be in it.
        suffixes: at least one, such as ".png" and ".map.png".

    Example:
        >>> fitting_stem("photo", (".png",))
        'photo'
        >>> len(fitting_stem("a" * 255, (".map.png",)))
        247
    """
    room = MOST_NAME_BYTES - max(len(os.fsencode(suffix)) for suffix in suffixes)
    whole = os.fsencode(stem)
    if len(whole) <= room:
        return stem
    mark = f"~{hashlib.sha256(whole).hexdigest()[:_DIGEST_DIGITS]}"
    return _cut(whole, room - len(mark)) + mark


def normal(name: str) -> str:
    """The name in NFC: systems write "é" as one character or as two, and mean one name."""
    return unicodedata.normalize("NFC", name)


def _cut(name: bytes, room: int) -> str:
    """The start of a longer name, in at most that many bytes, no character of it torn."""
    while room > 0 and 0x80 <= name[room] < 0xC0:  # a character of UTF-8 goes on here
        room -= 1
    start, rest = os.fsdecode(name[:room]), os.fsdecode(name[room:])
    while start and rest and unicodedata.combining(rest[0]):  # an accent without its letter
        start, rest = start[:-1], start[-1] + rest
    return start
