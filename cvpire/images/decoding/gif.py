"""GIF: of one picture, which may cover only a part of the screen that the file declares."""

from __future__ import annotations

import io

import numpy as np
from PIL.GifImagePlugin import GifImageFile

from cvpire.images.decoding.decoded import Decoded, Model
from cvpire.images.limits import MOST_COUNTED, check_size, expect_one_frame


def decode_gif(name: str, data: bytes, max_pixels: int) -> Decoded:
    """The `Decoder` of GIF. Where its picture does not cover the screen, the screen is clear."""
    image = GifImageFile(io.BytesIO(data))
    check_size(name, image.size, max_pixels)
    # Pillow's screen grows with the picture; the tile says where in it the picture is.
    left, top, right, bottom = image.tile[0].extents or (0, 0, *image.size)
    expect_one_frame(name, _count_frames(image))
    image.seek(0)
    shown = np.array(image.convert("RGBA"))
    alpha = np.zeros(shown.shape[:2], np.uint8)
    covered = (slice(top, bottom), slice(left, right))
    alpha[covered] = shown[(*covered, 3)]
    return Decoded(shown[..., :3], Model.RGB, alpha)


def _count_frames(image: GifImageFile) -> int:
    """How many there are, as far as that matters: a file may hold millions."""
    for frame in range(1, MOST_COUNTED + 1):
        try:
            image.seek(frame)
        except EOFError:
            return frame
    return MOST_COUNTED + 1
