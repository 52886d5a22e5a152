"""JPEG. One with further pictures inside ("MPO", many phones) gives its first."""

from __future__ import annotations

import io
from typing import Any

import imagecodecs
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from cvpire.images.decoded import Decoded, Model
from cvpire.images.limits import check_size, not_supported
from cvpire.images.orientation import exif_orientation

_END = b"\xff\xd9"
# Start-of-frame markers that libjpeg decodes: baseline, extended and progressive, by Huffman codes
# or arithmetic ones.
_COMMON_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
# A picture is decoded once for each of its scans: a small file of thousands would take hours.
# Encoders make some ten.
_MOST_SCANS, _SCAN = 200, b"\xff\xda"
_MODELS = {"L": Model.GREY, "RGB": Model.RGB, "CMYK": Model.CMYK}
_SIMPLE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}


def decode_jpeg(name: str, data: bytes, max_pixels: int) -> Decoded:
    """Decode a JPEG.

    Args:
        name: of the file, for messages.
        data: its content.
        max_pixels: the largest width x height.

    Raises:
        PhotoError: for a picture that is too large, or of a kind that nothing here decodes.
        Exception: others, from decoders, for damaged files.
    """
    # Within coded data, a byte of 255 is followed by 0: so each of these is a marker.
    if data.count(_SCAN) > _MOST_SCANS:
        raise not_supported(name, "JPEG", f"more than {_MOST_SCANS} scans", "an ordinary JPEG")
    frame = _find_frame(data)
    if frame is not None and not (frame[0] in _COMMON_FRAMES and frame[1] == 8):
        return _decode_rare(name, data, frame, max_pixels)
    image: Image.Image = JpegImageFile(io.BytesIO(data))
    check_size(name, image.size, max_pixels)
    notes: tuple[str, ...] = ()
    try:
        image.load()
    except OSError:
        image = _without_end(data, image.mode)
        notes = ("The end of the file is missing; the picture itself is whole.",)
    return Decoded(
        np.array(image),
        _MODELS[image.mode],
        orientation=exif_orientation(image.info.get("exif")),
        profile=image.info.get("icc_profile"),
        notes=notes,
    )


def _without_end(data: bytes, mode: str) -> Image.Image:
    """A picture all of which is there but the marker of its end.

    Raises:
        ValueError: if more than that is missing: libjpeg would fill it with grey, and says so only
            to a strict reader.
    """
    ended = data + _END
    simplejpeg.decode_jpeg(ended, colorspace=_SIMPLE_SPACES[mode], strict=True)
    image = JpegImageFile(io.BytesIO(ended))
    image.load()
    return image


def _find_frame(data: bytes) -> tuple[int, int, int, int] | None:
    """Kind, bits, height and width in the frame's header; None where there is none."""
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            return None
        kind = data[at + 1]
        if kind == 0xFF or kind == 0x01 or 0xD0 <= kind <= 0xD8:  # without content
            at += 1 if kind == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if (0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC)) or kind == 0xF7:
            height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
            return kind, data[at + 4], int.from_bytes(height, "big"), int.from_bytes(width, "big")
        if kind == 0xDA or length < 2:
            return None
        at += 2 + length
    return None


def _decode_rare(
    name: str, data: bytes, frame: tuple[int, int, int, int], max_pixels: int
) -> Decoded:
    """12 bits a channel, or lossless."""
    kind, bits, height, width = frame
    if not 2 <= bits <= 16:
        raise ValueError("no such depth")
    what = f"{bits} bits a channel" if kind in _COMMON_FRAMES else "lossless or hierarchical"
    check_size(name, (width, height), max_pixels)
    try:
        values: NDArray[Any] = imagecodecs.jpeg_decode(data)
    except Exception as error:
        raise not_supported(name, "JPEG", what, "an ordinary JPEG") from error
    channels = 1 if values.ndim == 2 else values.shape[2]
    if channels not in (1, 3):
        raise not_supported(name, "JPEG", what, "an ordinary JPEG")
    full = 255 if values.dtype == np.uint8 else 65535
    scaled = np.rint(values.astype(np.float32) * (full / (2**bits - 1))).clip(0, full)
    notes = (f"Reduced from {bits} to 8 bits a channel.",) if bits > 8 else ()
    return Decoded(
        scaled.astype(values.dtype), Model.GREY if channels == 1 else Model.RGB, notes=notes
    )
