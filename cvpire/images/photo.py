"""A photo in memory, and as a file that holds the picture and nothing else.

A photo is uint8 in sRGB (D65), shape (H, W, 3), values 0 to 255, upright as a viewer shows it.
Its transparency, if any, is kept beside it: uint8, shape (H, W), 0 clear to 255 opaque, straight
(colours are not multiplied by it). Nothing else of a file survives: no EXIF, no profile, no text.
"""

from __future__ import annotations

import io
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvpire.errors import PhotoError, reason


@dataclass(frozen=True, eq=False)
class Photo:
    """An 8-bit sRGB picture. Arrays are stored C-contiguous and owned; an all-255 alpha is dropped.

    Attributes:
        pixels: (H, W, 3), sRGB, 0 to 255.
        alpha: (H, W), 0 clear to 255 opaque, or None when opaque everywhere.
        notes: what reading changed, one short sentence each.

    Raises:
        ValueError: if an array is not uint8 or not of the shape above.

    Example:
        >>> Photo(np.zeros((480, 640, 3), np.uint8)).width
        640
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _expect("pixels", self.pixels, (*self.pixels.shape[:2], 3))
        object.__setattr__(self, "pixels", np.require(self.pixels, requirements=["C", "O"]))
        if self.alpha is not None:
            _expect("alpha", self.alpha, self.pixels.shape[:2])
            is_opaque = bool((self.alpha == 255).all())
            alpha = None if is_opaque else np.require(self.alpha, requirements=["C", "O"])
            object.__setattr__(self, "alpha", alpha)

    @property
    def height(self) -> int:
        """Rows."""
        return len(self.pixels)

    @property
    def width(self) -> int:
        """Columns."""
        return len(self.pixels[0])

    def with_pixels(self, pixels: NDArray[np.uint8]) -> Photo:
        """The same photo with other colours: (H, W, 3) uint8 of the same size.

        Raises:
            ValueError: if shape or dtype differ from this photo's.
        """
        _expect("pixels", pixels, self.pixels.shape)
        return replace(self, pixels=pixels)


def encode_png(photo: Photo, *, compress_level: int = 3) -> bytes:
    """The photo as a PNG of IHDR, IDAT and IEND only: equal pixels in, equal bytes out.

    Args:
        photo: what to write.
        compress_level: zlib's, 0 to 9; 3 takes a third of the time of Pillow's default 6.
    """
    buffer = io.BytesIO()
    pillow_image(photo).save(buffer, "PNG", compress_level=compress_level)
    return buffer.getvalue()


def pillow_image(photo: Photo) -> Image.Image:
    """The photo as Pillow's RGB or RGBA."""
    if photo.alpha is None:
        return Image.fromarray(photo.pixels)
    return Image.fromarray(np.dstack([photo.pixels, photo.alpha]))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file as a whole or not at all.

    Raises:
        PhotoError: if the folder is missing or closed to us, or the disk is full. Nothing
            half-written stays, and an older file of that name keeps its content.
    """
    # Created plainly, not by tempfile, whose files nobody else may read.
    temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise PhotoError(f"{path.name} could not be written: {reason(error)}.") from error
    except ValueError as error:  # a character in the path that no system takes
        raise PhotoError("That path cannot be a file's, check it.") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def preview(photo: Photo, max_side: int = 1600) -> Photo:
    """The photo shrunk for a screen (Lanczos); a photo that already fits is returned as it is.

    Args:
        photo: any size.
        max_side: the longest side of the result, in pixels.
    """
    if max(photo.width, photo.height) <= max_side:
        return photo
    image = pillow_image(photo)
    # Pillow weights colours by alpha here, so hidden colours do not bleed into visible ones.
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    small = np.array(image)
    return Photo(small[..., :3], None if photo.alpha is None else small[..., 3], photo.notes)


def _expect(what: str, array: NDArray[np.uint8], shape: tuple[int, ...]) -> None:
    if array.dtype != np.uint8 or array.shape != shape or 0 in array.shape:
        raise ValueError(
            f"{what}: expected non-empty uint8 of shape {shape}, got {array.dtype} of {array.shape}"
        )
