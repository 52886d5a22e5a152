"""Files to photos: what a user's file shows, as a viewer shows it.

A decoder gives what the file holds (`cvpire.images.decoding.decoded`); here that becomes a photo
(`cvpire.images.photo`): upright, 8 bits a channel, sRGB, transparency beside it.
"""

from __future__ import annotations

import errno
import logging
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

from cvpire.errors import OutOfMemoryError, PhotoError, reason
from cvpire.images.decoding.bmp import decode_bmp
from cvpire.images.decoding.color_encoding import encoded_to_srgb, is_srgb
from cvpire.images.decoding.decoded import Decoded, Decoder
from cvpire.images.decoding.gif_webp import decode_gif, decode_webp
from cvpire.images.decoding.heif import decode_avif, decode_heic
from cvpire.images.decoding.jpeg import decode_jpeg
from cvpire.images.decoding.orientation import upright
from cvpire.images.decoding.png.decoding import decode_png
from cvpire.images.decoding.profiles import (
    OtherModelError,
    ProfileError,
    profile_to_srgb,
    without_profile,
)
from cvpire.images.decoding.samples import eight_bits
from cvpire.images.decoding.tiff.decoding import decode_tiff
from cvpire.images.limits import DEFAULT_MAX_BYTES, DEFAULT_MAX_PIXELS, damaged
from cvpire.images.photo import Photo

# The white list: what the first bytes are, whatever the file is called.
_DECODERS: tuple[tuple[bytes, Decoder], ...] = (
    (rb"\x89PNG\r\n\x1a\n", decode_png),
    (rb"\xff\xd8\xff", decode_jpeg),
    (rb"RIFF....WEBP", decode_webp),
    (rb"GIF8[79]a", decode_gif),
    (rb"BM", decode_bmp),
    (rb"II[*+]\0|MM\0[*+]", decode_tiff),
    (rb"....ftyp(....)*avi[fs]", decode_avif),
    (rb"....ftyp(hei[cmxs]|hev[cmxs]|mif1|msf1)", decode_heic),
)

# Decoders tell of odd files by log records. Without a handler of the program's own they would be
# printed, as Python's last resort.
for _library in ("imagecodecs", "tifffile"):
    logging.getLogger(_library).addHandler(logging.NullHandler())

# Reading holds this lock, because the decoders' switches (see _decoding) belong to the whole
# process. It also means that no two big photos are unpacked in memory at the same time.
_DECODING = threading.Lock()


def read_photo(
    source: str | Path | bytes,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Photo:
    """Read a PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF or HEIC picture as a viewer would show it.

    Orientation is applied, colours are brought to 8-bit sRGB, transparency is kept beside them.

    Args:
        source: a file's path, or a file's content.
        max_pixels: the largest width x height, judged before anything is unpacked.
        max_bytes: the largest file.

    Raises:
        PhotoError: if the file cannot be read, is too large, damaged, cut off, animated, or of
            another kind. No other exception leaves this function because of a file's content.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (40, 30), "teal").save(file, "PNG")
        >>> read_photo(file.getvalue()).pixels[0, 0].tolist()
        [0, 128, 128]
    """
    name, data = _load_bytes(source, max_bytes)
    with _decoding(name):
        return _to_photo(_find_decoder(name, data)(name, data, max_pixels))


def read_written(data: bytes, photo: Photo) -> Photo:
    """Read a file that was made of a photo. No limits: it is ours, and the photo was let in."""
    return read_photo(data, max_pixels=photo.width * photo.height, max_bytes=len(data))


def _load_bytes(source: str | Path | bytes, max_bytes: int) -> tuple[str, bytes]:
    """A name for messages, and the content: at most max_bytes, and at least one."""
    if isinstance(source, bytes):
        name, size, data = "The photo", len(source), source
    else:
        path = Path(source)
        name = path.name or "The photo"
        try:
            size, data = _load_file(path, max_bytes)
        except OSError as error:
            raise PhotoError(f"{name} could not be read: {reason(error)}.") from error
        except ValueError as error:  # a zero character inside the path
            raise PhotoError("That path cannot be a file's, check it.") from error
    if size > max_bytes:
        raise PhotoError(
            f"{name} has {size / 1e6:.1f} MB and at most {max_bytes / 1e6:g} MB are accepted:"
            " make it smaller and try again."
        )
    if not data:
        raise PhotoError(f"{name} is empty (0 bytes): export or download it again.")
    return name, data


def _load_file(path: Path, max_bytes: int) -> tuple[int, bytes]:
    """Size and content; the content is left out where the size alone forbids it."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, "Is a directory")
    if not stat.S_ISREG(status.st_mode):  # a pipe would wait, a device would never end
        raise OSError(errno.EINVAL, "Not a regular file")
    if status.st_size > max_bytes:
        return status.st_size, b""
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)  # it may have grown since
    return len(data), data


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Let nothing out of the decoders but a PhotoError: no other exception, no warning.

    They meet hostile bytes with nearly every exception there is, so all are taken.
    """
    with _DECODING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Some libraries switch this on; then half a photo would pass, its rest grey.
        tolerant, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        try:
            yield
        except PhotoError:
            raise
        except MemoryError as error:
            raise OutOfMemoryError(
                f"{name} needs more memory than there is: make it smaller and try again."
            ) from error
        except Exception as error:
            raise damaged(name) from error
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = tolerant


def _find_decoder(name: str, data: bytes) -> Decoder:
    for signature, decoder in _DECODERS:
        if re.match(signature, data[:64], re.DOTALL):
            return decoder
    raise PhotoError(
        f"{name} is not a picture of a kind that can be read:"
        " save it as JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF and try again."
    )


def _to_photo(decoded: Decoded) -> Photo:
    pixels, notes = _to_srgb(decoded)
    turned = upright(pixels, decoded.orientation)
    alpha = None
    if decoded.alpha is not None:
        alpha = upright(eight_bits(decoded.alpha), decoded.orientation)
    is_told = decoded.orientation == 1 or decoded.is_turn_noted
    turn_note = () if is_told else ("Turned upright as its EXIF orientation says.",)
    return Photo(turned, alpha, (*turn_note, *decoded.notes, *notes))


def _to_srgb(decoded: Decoded) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """(H, W, 3) 8-bit sRGB, and what was done, one short sentence each."""
    notes: list[str] = []
    encoding = decoded.encoding
    if decoded.profile is not None and not (decoded.encoding_first and encoding is not None):
        try:
            return profile_to_srgb(eight_bits(decoded.samples), decoded.model, decoded.profile)
        except ProfileError as error:
            notes.append(str(error))
            encoding = None if isinstance(error, OtherModelError) else encoding
    if encoding is not None and not is_srgb(encoding):
        notes.append(f"Converted from {encoding.name} to sRGB.")
        return encoded_to_srgb(decoded.samples, encoding), tuple(notes)
    pixels, done_without = without_profile(eight_bits(decoded.samples), decoded.model)
    return pixels, (*notes, *done_without)
