"""Sizes that are accepted, judged by a file's header before anything is unpacked."""

from __future__ import annotations

from cvpire.errors import PhotoError

DEFAULT_MAX_PIXELS = 64_000_000
DEFAULT_MAX_BYTES = 100_000_000

# Frames of an animation beyond this are not counted.
MOST_COUNTED = 1000

# A note on a file that lacks no more than the mark of its end.
END_IS_MISSING = "The end of the file is missing; the picture itself is whole."


def check_size(name: str, size: tuple[int, int], max_pixels: int) -> None:
    """Refuse, by a PhotoError, a picture of more pixels; its size is width and height."""
    width, height = size
    if width * height > max_pixels:
        raise PhotoError(
            f"{name} has {width} x {height} pixels ({width * height / 1e6:.1f} megapixels) and at"
            f" most {max_pixels / 1e6:g} megapixels are accepted: make it smaller and try again."
        )


def expect_one_frame(name: str, frames: int) -> None:
    """Refuse, by a PhotoError, an animation."""
    if frames > 1:
        count = frames if frames <= MOST_COUNTED else f"more than {MOST_COUNTED}"
        raise PhotoError(
            f"{name} is an animation of {count} frames and a single picture was expected:"
            " save one frame and try again."
        )


def not_supported(name: str, kind: str, what: str, instead: str = "JPEG or PNG") -> PhotoError:
    """The error for a whole file of a kind that nothing here can read.

    Args:
        name: of the file.
        kind: "TIFF", and
        what: is special about it: "complex numbers".
        instead: what it is to be saved as.
    """
    return PhotoError(
        f"{name}: this kind of {kind} ({what}) is not supported: save it as {instead} and try"
        " again."
    )


def damaged(name: str) -> PhotoError:
    """The error for a file whose content is not whole."""
    return PhotoError(
        f"{name} is cut off or damaged and cannot be read: export or download it again."
    )
