"""JPEG. One with further pictures inside ("MPO", many phones) gives its first.

Source of its segments: ITU-T T.81, annex B; ICC.1:2010, B.4 (profiles in parts); EXIF 2.32, 4.7.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import Any

import imagecodecs
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from cvpire.images.decoding.decoded import Decoded, Model
from cvpire.images.decoding.orientation import exif_orientation
from cvpire.images.decoding.samples import reduction, spread_bits
from cvpire.images.limits import END_IS_MISSING, check_size, not_supported

_END = b"\xff\xd9"
_EXIF, _ICC = b"Exif\0\0", b"ICC_PROFILE\0"
_START_OF_SCAN = 0xDA
# Start-of-frame markers; the three between them that are none; JPEG-LS's.
_FRAMES = range(0xC0, 0xD0)
_NO_FRAMES = (0xC4, 0xC8, 0xCC)
_JPEG_LS = 0xF7
_COEFFICIENTS = 64
# No picture has so many: 100 MB of the longest segments are some 1,500.
_MOST_MARKERS = 20_000
# In coded data a byte of 255 is followed by 0 or is a restart's. Any number more may fill up before
# a marker.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
# Start-of-frame markers that libjpeg decodes: baseline, extended and progressive, by Huffman codes
# or arithmetic ones.
_COMMON_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
# A picture is decoded once for each of its scans: a small file of thousands would take hours.
# Encoders make some ten.
_MOST_SCANS = 200
# Pillow's modes: what the channels are, and simplejpeg's name for them.
_MODES = {"L": (Model.GREY, "GRAY"), "RGB": (Model.RGB, "RGB"), "CMYK": (Model.CMYK, "CMYK")}
# How libjpeg's warnings begin (jerror.h); the strict reader also refuses what it cannot decode.
_DAMAGE = ("Corrupt JPEG data", "Inconsistent progression")
_WARNINGS = (*_DAMAGE, "Premature end", "Invalid SOS", "Unknown Adobe", "Warning")
# Those about what is not the picture: bytes after it, and profiles, which are read here.
_HARMLESS = ("extraneous bytes", "ICC marker")
_IN_PLACES = "The file is damaged in places, which the picture may show."


@dataclass
class _Segments:
    """What the segments say."""

    frame: int = 0  # kind of the start of frame
    bits: int = 0  # of a sample
    size: tuple[int, int] = (0, 0)  # width and height
    exif: bytes | None = None  # a block of EXIF data, without its mark
    scans: int = 0  # how many the picture has
    is_ended: bool = False  # whether the end marker is there
    # Of each channel of a progressive picture, a bit for each coefficient whose last bit no scan
    # has brought.
    missing: dict[int, int] = field(default_factory=dict)
    # Of the ICC profile, by their numbers, which count from 1; and how many there should be.
    parts: dict[int, bytes] = field(default_factory=dict)
    part_count: int = 0

    @property
    def profile(self) -> bytes | None:
        """The ICC profile; empty where parts of it are missing; None without one."""
        if not self.parts:
            return None
        numbers = range(1, self.part_count + 1)
        is_whole = all(number in self.parts for number in numbers)
        return b"".join(self.parts[number] for number in numbers) if is_whole else b""

    @property
    def is_fine(self) -> bool:
        """Whether the scans of a progressive picture hold all of its detail."""
        return not any(self.missing.values())


def decode_jpeg(name: str, data: bytes, max_pixels: int) -> Decoded:
    """The `Decoder` of JPEG."""
    segments = _read_segments(data)
    if segments.scans > _MOST_SCANS:
        raise not_supported(name, "JPEG", f"more than {_MOST_SCANS} scans", "an ordinary JPEG")
    check_size(name, segments.size, max_pixels)
    if segments.frame in _COMMON_FRAMES and segments.bits == 8:
        samples, model, notes = _decode_common(name, data, segments, max_pixels)
    else:
        samples, model, notes = _decode_rare(name, data, segments)
    turn = exif_orientation(segments.exif)
    return Decoded(samples, model, None, turn, segments.profile, notes=notes)


def _decode_common(
    name: str, data: bytes, segments: _Segments, max_pixels: int
) -> tuple[NDArray[Any], Model, tuple[str, ...]]:
    """Samples, model and notes.

    libjpeg fills what is missing with grey, and says so only to a strict reader. Where that has
    nothing to say, its pixels are taken, which are Pillow's; but for CMYK, which Adobe inverts.
    """
    notes: tuple[str, ...] = ()
    if not segments.is_ended:
        if not segments.is_fine:
            raise ValueError("scans are missing")
        data, notes = data + _END, (END_IS_MISSING,)
    image: Image.Image = JpegImageFile(io.BytesIO(data))
    check_size(name, image.size, max_pixels)
    model, space = _MODES[image.mode]
    try:
        pixels: NDArray[Any] = simplejpeg.decode_jpeg(data, space, strict=True)
    except ValueError as error:
        notes += _damage(str(error), segments)
    else:
        if model is not Model.CMYK:
            return (pixels[..., 0] if model is Model.GREY else pixels), model, notes
    return np.array(image), model, notes


def _damage(warning: str, segments: _Segments) -> tuple[str, ...]:
    """A note on what libjpeg says first of an odd picture, or none where that does no harm.

    A ValueError if rows are missing, or nobody can tell whether they are.
    """
    is_looked_at = warning.startswith(_WARNINGS)
    if "remature end" in warning or not (is_looked_at or segments.is_ended):
        raise ValueError(warning)
    is_harmless = any(words in warning for words in _HARMLESS)
    return (_IN_PLACES,) if warning.startswith(_DAMAGE) and not is_harmless else ()


def _decode_rare(
    name: str, data: bytes, segments: _Segments
) -> tuple[NDArray[Any], Model, tuple[str, ...]]:
    """12 bits a channel, or lossless: samples, model and notes.

    Without its end a picture is damaged: nobody would tell that rows are missing.
    """
    bits = segments.bits
    if not 2 <= bits <= 16 or not segments.is_ended:
        raise ValueError("no such depth, or cut off")
    is_deep = segments.frame in _COMMON_FRAMES
    what = f"{bits} bits a channel" if is_deep else "lossless or hierarchical"
    try:
        values: NDArray[Any] = imagecodecs.jpeg_decode(data)
        model = {(): Model.GREY, (1,): Model.GREY, (3,): Model.RGB}[values.shape[2:]]
    except Exception as error:
        raise not_supported(name, "JPEG", what, "an ordinary JPEG") from error
    return spread_bits(values, bits), model, reduction(bits)


def _read_segments(data: bytes) -> _Segments:
    """The segments of a file's first picture, its scans' headers included.

    After `_MOST_SCANS` scans and one, no more are looked for.
    """
    found = _Segments()
    at = 2
    for _ in range(_MOST_MARKERS):
        # Coded data lie after a scan's header only; damage may lie anywhere.
        marker = _MARKER.search(data, at)
        at = len(data) if marker is None else marker.start()
        if at + 2 > len(data) or data[at + 1] == _END[1]:
            break
        kind = data[at + 1]
        if kind in (0x01, 0xD8):  # nothing follows these
            at += 2
            continue
        length = max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
        _take(found, kind, data[at + 4 : at + 2 + length])
        if found.scans > _MOST_SCANS:
            break
        at += 2 + length
    else:
        raise ValueError("too many segments")
    if not found.frame:
        raise ValueError("no picture")
    found.is_ended = data[at : at + 2] == _END
    return found


def _take(found: _Segments, kind: int, content: bytes) -> None:
    is_frame = (kind in _FRAMES and kind not in _NO_FRAMES) or kind == _JPEG_LS
    if kind == _START_OF_SCAN:
        found.scans += 1
        _take_scan(content, found.missing)
    elif is_frame and not found.frame and len(content) >= 6:
        found.frame, found.bits = kind, content[0]
        height, width = content[1:3], content[3:5]
        found.size = int.from_bytes(width, "big"), int.from_bytes(height, "big")
        if kind in (0xC2, 0xCA):  # progressive: each bit of each coefficient is still to come
            components = content[6 : 6 + 3 * content[5] : 3]
            found.missing = dict.fromkeys(components, 2**_COEFFICIENTS - 1)
    elif kind == 0xE1 and content.startswith(_EXIF) and found.exif is None:
        found.exif = content[len(_EXIF) :]
    elif kind == 0xE2 and content.startswith(_ICC) and len(content) >= 14:
        number, found.part_count = content[12], found.part_count or content[13]
        found.parts.setdefault(number, content[14:])


def _take_scan(content: bytes, missing: dict[int, int]) -> None:
    """Note which coefficients a scan has brought to their last bit."""
    if not content or len(content) < 4 + 2 * content[0]:
        return
    first, last, bits = content[1 + 2 * content[0] : 4 + 2 * content[0]]
    if bits & 15 or last >= _COEFFICIENTS or first > last:
        return
    done = (2 ** (last + 1) - 1) ^ (2**first - 1)
    for component in content[1 : 1 + 2 * content[0] : 2]:
        if component in missing:
            missing[component] &= ~done
