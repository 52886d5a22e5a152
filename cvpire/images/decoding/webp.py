"""WebP, lossy and lossless."""

from __future__ import annotations

import io

import numpy as np
from PIL.WebPImagePlugin import WebPImageFile

from cvpire.images.decoding.decoded import Decoded, Model
from cvpire.images.decoding.orientation import exif_orientation
from cvpire.images.decoding.samples import split_alpha
from cvpire.images.limits import check_size, expect_one_frame


def decode_webp(name: str, data: bytes, max_pixels: int) -> Decoded:
    """The `Decoder` of WebP."""
    image = WebPImageFile(io.BytesIO(data))
    check_size(name, image.size, max_pixels)
    expect_one_frame(name, getattr(image, "n_frames", 1))
    image.load()
    samples, alpha = split_alpha(np.array(image))  # RGB or RGBA
    turn = exif_orientation(image.info.get("exif"))
    return Decoded(samples, Model.RGB, alpha, turn, image.info.get("icc_profile"))
