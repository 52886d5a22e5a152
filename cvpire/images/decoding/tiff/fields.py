"""What a TIFF says of its samples: their numbers, colours, and how colours are shared."""

from __future__ import annotations

from enum import IntEnum

from cvpire.images.decoding.tiff.compressions import FAX, JPEG, JPEG_2000
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


COLOURS = {
    Photometric.WHITE_IS_ZERO: 1,
    Photometric.BLACK_IS_ZERO: 1,
    Photometric.RGB: 3,
    Photometric.PALETTE: 1,
    Photometric.SEPARATED: 4,
    Photometric.YCBCR: 3,
    Photometric.CIE_LAB: 3,
    Photometric.ICC_LAB: 3,
    Photometric.ITU_LAB: 3,
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
    if kind in (5, 6):
        raise UnsupportedError("complex numbers")
    if kind not in (0, 1, 2, 3, 4):
        raise UnsupportedError(f"number type {kind}")
    # "Undefined" (4) and 0, which some writers mean by it, are read as whole numbers.
    is_typed = kind in (2, 3) and bits > 1  # a single bit has no room for a sign
    number = SampleFormat(kind) if is_typed else SampleFormat.UNSIGNED
    if number is SampleFormat.FLOAT:
        is_read = bits in (16, 24, 32, 64)
    else:
        is_read = 1 <= bits <= 32 or bits == 64
    if not is_read:
        raise UnsupportedError(f"{bits}-bit samples")
    return bits, number


def bytes_unpacked(bits: int) -> int:
    """Of one sample of so many bits, in memory."""
    return next(size for size in (1, 2, 4, 8) if bits <= 8 * size)


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


def check_colours(photometric: Photometric, channels: int, bits: int, kind: SampleFormat) -> None:
    """Refuse colours that the samples cannot hold, or that nobody writes so."""
    if channels < COLOURS[photometric]:
        what = photometric.name.replace("_", " ")
        raise UnsupportedError(f"{channels} samples a pixel with photometric {what}")
    is_lab = photometric in (Photometric.CIE_LAB, Photometric.ICC_LAB, Photometric.ITU_LAB)
    if (is_lab or photometric is Photometric.YCBCR) and (
        bits not in (8, 16) or kind is SampleFormat.FLOAT
    ):
        colours = "L*a*b*" if is_lab else "YCbCr"
        raise UnsupportedError(f"{colours} of {bits} bits{', float' * (kind == 3)}")
    if photometric is Photometric.PALETTE and (bits > 16 or kind != SampleFormat.UNSIGNED):
        raise UnsupportedError(f"a palette with {bits}-bit indices")


def subsampling_of(directory: Directory, photometric: Photometric) -> tuple[int, int]:
    """Pixels that share a sample of chroma, across and down, by tag 530."""
    if photometric is not Photometric.YCBCR:
        return 1, 1
    values = [int(value) for value in directory.integers(530)[:2]]
    horizontal, vertical = values if len(values) == 2 else (2, 2)
    if horizontal not in (1, 2, 4) or vertical not in (1, 2, 4):
        raise DamagedError("subsampling")
    return horizontal, vertical


def check_subsampling(
    subsampling: tuple[int, int],
    compression: int,
    predictor: int,
    channels: int,
    is_planar: bool,
    is_tiled: bool,
) -> None:
    """Refuse subsampled chroma that nobody writes, where its storage is not well defined."""
    is_plain = channels == 3 and not is_planar
    if not is_plain or (
        compression != JPEG and (predictor != 1 or is_tiled or compression in JPEG_2000)
    ):
        horizontal, vertical = subsampling
        raise UnsupportedError(f"YCbCr subsampled {horizontal} x {vertical} in planes or tiles")
