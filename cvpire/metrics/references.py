"""What saving as a JPEG alone does to a photo: something known to hold a protected photo against.

A JPEG is measured on the whole photo up to `WHOLE_PIXELS`. FLIP takes seconds a megapixel, so of a
larger photo a strip of columns is measured, from its upper to its lower edge and of about as many
pixels. It lies where the protection's own change is strongest. The file is that of the whole photo
all the same, and the report tells the columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cvpire.images.encoders import fits_jpeg, on_white
from cvpire.images.formats import FileFormat
from cvpire.images.photo import Photo
from cvpire.metrics.blotches import Blotch
from cvpire.metrics.difference import SSIM_MIN_SIDE, Difference, compare
from cvpire.metrics.grades import Visibility, grade_difference
from cvpire.watch import UNWATCHED, Watch

# Colours of half the width and height, as almost every posted JPEG has them.
REFERENCES = (FileFormat("JPEG", 75), FileFormat("JPEG", 90))

# As in a photo of 1024 x 1024.
WHOLE_PIXELS = 1 << 20


class Reference(NamedTuple):
    """What saving a photo in a format does to it.

    Attributes:
        file_format: "JPEG 75".
        difference: between the photo and the saved one; nothing is over a bound, as a codec has
            none.
        visibility: of that difference.
        columns: the first that was measured, and the one after the last.
        is_whole: whether these are all.
    """

    file_format: str
    difference: Difference
    visibility: Visibility
    columns: tuple[int, int]
    is_whole: bool


def measure_references(
    photo: Photo, strongest: Blotch | None, watch: Watch = UNWATCHED
) -> tuple[Reference, ...]:
    """What each of `REFERENCES` does to a photo.

    Args:
        photo: any; one with transparency, which a JPEG cannot hold, is taken as it is on white.
        strongest: the place of the protection's strongest change; None for the photo's middle.
        watch: asked before each is measured and as it is; what it raises ends the work.

    Returns:
        One for each; none where a JPEG cannot be as wide or as high.
    """
    if not fits_jpeg(photo):
        return ()
    opaque = on_white(photo)
    first, last = columns = _columns(opaque, strongest)
    original = opaque.pixels[:, first:last]
    no_bound = np.ones(original.shape[:2], np.float32)
    found = []
    for file_format in REFERENCES:
        watch.check()
        saved = file_format.read_back(opaque)[1].pixels[:, first:last]
        difference = compare(original, saved, no_bound, watch)
        found.append(
            Reference(
                file_format=str(file_format),
                difference=difference,
                visibility=grade_difference(difference),
                columns=columns,
                is_whole=last - first == photo.width,
            )
        )
    return tuple(found)


def _columns(photo: Photo, strongest: Blotch | None) -> tuple[int, int]:
    """The strip to measure: the photo itself, or as wide as `WHOLE_PIXELS` allow."""
    width = max(SSIM_MIN_SIDE, WHOLE_PIXELS // photo.height)
    if width >= photo.width:
        return 0, photo.width
    middle = photo.width // 2 if strongest is None else strongest.x
    first = int(np.clip(middle - width // 2, 0, photo.width - width))
    return first, first + width
