"""How a page's samples lie in the file: size, depth, compression, strips or tiles.

Everything is checked before anything is unpacked: what this describes is whole, inside the file,
of a kind that is read, and unpacks to no more than the picture's own size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvpire.images.decoding.tiff.compressions import (
    DEFLATE,
    FAX,
    JPEG,
    LZW,
    NAMES,
    NONE,
    OLD_JPEG,
    PACKBITS,
    READ,
    WEBP,
    WITH_PREDICTOR,
)
from cvpire.images.decoding.tiff.fields import (
    Photometric,
    SampleFormat,
    bytes_unpacked,
    check_colours,
    check_subsampling,
    photometric_of,
    sample_format_of,
    subsampling_of,
)
from cvpire.images.decoding.tiff.tags import DamagedError, Directory, UnsupportedError

# The most that a byte can unpack to: deflate's longest match in its shortest code (RFC 1951),
# PackBits' run of 128, LZW's longest string of 4,096 codes. A header that promises more is wrong.
_MOST_PER_BYTE = {PACKBITS: 64, LZW: 4096, **dict.fromkeys(DEFLATE, 1033)}

# One strip a row of three planes, of 65,535 rows, has a fifth of it.
_MAX_SEGMENTS = 1 << 20
_MAX_SAMPLES_PER_PIXEL = 64
# A tile may be larger than a small picture, but not by much.
_MAX_TILE_BYTES = 1 << 26
# A progressive JPEG has about ten scans. Each goes over the whole picture, though it may be of few
# bytes, so that a small file of thousands would take minutes. (libtiff stops after 100.)
_MAX_SCANS = 100
# Segments may share their bytes (empty tiles), but each is copied once more.
_MAX_READ = 1 << 30


@dataclass(frozen=True, eq=False)
class Layout:
    """One page's samples.

    Attributes:
        width, height: of the picture, in pixels.
        bits: a sample's.
        channels: samples of a pixel, extra ones included.
        number: their type.
        photometric: what they stand for.
        compression: tag 259.
        predictor: tag 317: 1, 2 or 3.
        fill_order: tag 266: 2 where the first pixel is in the lowest bit.
        is_planar: whether each channel is stored by itself.
        is_tiled: tiles, or strips.
        segment_width, segment_height: of a tile or of a whole strip, in pixels.
        offsets, counts: (N,) of each tile or strip, in bytes.
        subsampling: of the chroma of YCbCr, horizontally and vertically.
        jpeg_tables: tag 347, tables that all JPEG strips share.
        fax_options: tags 292 and 293.
    """

    width: int
    height: int
    bits: int
    channels: int
    number: SampleFormat
    photometric: Photometric
    compression: int
    predictor: int
    fill_order: int
    is_planar: bool
    is_tiled: bool
    segment_width: int
    segment_height: int
    offsets: NDArray[np.uint64]
    counts: NDArray[np.uint64]
    subsampling: tuple[int, int]
    jpeg_tables: bytes | None
    fax_options: tuple[int, int]


def picture_size(directory: Directory) -> tuple[int, int]:
    """Width and height, above 0, or a DamagedError."""
    width, height = directory.integer(256, 0), directory.integer(257, 0)
    if width < 1 or height < 1:
        raise DamagedError("no width or height")
    return width, height


def read_layout(directory: Directory, data: bytes, max_bytes: int) -> Layout:
    """The layout of a page.

    Args:
        directory: its tags.
        data: the whole file.
        max_bytes: the most that the samples may take when they are unpacked.

    Raises:
        DamagedError: if its tags contradict each other or the file.
        UnsupportedError: if it is of a kind that is not read.
    """
    width, height = picture_size(directory)
    if directory.integer(259, NONE) == OLD_JPEG:
        directory = _with_new_jpeg(directory, data, height)
    channels = directory.integer(277, 1)
    if channels < 1:
        raise DamagedError("no samples")
    if channels > _MAX_SAMPLES_PER_PIXEL:
        raise UnsupportedError(f"{channels} samples a pixel")
    compression = directory.integer(259, NONE)
    if compression not in READ:
        raise UnsupportedError(NAMES.get(compression, f"compression {compression}"))
    bits, number = sample_format_of(directory, channels)
    unpacked = width * height * channels * bytes_unpacked(bits)
    if unpacked > max_bytes:
        raise UnsupportedError(f"{unpacked / 1e6:.0f} MB of samples")
    photometric = photometric_of(directory, channels, compression)
    check_colours(photometric, channels, bits, number)
    subsampling = subsampling_of(directory, photometric)
    is_planar = channels > 1 and directory.integer(284, 1) == 2
    predictor = directory.integer(317, 1) if compression in WITH_PREDICTOR else 1
    _check_coding(compression, predictor, bits, number, channels, is_planar)
    is_tiled, segment_width, segment_height = _segment_size(directory, width, height)
    if subsampling != (1, 1):
        check_subsampling(subsampling, compression, predictor, channels, is_planar, is_tiled)
        if compression != JPEG and segment_height < height and segment_height % subsampling[1]:
            raise DamagedError("strips that end within a block of chroma")
    in_segment = 1 if is_planar else channels
    if is_tiled and segment_width * segment_height * in_segment * bits // 8 > _MAX_TILE_BYTES:
        raise UnsupportedError(f"tiles of {segment_width} x {segment_height} pixels")
    across, down = -(-width // segment_width), -(-height // segment_height)
    segments = across * down * (channels if is_planar else 1)
    if segments > _MAX_SEGMENTS:
        raise UnsupportedError(f"{segments} strips or tiles")
    heights = np.full(segments, segment_height, np.uint64)
    if not is_tiled:  # the last strip, of each plane
        heights[down - 1 :: down] = height - (down - 1) * segment_height
    needed = _bytes_of(heights, segment_width, in_segment, bits, photometric, subsampling)
    offsets, counts = _segments(directory, segments, is_tiled)
    if compression == NONE:
        counts = needed  # what writers put there is often wrong, and it is known
    elif counts is None:
        counts = np.full(segments, max(len(data) - int(offsets[0]), 0), np.uint64)
    _check_segments(data, offsets, counts, needed, compression)
    return Layout(
        width=width,
        height=height,
        bits=bits,
        channels=channels,
        number=number,
        photometric=photometric,
        compression=compression,
        predictor=predictor,
        fill_order=directory.integer(266, 1),
        is_planar=is_planar,
        is_tiled=is_tiled,
        segment_width=segment_width,
        segment_height=segment_height,
        offsets=offsets,
        counts=counts,
        subsampling=subsampling,
        jpeg_tables=directory.data(347) if compression == JPEG else None,
        fax_options=(directory.integer(292, 0), directory.integer(293, 0)),
    )


def _with_new_jpeg(directory: Directory, data: bytes, height: int) -> Directory:
    """A directory of old-style JPEG (TIFF 6.0, section 22) as one of a single new-style strip.

    Where JPEGInterchangeFormat points to a whole JPEG file, as it mostly does, that is all there is
    to it. The other ways to spread a JPEG over tags are obsolete since 1995.

    Raises:
        UnsupportedError: if there is no whole JPEG file.
    """
    offset, count = directory.integer(513, 0), directory.integer(514, 0)
    if offset + count > len(data):
        raise DamagedError("a JPEG beyond the file's end")
    file = data[offset : offset + count]
    if 322 in directory or not file.startswith(b"\xff\xd8\xff") or b"\xff\xd9" not in file[-64:]:
        raise UnsupportedError("old-style JPEG compression")
    channels = directory.integer(277, 3)
    photometric = Photometric.YCBCR if channels == 3 else Photometric.BLACK_IS_ZERO
    as_one_strip = {273: offset, 279: count, 278: height, 284: 1, 258: 8, 277: channels}
    return directory.changed({259: JPEG, 262: photometric, **as_one_strip})


def _segment_size(directory: Directory, width: int, height: int) -> tuple[bool, int, int]:
    """Whether there are tiles; width and height of a tile or strip, in pixels."""
    is_tiled = 322 in directory
    if is_tiled:
        segment = directory.integer(322, 0), directory.integer(323, 0)
    else:
        segment = width, min(directory.integer(278, height), height)
    if min(segment) < 1:
        raise DamagedError("strips or tiles without a size")
    return is_tiled, *segment


def _check_coding(
    compression: int,
    predictor: int,
    bits: int,
    number: SampleFormat,
    channels: int,
    is_planar: bool,
) -> None:
    """Refuse depths that a compression or a predictor is not defined for, or libtiff cannot do."""
    if compression == JPEG and bits != 8:
        raise UnsupportedError(f"{bits}-bit JPEG compression")
    if compression == JPEG and not is_planar and channels not in (1, 3, 4):
        raise UnsupportedError(f"JPEG compression of {channels} samples a pixel")
    if compression == WEBP and (bits != 8 or is_planar or channels not in (3, 4)):
        raise UnsupportedError(f"WebP compression of {channels} samples of {bits} bits")
    if compression in FAX and (bits != 1 or (channels > 1 and not is_planar)):
        raise UnsupportedError(f"fax compression of {channels} samples of {bits} bits")
    if predictor not in (1, 2, 3):
        raise UnsupportedError(f"predictor {predictor}")
    if predictor == 2 and bits not in (8, 16, 32, 64):
        raise UnsupportedError(f"predictor 2 with {bits}-bit samples")
    if predictor == 3 and (number is not SampleFormat.FLOAT or bits == 24):
        raise UnsupportedError(f"predictor 3 with {bits}-bit {number.name.lower()} samples")


def _bytes_of(
    rows: NDArray[np.uint64],
    width: int,
    channels: int,
    bits: int,
    photometric: Photometric,
    subsampling: tuple[int, int],
) -> NDArray[np.uint64]:
    """(N,) bytes of unpacked segments of these heights; each row is filled up to a byte."""
    horizontal, vertical = subsampling
    if photometric is Photometric.YCBCR and subsampling != (1, 1) and channels >= 3:
        # Blocks of luma, each with one Cb and one Cr.
        across = -(-width // horizontal)
        down = -(-rows.astype(np.int64) // vertical)
        blocks = (down * across).astype(np.uint64)
        return blocks * np.uint64((horizontal * vertical + channels - 1) * bits // 8)
    return rows * np.uint64((width * channels * bits + 7) // 8)


def _segments(
    directory: Directory, segments: int, is_tiled: bool
) -> tuple[NDArray[np.uint64], NDArray[np.uint64] | None]:
    """(N,) offsets, and byte counts; None for a missing count of a single one."""
    tags = (324, 325) if is_tiled and 324 in directory else (273, 279)
    offsets, counts = (directory.integers(tag)[:segments].astype(np.uint64) for tag in tags)
    if len(offsets) < segments:
        raise DamagedError("too few strips or tiles")
    if len(counts) == segments:
        return offsets, counts
    if len(counts) == 0 and segments == 1:
        return offsets, None
    raise DamagedError("too few byte counts")


def _check_segments(
    data: bytes,
    offsets: NDArray[np.uint64],
    counts: NDArray[np.uint64],
    needed: NDArray[np.uint64],
    compression: int,
) -> None:
    size = np.uint64(len(data))
    if not (offsets > 0).all() or not (counts > 0).all():
        raise DamagedError("a strip or tile is missing")
    if (offsets > size).any() or (counts > size - np.minimum(offsets, size)).any():
        raise DamagedError("a strip or tile beyond the file's end")
    if float(counts.sum(dtype=np.float64)) > max(_MAX_READ, 2 * len(data)):
        raise DamagedError("strips or tiles that overlap")
    most = _MOST_PER_BYTE.get(compression)
    if most is not None and (needed // np.uint64(most) > counts).any():
        raise DamagedError("strips or tiles that promise more than they can hold")
    if compression == JPEG:
        for start, end in zip(offsets.tolist(), (offsets + counts).tolist(), strict=True):
            if data.rfind(b"\xff\xd9", max(start, end - 64), end) < 0:
                # libjpeg would fill the rest with grey.
                raise DamagedError("a JPEG strip or tile without its end")
            if data.count(b"\xff\xda", start, end) > _MAX_SCANS:
                raise UnsupportedError("JPEG compression in more than 100 scans")
