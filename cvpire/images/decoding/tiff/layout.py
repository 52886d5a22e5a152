"""How a page's samples lie in the file: size, depth, compression, strips or tiles.

Everything is checked before libtiff unpacks anything: what this describes is whole, inside the
file, of a kind that is read, and unpacks to no more than the picture's own size.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cvpire.images.decoding.tiff import compressions
from cvpire.images.decoding.tiff.compressions import FAX, JPEG, JPEG_2000, NONE, WEBP
from cvpire.images.decoding.tiff.fields import (
    COLOURS,
    LAB,
    Photometric,
    SampleFormat,
    photometric_of,
    sample_format_of,
    subsampling_of,
)
from cvpire.images.decoding.tiff.tags import DamagedError, Directory, UnsupportedError

# The most that a byte can unpack to: deflate's longest match in its shortest code (RFC 1951),
# PackBits' run of 128, LZW's longest string of 4,096 codes. A header that promises more is wrong.
_MOST_PER_BYTE = {
    compressions.PACKBITS: 64,
    compressions.LZW: 4096,
    **dict.fromkeys(compressions.DEFLATE, 1033),
}

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
    """How one page's samples are stored."""

    width: int  # of the picture, in pixels
    height: int
    bits: int  # of a sample
    channels: int  # samples of a pixel, extra ones included
    number: SampleFormat
    photometric: Photometric
    compression: int  # tag 259
    predictor: int  # tag 317: 1, 2 or 3
    fill_order: int  # tag 266: 2 where the first pixel is in the lowest bit
    is_planar: bool  # whether each channel is stored by itself
    is_tiled: bool  # tiles, or strips
    segment_width: int  # of a tile or of a whole strip, in pixels
    segment_height: int
    subsampling: tuple[int, int]  # pixels that share a sample of YCbCr's chroma, across and down
    jpeg_tables: bytes | None  # tag 347, tables that all JPEG strips share
    fax_options: tuple[int, int]  # tags 292 and 293
    offsets: NDArray[np.uint64]  # (N,) of each tile or strip, in bytes
    counts: NDArray[np.uint64]

    @property
    def segment_channels(self) -> int:
        """Channels of a tile or strip."""
        return 1 if self.is_planar else self.channels

    @property
    def becomes_rgb(self) -> bool:
        """Whether YCbCr is converted while it is unpacked: libjpeg knows best how its is meant."""
        is_ycbcr = self.photometric is Photometric.YCBCR
        return is_ycbcr and self.compression == JPEG and not self.is_planar


def picture_size(directory: Directory) -> tuple[int, int]:
    """Width and height, above 0, or a DamagedError."""
    width, height = directory.integer(256, 0), directory.integer(257, 0)
    if width < 1 or height < 1:
        raise DamagedError("no width or height")
    return width, height


def read_layout(directory: Directory, data: bytes, max_bytes: int) -> Layout:
    """The layout of a page; its samples may take so many bytes in memory."""
    width, height = picture_size(directory)
    if directory.integer(259, NONE) == compressions.OLD_JPEG:
        directory = _with_new_jpeg(directory, data, height)
    channels, compression = directory.integer(277, 1), directory.integer(259, NONE)
    if channels < 1:
        raise DamagedError("no samples")
    if channels > _MAX_SAMPLES_PER_PIXEL:
        raise UnsupportedError(f"{channels} samples a pixel")
    if compression not in compressions.READ:
        raise UnsupportedError(compressions.NAMES.get(compression, f"compression {compression}"))
    bits, number = sample_format_of(directory, channels)
    unpacked = width * height * channels * next(size for size in (1, 2, 4, 8) if bits <= 8 * size)
    if unpacked > max_bytes:
        raise UnsupportedError(f"{unpacked / 1e6:.0f} MB of samples")
    photometric = photometric_of(directory, channels, compression)
    is_tiled = 322 in directory
    strip = width, min(directory.integer(278, height), height)
    segment_width, segment_height = (
        (directory.integer(322, 0), directory.integer(323, 0)) if is_tiled else strip
    )
    has_predictor = compression in compressions.WITH_PREDICTOR
    layout = Layout(
        width=width,
        height=height,
        bits=bits,
        channels=channels,
        number=number,
        photometric=photometric,
        compression=compression,
        predictor=directory.integer(317, 1) if has_predictor else 1,
        fill_order=directory.integer(266, 1),
        is_planar=channels > 1 and directory.integer(284, 1) == 2,
        is_tiled=is_tiled,
        segment_width=segment_width,
        segment_height=segment_height,
        subsampling=subsampling_of(directory, photometric),
        jpeg_tables=directory.data(347) if compression == JPEG else None,
        fax_options=(directory.integer(292, 0), directory.integer(293, 0)),
        offsets=np.zeros(0, np.uint64),
        counts=np.zeros(0, np.uint64),
    )
    _check_kind(layout)
    return _with_segments(layout, directory, data)


def _with_new_jpeg(directory: Directory, data: bytes, height: int) -> Directory:
    """A directory of old-style JPEG (TIFF 6.0, section 22) as one of a single new-style strip.

    Where JPEGInterchangeFormat points to a whole JPEG file, as it mostly does, that is all there is
    to it. The other ways to spread a JPEG over tags are obsolete since 1995.
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


def _check_kind(layout: Layout) -> None:
    """Refuse what is not defined, what nobody writes, and what libtiff cannot read."""
    bits, channels, compression = layout.bits, layout.channels, layout.compression
    photometric, predictor, is_planar = layout.photometric, layout.predictor, layout.is_planar
    is_float, is_jpeg = layout.number is SampleFormat.FLOAT, compression == JPEG
    is_lab, is_ycbcr = photometric in LAB, photometric is Photometric.YCBCR
    horizontal, vertical = layout.subsampling
    # Of chroma that is shared, the storage is well defined in plain strips, and in JPEG.
    is_odd = layout.is_tiled or predictor != 1 or compression in JPEG_2000
    is_plain = channels == 3 and not is_planar and (is_jpeg or not is_odd)
    tile_bytes = layout.segment_width * layout.segment_height * layout.segment_channels * bits // 8
    name = photometric.name.replace("_", " ")
    samples = f"{channels} samples a pixel"
    kind = f"{bits}-bit {layout.number.name.lower()} samples"
    refused = {
        f"{samples} with photometric {name}": channels < COLOURS[photometric],
        f"{'L*a*b*' if is_lab else 'YCbCr'} of {bits} bits{', float' * is_float}": (
            (is_lab or is_ycbcr) and (bits not in (8, 16) or is_float)
        ),
        f"a palette with {bits}-bit indices": (
            photometric is Photometric.PALETTE
            and (bits > 16 or layout.number is not SampleFormat.UNSIGNED)
        ),
        f"{bits}-bit JPEG compression": is_jpeg and bits != 8,
        f"JPEG compression of {samples}": is_jpeg and not is_planar and channels not in (1, 3, 4),
        f"WebP compression of {channels} samples of {bits} bits": (
            compression == WEBP and (bits != 8 or is_planar or channels not in (3, 4))
        ),
        f"fax compression of {channels} samples of {bits} bits": (
            compression in FAX and (bits != 1 or layout.segment_channels > 1)
        ),
        f"predictor {predictor}": predictor not in (1, 2, 3),
        f"predictor 2 with {bits}-bit samples": predictor == 2 and bits not in (8, 16, 32, 64),
        f"predictor 3 with {kind}": predictor == 3 and (not is_float or bits == 24),
        f"YCbCr subsampled {horizontal} x {vertical} in planes or tiles": (
            layout.subsampling != (1, 1) and not is_plain
        ),
        f"tiles of {layout.segment_width} x {layout.segment_height} pixels": (
            layout.is_tiled and tile_bytes > _MAX_TILE_BYTES
        ),
    }
    for what, is_refused in refused.items():
        if is_refused:
            raise UnsupportedError(what)


def _with_segments(layout: Layout, directory: Directory, data: bytes) -> Layout:
    """With the places of its strips or tiles, each of them whole and inside the file."""
    width, height = layout.segment_width, layout.segment_height
    if width < 1 or height < 1:
        raise DamagedError("strips or tiles without a size")
    vertical = 1 if layout.compression == JPEG else layout.subsampling[1]
    if height < layout.height and height % vertical:
        raise DamagedError("strips that end within a block of chroma")
    across, down = -(-layout.width // width), -(-layout.height // height)
    number = across * down * (layout.channels if layout.is_planar else 1)
    if number > _MAX_SEGMENTS:
        raise UnsupportedError(f"{number} strips or tiles")
    heights = np.full(number, height, np.uint64)
    if not layout.is_tiled:  # the last strip, of each plane
        heights[down - 1 :: down] = layout.height - (down - 1) * height
    needed = _bytes_of(heights, layout)
    tags = (324, 325) if layout.is_tiled and 324 in directory else (273, 279)
    offsets, counts = (directory.integers(tag)[:number].astype(np.uint64) for tag in tags)
    if len(offsets) < number:
        raise DamagedError("too few strips or tiles")
    if len(counts) == 0 and number == 1:
        counts = np.full(1, max(len(data) - int(offsets[0]), 0), np.uint64)
    if len(counts) < number:
        raise DamagedError("too few byte counts")
    if layout.compression == NONE:
        counts = needed  # what writers put there is often wrong, and it is known
    layout = replace(layout, offsets=offsets, counts=counts)
    _check_segments(layout, data, needed)
    return layout


def _bytes_of(heights: NDArray[np.uint64], layout: Layout) -> NDArray[np.uint64]:
    """(N,) bytes of unpacked segments of these heights; each row is filled up to a byte."""
    channels, (horizontal, vertical) = layout.segment_channels, layout.subsampling
    if layout.subsampling != (1, 1) and channels >= 3:
        # Blocks of luma, each with one Cb and one Cr.
        across = -(-layout.segment_width // horizontal)
        down = -(-heights.astype(np.int64) // vertical)
        blocks = (down * across).astype(np.uint64)
        return blocks * np.uint64((horizontal * vertical + channels - 1) * layout.bits // 8)
    return heights * np.uint64((layout.segment_width * channels * layout.bits + 7) // 8)


def _check_segments(layout: Layout, data: bytes, needed: NDArray[np.uint64]) -> None:
    """Refuse segments that cannot hold the bytes that are needed of them."""
    offsets, counts, size = layout.offsets, layout.counts, np.uint64(len(data))
    if not (offsets > 0).all() or not (counts > 0).all():
        raise DamagedError("a strip or tile is missing")
    if (offsets > size).any() or (counts > size - np.minimum(offsets, size)).any():
        raise DamagedError("a strip or tile beyond the file's end")
    if float(counts.sum(dtype=np.float64)) > max(_MAX_READ, 2 * len(data)):
        raise DamagedError("strips or tiles that overlap")
    most = _MOST_PER_BYTE.get(layout.compression)
    if most is not None and (needed // np.uint64(most) > counts).any():
        raise DamagedError("strips or tiles that promise more than they can hold")
    if layout.compression in compressions.DEFLATE:
        for start, end, least in zip(
            offsets.tolist(), (offsets + counts).tolist(), needed.tolist(), strict=True
        ):
            _check_deflate(data[start:end], least, int(needed.max()))
    if layout.compression == JPEG:
        for start, end in zip(offsets.tolist(), (offsets + counts).tolist(), strict=True):
            if data.rfind(b"\xff\xd9", max(start, end - 64), end) < 0:
                # libjpeg would fill the rest with grey.
                raise DamagedError("a JPEG strip or tile without its end")
            if data.count(b"\xff\xda", start, end) > _MAX_SCANS:
                raise UnsupportedError("JPEG compression in more than 100 scans")


def _check_deflate(segment: bytes, least: int, most: int) -> None:
    """Refuse a strip or tile that does not unpack to its end, with its checksum.

    libtiff takes some that do not for whole, and fills them with what its memory held before.

    Args:
        segment: as it lies in the file.
        least: bytes that are needed of it.
        most: bytes of a whole one; the last strip may be filled up to that.
    """
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(segment, most + 1)
    except zlib.error as error:
        raise DamagedError(str(error)) from error
    if len(unpacked) < least or not unpacking.eof:
        raise DamagedError("a strip or tile that does not end")
