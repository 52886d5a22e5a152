"""What a TIFF says of its samples: their numbers, colours, and how colours are shared."""

from __future__ import annotations

from enum import IntEnum

from cvpire.images.decoding.tiff.compressions import FAX
from cvpire.images.decoding.tiff.tags import DamagedError, Directory, UnsupportedError


class Photometric(IntEnum):
    """What the samples stand for (TIFF 6.0, tag 262, and its supplements)."""

    WHITE_IS_ZERO = 0
    BLACK_IS_ZERO = 1
    RGB = 2
    PALETTE = 3
    SEPARATED = 5
    YCBCR = 6
    CIE_LAB = 8
    ICC_LAB = 9
    ITU_LAB = 10


class SampleFormat(IntEnum):
    """Number types of samples (tag 339)."""

    UNSIGNED = 1
    SIGNED = 2
    FLOAT = 3


LAB = (Photometric.CIE_LAB, Photometric.ICC_LAB, Photometric.ITU_LAB)

# Of a pixel, how many samples are its colour.
COLOURS = {
    **dict.fromkeys(Photometric, 3),
    **dict.fromkeys((Photometric.WHITE_IS_ZERO, Photometric.BLACK_IS_ZERO, Photometric.PALETTE), 1),
    Photometric.SEPARATED: 4,
}


def sample_format_of(directory: Directory, channels: int) -> tuple[int, SampleFormat]:
    """Bits and type of a sample, which must be the same for all."""
    depths = {int(value) for value in directory.integers(258)[:channels]} or {1}
    formats = {int(value) for value in directory.integers(339)[:channels]} or {1}
    if len(depths) > 1:
        raise UnsupportedError(f"samples of {' and '.join(map(str, sorted(depths)))} bits")
    if len(formats) > 1:
        raise UnsupportedError("samples of different number types")
    bits, kind = depths.pop(), formats.pop()
    if kind not in range(5):
        what = "complex numbers" if kind in (5, 6) else f"number type {kind}"
        raise UnsupportedError(what)
    # "Undefined" (4) and 0, which some writers mean by it, are read as whole numbers.
    is_typed = kind in (2, 3) and bits > 1  # a single bit has no room for a sign
    number = SampleFormat(kind) if is_typed else SampleFormat.UNSIGNED
    is_float = number is SampleFormat.FLOAT
    if bits not in ((16, 24, 32, 64) if is_float else (*range(1, 33), 64)):
        raise UnsupportedError(f"{bits}-bit samples")
    return bits, number


def photometric_of(directory: Directory, channels: int, compression: int) -> Photometric:
    """What the samples of a pixel mean, by tag 262; guessed as libtiff does where it is missing."""
    value = directory.integer(262, -1)
    if value == -1:  # as libtiff does; a fax shows black on white
        value = 2 if channels >= 3 else 0 if compression in FAX else 1
    if value in (32844, 32845):
        raise UnsupportedError("SGI LogLuv")
    try:
        return Photometric(value)
    except ValueError as error:
        raise UnsupportedError(f"photometric interpretation {value}") from error


def subsampling_of(directory: Directory, photometric: Photometric) -> tuple[int, int]:
    """Pixels that share a sample of chroma, across and down, by tag 530."""
    if photometric is not Photometric.YCBCR:
        return 1, 1
    values = [int(value) for value in directory.integers(530)[:2]]
    horizontal, vertical = values if len(values) == 2 else (2, 2)
    if horizontal not in (1, 2, 4) or vertical not in (1, 2, 4):
        raise DamagedError("subsampling")
    return horizontal, vertical
