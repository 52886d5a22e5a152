"""Photos as the files that people post: JPEG, WebP and AVIF, by Pillow's real encoders.

A file holds the picture and nothing else: no EXIF, no profile (sRGB is what readers take then), no
thumbnail, no text. `cvpire.images.photo` has the lossless PNG.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import NamedTuple

from PIL import features

from cvpire.errors import PhotoError, SettingsError
from cvpire.images.photo import Photo, pillow_image
from cvpire.images.transparency import WHITE, composite


class Limits(NamedTuple):
    """The largest picture that a kind of file holds, so that its readers can read it."""

    side: int  # the largest width or height, in pixels
    area: int  # the largest width x height, in pixels


LIMITS: Mapping[str, Limits] = {
    "PNG": Limits(2**31 - 1, (2**31 - 1) ** 2),
    # libjpeg's; the format's own is 65,535.
    "JPEG": Limits(65_500, 65_500**2),
    "WebP": Limits(16_383, 16_383**2),
    # It can be written up to 65,536, but libavif reads no more than this
    # (AVIF_DEFAULT_IMAGE_DIMENSION_LIMIT and AVIF_DEFAULT_IMAGE_SIZE_LIMIT in avif.h).
    "AVIF": Limits(32_768, 16_384 * 16_384),
}

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")


def encode_jpeg(photo: Photo, quality: int, *, subsampling: str = "4:2:0") -> bytes:
    """The photo as a baseline JPEG.

    Args:
        photo: without transparency, which JPEG cannot hold (see `on_white`).
        quality: libjpeg's, 1 to 100.
        subsampling: of the colours, one of `SUBSAMPLINGS`.

    Raises:
        PhotoError: for a photo with transparency, or beyond `LIMITS`.
        SettingsError: for another quality or subsampling.
    """
    if subsampling not in SUBSAMPLINGS:
        raise SettingsError(f"expected a subsampling of {SUBSAMPLINGS}, got {subsampling!r}")
    return _save(photo, "JPEG", quality, subsampling=subsampling)


def encode_webp(photo: Photo, quality: int) -> bytes:
    """The photo as a lossy WebP; transparency is kept.

    Args:
        photo: within `LIMITS`.
        quality: libwebp's, 1 to 100.

    Raises:
        PhotoError: for a larger one.
        SettingsError: for another quality.
    """
    # `exact` leaves the colours below transparency alone, as PNG does.
    return _save(photo, "WebP", quality, exact=True)


def encode_avif(photo: Photo, quality: int) -> bytes:
    """The photo as an AVIF of 4:2:0; its transparency is compressed as well, and blurs a little.

    Args:
        photo: within `LIMITS`.
        quality: libavif's, 1 to 100.

    Raises:
        PhotoError: if this Pillow was built without AVIF, or for a larger photo.
        SettingsError: for another quality.
    """
    if not has_avif():
        raise PhotoError("This Pillow cannot write AVIF: choose PNG, JPEG or WebP.")
    return _save(photo, "AVIF", quality, speed=8)


def check_fits(photo: Photo, kind: str) -> None:
    """Say at once where a kind of file cannot hold a photo, before any work is done for it.

    Raises:
        PhotoError: for a photo that is too wide, too high or too large, or whose transparency
            such a file cannot hold.
    """
    limits = LIMITS[kind]
    if max(photo.width, photo.height) > limits.side:
        most = f"{limits.side:,} pixels a side"
    elif photo.width * photo.height > limits.area:
        most = f"{limits.area / 1e6:,.0f} megapixels"
    elif kind == "JPEG" and photo.alpha is not None:
        raise PhotoError("JPEG cannot hold transparency: choose PNG, WebP or AVIF.")
    else:
        return
    advice = "make it smaller" if kind == "PNG" else "make it smaller or choose PNG"
    raise PhotoError(
        f"A photo of {photo.width} x {photo.height} pixels cannot be written as {kind}, which "
        f"holds up to {most}: {advice}."
    )


def fits_jpeg(photo: Photo) -> bool:
    """Whether a JPEG can be as wide and as high."""
    return max(photo.width, photo.height) <= LIMITS["JPEG"].side


def fits_webp(photo: Photo) -> bool:
    """Whether a WebP can be as wide and as high."""
    return max(photo.width, photo.height) <= LIMITS["WebP"].side


def has_avif() -> bool:
    """Whether Pillow was built with AVIF."""
    return bool(features.check("avif"))


def on_white(photo: Photo) -> Photo:
    """The photo without transparency, as a white page shows it."""
    return composite(photo, WHITE)


def _save(photo: Photo, kind: str, quality: int, **settings: object) -> bytes:
    if not 1 <= quality <= 100:
        raise SettingsError(f"expected a quality of 1 to 100, got {quality}")
    check_fits(photo, kind)
    buffer, codec = io.BytesIO(), kind.upper()
    try:
        pillow_image(photo).save(buffer, codec, quality=quality, **settings)
    except (OSError, RuntimeError, ValueError) as error:  # Pillow's encoders raise each of these
        raise PhotoError(
            f"A photo of {photo.width} x {photo.height} pixels cannot be written as {codec} "
            f"({error}): make it smaller or choose PNG."
        ) from error
    return buffer.getvalue()
