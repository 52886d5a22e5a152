"""What every decoder asks before it unpacks anything, and what it says of a damaged file."""

from __future__ import annotations

from cvpire.errors import PhotoError


def check_size(name: str, size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a picture that is too large.

    Args:
        name: of the photo, for the message.
        size: width and height, in pixels.
        max_pixels: the largest width x height.

    Raises:
        PhotoError: if there are more.
    """
    width, height = size
    if width * height > max_pixels:
        raise PhotoError(
            f"{name} has {width} x {height} pixels ({width * height / 1e6:.1f} megapixels) and at"
            f" most {max_pixels / 1e6:g} megapixels are accepted: make it smaller and try again."
        )


def damaged(name: str) -> PhotoError:
    """The error for a file whose content is not whole."""
    return PhotoError(
        f"{name} is cut off or damaged and cannot be read: export or download it again."
    )
