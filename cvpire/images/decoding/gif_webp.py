"""GIF and WebP, by Pillow. A GIF's picture may cover only a part of the screen that it declares."""

from __future__ import annotations

import io

import numpy as np
from PIL.GifImagePlugin import GifImageFile
from PIL.WebPImagePlugin import WebPImageFile

from cvpire.images.decoding.decoded import Decoded, Model
from cvpire.images.decoding.orientation import exif_orientation
from cvpire.images.decoding.samples import split_alpha
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


def decode_webp(name: str, data: bytes, max_pixels: int) -> Decoded:
    """The `Decoder` of WebP."""
    image = WebPImageFile(io.BytesIO(data))
    check_size(name, image.size, max_pixels)
    expect_one_frame(name, getattr(image, "n_frames", 1))
    image.load()
    samples, alpha = split_alpha(np.array(image))  # RGB or RGBA
    turn = exif_orientation(image.info.get("exif"))
    return Decoded(samples, Model.RGB, alpha, turn, image.info.get("icc_profile"))
