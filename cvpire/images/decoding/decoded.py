"""What a decoder finds in a file: the samples as they are stored, and what they mean.

Each decoder (`png`, `tiff`, ...) gives a `Decoded`; `cvpire.images.reading` brings it to a photo.
So orientation, transparency, depth and colours are treated in one way, whatever the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from numpy.typing import NDArray

from cvpire.images.decoding.color_encoding import ColorEncoding


class Model(Enum):
    """What the channels of a picture are."""

    GREY = "grey"
    RGB = "RGB"
    CMYK = "CMYK"  # amounts of ink: 0 is paper
    LAB = "L*a*b*"  # as ICC encodes it in 8 and 16 bits, see `cvpire.images.decoding.profiles`


@dataclass(frozen=True, eq=False)
class Decoded:
    """One picture as its file stores it, before its colours are brought to sRGB.

    Samples have one of three types, whatever the file's own depth: uint8 (255 is full), uint16
    (65,535 is full) or float32 (1.0 is full).

    Attributes:
        samples: (H, W) of grey, else (H, W, channels); black is 0, except in CMYK.
        model: what the channels are.
        alpha: (H, W) of the types above, 0 clear, straight (colours not multiplied by it); None
            where the picture is opaque.
        orientation: of EXIF, 1 to 8; 1 where the decoder has applied it already.
        profile: the embedded ICC profile; None without one.
        encoding: what the file says of its colours by other means than a profile; it counts where
            there is no profile, unless `encoding_first`.
        encoding_first: whether the encoding goes before the profile (PNG's cICP).
        is_turn_noted: whether the notes tell of the orientation.
        notes: what decoding changed or passed over, one short sentence each.
    """

    samples: NDArray[Any]
    model: Model
    alpha: NDArray[Any] | None = None
    orientation: int = 1
    profile: bytes | None = None
    encoding: ColorEncoding | None = None
    encoding_first: bool = False
    is_turn_noted: bool = False
    notes: tuple[str, ...] = ()


Decoder = Callable[[str, bytes, int], Decoded]
"""Decodes one kind of file.

Args:
    name: of the file, for messages.
    data: its content.
    max_pixels: the largest width x height, judged before anything is unpacked.

Raises:
    PhotoError: for a picture that is too large, an animation, or of a kind that nothing decodes.
    Exception: others, from the libraries that unpack it, for a damaged file.
"""
