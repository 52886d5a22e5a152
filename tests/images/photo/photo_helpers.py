"""What the tests of reading and writing photos share: pixels, and what a file holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvpire.errors import PhotoError
from cvpire.images.reading import read_photo

RNG = np.random.default_rng(7)
NOISE = RNG.integers(0, 256, (21, 34, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (21, 34), dtype=np.uint8)
GREY = NOISE[..., 0].copy()


def error_of(source: str | Path | bytes, **limits: int) -> str:
    with pytest.raises(PhotoError) as caught:
        read_photo(source, **limits)
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message and "Traceback" not in message
    return message


PALETTE = RNG.integers(0, 256, (256, 3), dtype=np.uint8)


def palette_image() -> Image.Image:
    image = Image.fromarray(GREY)
    image.putpalette(PALETTE.tobytes())
    return image
