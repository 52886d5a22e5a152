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

from cvpire.images.decoding.decoded import Decoded, Model
from cvpire.images.decoding.jpeg_segments import Segments, read_segments
from cvpire.images.decoding.orientation import exif_orientation
from cvpire.images.decoding.samples import reduction, spread_bits
from cvpire.images.limits import END_IS_MISSING, check_size, not_supported

_END = b"\xff\xd9"
# Start-of-frame markers that libjpeg decodes: baseline, extended and progressive, by Huffman codes
# or arithmetic ones.
_COMMON_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
# A picture is decoded once for each of its scans: a small file of thousands would take hours.
# Encoders make some ten.
_MOST_SCANS = 200
_MODELS = {"L": Model.GREY, "RGB": Model.RGB, "CMYK": Model.CMYK}
_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
# How libjpeg's warnings begin (jerror.h); the strict reader also refuses what it cannot decode.
_DAMAGE = ("Corrupt JPEG data", "Inconsistent progression")
_WARNINGS = (*_DAMAGE, "Premature end", "Invalid SOS", "Unknown Adobe", "Warning")
# Those about what is not the picture: bytes after it, and profiles, which are read here.
_HARMLESS = ("extraneous bytes", "ICC marker")
_IN_PLACES = "The file is damaged in places, which the picture may show."


def decode_jpeg(name: str, data: bytes, max_pixels: int) -> Decoded:
    """The `Decoder` of JPEG."""
    segments = read_segments(data, _MOST_SCANS)
    if segments.scans > _MOST_SCANS:
        raise not_supported(name, "JPEG", f"more than {_MOST_SCANS} scans", "an ordinary JPEG")
    check_size(name, segments.size, max_pixels)
    if segments.frame in _COMMON_FRAMES and segments.bits == 8:
        samples, model, notes = _decode_common(name, data, segments, max_pixels)
    else:
        samples, model, notes = _decode_rare(name, data, segments)
    return Decoded(
        samples,
        model,
        orientation=exif_orientation(segments.exif),
        profile=segments.profile,
        notes=notes,
    )


def _decode_common(
    name: str, data: bytes, segments: Segments, max_pixels: int
) -> tuple[NDArray[Any], Model, tuple[str, ...]]:
    """Samples, model and notes.

    libjpeg fills what is missing with grey, and says so only to a strict reader. Where that has
    nothing to say, its pixels are taken, which are Pillow's; but for CMYK, which Adobe inverts.

    Raises:
        ValueError: if rows are missing, or scans.
    """
    notes: tuple[str, ...] = ()
    if not segments.is_ended:
        if not segments.is_fine:
            raise ValueError("scans are missing")
        data, notes = data + _END, (END_IS_MISSING,)
    image: Image.Image = JpegImageFile(io.BytesIO(data))
    check_size(name, image.size, max_pixels)
    model = _MODELS[image.mode]
    try:
        pixels: NDArray[Any] = simplejpeg.decode_jpeg(data, _SPACES[image.mode], strict=True)
    except ValueError as error:
        notes += _damage(str(error), segments)
    else:
        if model is not Model.CMYK:
            return (pixels[..., 0] if model is Model.GREY else pixels), model, notes
    return np.array(image), model, notes


def _damage(warning: str, segments: Segments) -> tuple[str, ...]:
    """A note on what libjpeg says first of an odd picture, or none where that does no harm.

    Raises:
        ValueError: if rows are missing, or nobody can tell whether they are.
    """
    is_looked_at = warning.startswith(_WARNINGS)
    if "remature end" in warning or not (is_looked_at or segments.is_ended):
        raise ValueError(warning)
    is_harmless = any(words in warning for words in _HARMLESS)
    return (_IN_PLACES,) if warning.startswith(_DAMAGE) and not is_harmless else ()


def _decode_rare(
    name: str, data: bytes, segments: Segments
) -> tuple[NDArray[Any], Model, tuple[str, ...]]:
    """12 bits a channel, or lossless: samples, model and notes.

    Raises:
        ValueError: for a picture without its end: nobody would tell that rows are missing.
    """
    bits = segments.bits
    if not 2 <= bits <= 16 or not segments.is_ended:
        raise ValueError("no such depth, or cut off")
    is_deep = segments.frame in _COMMON_FRAMES
    what = f"{bits} bits a channel" if is_deep else "lossless or hierarchical"
    try:
        values: NDArray[Any] = imagecodecs.jpeg_decode(data)
    except Exception as error:
        raise not_supported(name, "JPEG", what, "an ordinary JPEG") from error
    channels = 1 if values.ndim == 2 else values.shape[2]
    if channels not in (1, 3):
        raise not_supported(name, "JPEG", what, "an ordinary JPEG")
    model = Model.GREY if channels == 1 else Model.RGB
    return spread_bits(values, bits), model, reduction(bits)
