"""Photos as the files that people post: JPEG, WebP and AVIF, by Pillow's real encoders.

A file holds the picture and nothing else: no EXIF, no profile (sRGB is what readers take then), no
thumbnail, no text. `cvpire.images.photo` has the lossless PNG.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, features

from cvpire.errors import PhotoError, SettingsError
from cvpire.images.photo import Photo
from cvpire.transparency import WHITE, composite

_WEBP_MOST_SIDE = 16_383

# libjpeg's; the format's own is 65,535.
_JPEG_MOST_SIDE = 65_500

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")


def encode_jpeg(photo: Photo, quality: int, *, subsampling: str = "4:2:0") -> bytes:
    """The photo as a baseline JPEG.

    Args:
        photo: without transparency, which JPEG cannot hold (see `on_white`).
        quality: libjpeg's, 1 to 100.
        subsampling: of the colours, one of `SUBSAMPLINGS`.

    Raises:
        PhotoError: for a photo with transparency, or sides of more than libjpeg's 65,500 pixels.
        SettingsError: for another quality or subsampling.
    """
    _check_quality(quality)
    if subsampling not in SUBSAMPLINGS:
        raise SettingsError(f"expected a subsampling of {SUBSAMPLINGS}, got {subsampling!r}")
    if photo.alpha is not None:
        raise PhotoError("JPEG cannot hold transparency: choose PNG, WebP or AVIF.")
    return _save(photo, "JPEG", quality=quality, subsampling=subsampling)


def encode_webp(photo: Photo, quality: int) -> bytes:
    """The photo as a lossy WebP; transparency is kept.

    Args:
        photo: with sides of up to 16,383 pixels.
        quality: libwebp's, 1 to 100.

    Raises:
        PhotoError: for larger sides.
        SettingsError: for another quality.
    """
    _check_quality(quality)
    # `exact` leaves the colours below transparency alone, as PNG does.
    return _save(photo, "WEBP", quality=quality, exact=True)


def encode_avif(photo: Photo, quality: int) -> bytes:
    """The photo as an AVIF of 4:2:0; its transparency is compressed as well, and blurs a little.

    Args:
        photo: with sides of up to 65,535 pixels.
        quality: libavif's, 1 to 100.

    Raises:
        PhotoError: if this Pillow was built without AVIF, or for larger sides.
        SettingsError: for another quality.
    """
    _check_quality(quality)
    if not has_avif():
        raise PhotoError("This Pillow cannot write AVIF: choose PNG, JPEG or WebP.")
    return _save(photo, "AVIF", quality=quality, speed=8)


def fits_jpeg(photo: Photo) -> bool:
    """Whether a JPEG can be as wide and as high."""
    return max(photo.width, photo.height) <= _JPEG_MOST_SIDE


def fits_webp(photo: Photo) -> bool:
    """Whether a WebP can be as wide and as high."""
    return max(photo.width, photo.height) <= _WEBP_MOST_SIDE


def has_avif() -> bool:
    """Whether Pillow was built with AVIF."""
    return bool(features.check("avif"))


def on_white(photo: Photo) -> Photo:
    """The photo without transparency, as a white page shows it."""
    return composite(photo, WHITE)


def _check_quality(quality: int) -> None:
    if not 1 <= quality <= 100:
        raise SettingsError(f"expected a quality of 1 to 100, got {quality}")


def _save(photo: Photo, kind: str, **settings: object) -> bytes:
    both = photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
    buffer = io.BytesIO()
    try:
        Image.fromarray(both).save(buffer, kind, **settings)
    except (OSError, ValueError) as error:
        raise PhotoError(
            f"A photo of {photo.width} x {photo.height} pixels cannot be written as {kind} "
            f"({error}): make it smaller or choose PNG."
        ) from error
    return buffer.getvalue()
