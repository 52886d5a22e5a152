"""WebP, lossy and lossless."""

from __future__ import annotations

import io

import numpy as np
from PIL.WebPImagePlugin import WebPImageFile

from cvpire.images.decoding.decoded import Decoded, Model
from cvpire.images.decoding.orientation import exif_orientation
from cvpire.images.limits import check_size, expect_one_frame


def decode_webp(name: str, data: bytes, max_pixels: int) -> Decoded:
    """Decode a WebP.

    Args:
        name: of the file, for messages.
        data: its content.
        max_pixels: the largest width x height.

    Raises:
        PhotoError: for a picture that is too large or animated.
        Exception: others, from decoders, for damaged files.
    """
    image = WebPImageFile(io.BytesIO(data))
    check_size(name, image.size, max_pixels)
    expect_one_frame(name, getattr(image, "n_frames", 1))
    image.load()
    values = np.array(image if image.mode in ("RGB", "RGBA") else image.convert("RGBA"))
    return Decoded(
        values[..., :3],
        Model.RGB,
        values[..., 3] if values.shape[2] == 4 else None,
        exif_orientation(image.info.get("exif")),
        image.info.get("icc_profile"),
    )
