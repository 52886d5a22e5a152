"""What the tests of the kinds of faults share: pixels, profiles and how a refusal is read."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from image_files import SRGB, chunk, matrix_profile, srgb_encode

from cvpire.errors import PhotoError
from cvpire.images.reading import read_photo

RAMP = np.zeros((20, 30, 3), np.uint8)
RAMP[..., 0] = np.linspace(0, 255, 30)[None]
RAMP[..., 1] = np.linspace(0, 255, 20)[:, None]
RAMP[..., 2] = 90
ALPHA = np.tile(np.linspace(0, 255, 30).astype(np.uint8), (20, 1))
CLEAR = np.dstack([RAMP, ALPHA])
LINEAR = srgb_encode(RAMP / 255)
LINEAR_PROFILE = matrix_profile(SRGB, 1.0, b"Linear")
END_IS_MISSING = "The end of the file is missing; the picture itself is whole."


def refusal(data: bytes, **limits: int) -> str:
    with pytest.raises(PhotoError) as caught:
        read_photo(data, **limits)
    return str(caught.value)


def iccp(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"x\0\0" + zlib.compress(profile))


def with_segments(data: bytes, *segments: bytes) -> bytes:
    return data[:2] + b"".join(segments) + data[2:]


def icc_part(number: int, count: int, content: bytes) -> bytes:
    body = b"ICC_PROFILE\0" + bytes([number, count]) + content
    return b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body
