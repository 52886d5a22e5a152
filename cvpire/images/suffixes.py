"""The names that photos bear: the one list of suffixes, for whatever looks for photos in a folder.

A file that is named to be read is judged by its content (`cvpire.images.reading`), not by this.
"""

from __future__ import annotations

# Those of one kind side by side; `.apng` and the sequences (`.heics`, `.avifs`) may hold one
# picture, and where they do not, reading says so.
PHOTO_SUFFIXES = (
    *(".png", ".apng"),
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif"),
    ".webp",
    ".gif",
    *(".bmp", ".dib"),
    *(".tif", ".tiff"),
    *(".avif", ".avifs"),
    *(".heic", ".heics", ".heif", ".heifs", ".hif"),
)

# Written by systems beside the photos, besides names that start with a dot (macOS's "._a.jpg").
_SYSTEM_NAMES = frozenset({"thumbs.db", "desktop.ini"})


def is_photo_name(name: str) -> bool:
    """Whether a file of that name, without a folder, is taken for a photo.

    Example:
        >>> [is_photo_name(name) for name in ("IMG_1.HIF", "notes.txt", "._IMG_1.HIF")]
        [True, False, False]
    """
    return name.lower().endswith(PHOTO_SUFFIXES) and not is_system_name(name)


def is_system_name(name: str) -> bool:
    """Whether a file of that name is hidden, or put there by the system: not its user's."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES
