"""TIFF, by Pillow."""

from __future__ import annotations

import io

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from cvpire.errors import PhotoError
from cvpire.images.decoded import Decoded, Model
from cvpire.images.limits import check_pixels


def decode_tiff(name: str, data: bytes, max_pixels: int) -> Decoded:
    """Decode a TIFF."""
    image = TiffImageFile(io.BytesIO(data))
    check_pixels(name, *image.size, max_pixels)
    if int(image.tag_v2.get(254, 0)) & 1 or 50706 in image.tag_v2:
        raise PhotoError(f"{name} is a camera's raw file: export it as JPEG and try again.")
    if image.is_animated:
        raise PhotoError(
            f"{name} has several pages and a single picture was expected:"
            " save one page and try again."
        )
    image.load()
    plain = image.convert("RGBA") if image.has_transparency_data else image.convert("RGB")
    values = np.array(plain)
    alpha = values[..., 3] if values.shape[2] == 4 else None
    return Decoded(values[..., :3], Model.RGB, alpha, profile=image.info.get("icc_profile"))
