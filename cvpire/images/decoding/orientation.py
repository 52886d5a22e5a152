"""Orientation: which way up the stored picture is to be shown, by EXIF (2.32, tag 274) alone.

XMP has a copy of the tag, which programs that turn pictures often leave as it was. Viewers do not
look at it.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from PIL import Image

_TAG = 274


def exif_orientation(exif: bytes | None) -> int:
    """The orientation in a block of EXIF data, 1 to 8; 1 where it says none or is damaged.

    The block is a TIFF structure, with or without "Exif" and two zero bytes before it.
    """
    if not exif:
        return 1
    try:
        tags = Image.Exif()
        tags.load(exif)
        value = tags.get(_TAG, 1)
    except Exception:  # it says nothing, and the picture itself is whole
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A stored picture (H, W, ...) as it is to be shown, by its orientation; a view of it."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    # Which sides of the shown picture the stored first row and first column are, by the standard.
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array
