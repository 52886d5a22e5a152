"""Unpacks a page's samples: with libtiff (by imagecodecs), and with tifffile what that cannot.

Neither library sees the file's own directory. A new one is put behind the file, of the few tags
that say how samples are packed, with the values that `layout` has checked. So nothing else in
a file can mislead them, and libtiff hands over the samples as they are stored: by its own choice it
would convert CMYK to RGB and forget what the inks were.
"""

from __future__ import annotations

import dataclasses
import io
import logging
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from tifffile.tifffile import jpeg_shape

from cvpire.images.decoding.tiff.compressions import JPEG, JPEG_2000
from cvpire.images.decoding.tiff.fields import COLOURS, Photometric, SampleFormat
from cvpire.images.decoding.tiff.layout import Layout
from cvpire.images.decoding.tiff.tags import DamagedError, TiffBytes, UnsupportedError

# Types of fields.
_LONG, _UNDEFINED, _LONG8 = 4, 7, 16
# Where the size of a JPEG strip is found, and how many are looked at.
_HEADER_SIZE, _MAX_PICTURES = 1 << 12, 1 << 14


def read_samples(file: TiffBytes, layout: Layout) -> NDArray[Any]:
    """The samples of a page: (H, W, channels) of bool, integers or floats; writable, nobody else's.

    Subsampled chroma is repeated. YCbCr of JPEG strips has become RGB (see `Layout.becomes_rgb`).
    """
    if layout.subsampling != (1, 1) and layout.compression != JPEG:
        return _from_blocks(read_samples(file, _as_blocks(layout)), layout)
    if layout.number is SampleFormat.FLOAT and layout.bits == 24:
        # imagecodecs knows this type, but not inside a TIFF; as bytes it gets through.
        raw = read_samples(file, _as_bytes(layout)).tobytes()
        return _shaped(imagecodecs.float24_decode(raw, byteorder=file.order), layout)
    rewritten = _with_directory(file, _tags(layout))
    if _needs_tifffile(layout):
        samples = _by_tifffile(rewritten, layout)
    else:
        samples = imagecodecs.tiff_decode(rewritten)
    del rewritten
    samples = _shaped(samples, layout)
    if layout.bits == 24:
        samples = _swapped24(samples)
    if layout.number is SampleFormat.SIGNED:
        # libtiff and imagecodecs leave the sign of packed integers where it is.
        spare = samples.dtype.itemsize * 8 - layout.bits
        if spare:
            samples = (samples << spare) >> spare
    return samples if samples.flags.writeable else samples.copy()


def _as_bytes(layout: Layout) -> Layout:
    channels = layout.channels * layout.bits // 8
    return dataclasses.replace(layout, bits=8, channels=channels, number=SampleFormat.UNSIGNED)


def _as_blocks(layout: Layout) -> Layout:
    """Subsampled YCbCr as a grey picture whose rows are rows of blocks.

    A block is the luma of some pixels, then one Cb and one Cr (TIFF 6.0, section 21). libtiff gives
    such files only as RGB of 8 bits, without the last blocks where the size is odd.
    """
    horizontal, vertical = layout.subsampling
    width = -(-layout.width // horizontal) * (horizontal * vertical + 2)
    return dataclasses.replace(
        layout,
        width=width,
        height=-(-layout.height // vertical),
        channels=1,
        photometric=Photometric.BLACK_IS_ZERO,
        segment_width=width,
        segment_height=-(-layout.segment_height // vertical),
        subsampling=(1, 1),
    )


def _from_blocks(blocks: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """(H, W, 3) of blocks: (rows, bytes, 1)."""
    horizontal, vertical = layout.subsampling
    parts = blocks.reshape(len(blocks), -1, horizontal * vertical + 2)
    rows, across, _ = parts.shape
    result = np.empty((rows, vertical, across, horizontal, 3), blocks.dtype)
    luma = parts[..., :-2].reshape(rows, across, vertical, horizontal)
    result[..., 0] = luma.transpose(0, 2, 1, 3)
    result[..., 1:] = parts[:, None, :, None, -2:]
    whole = result.reshape(rows * vertical, across * horizontal, 3)
    return np.ascontiguousarray(whole[: layout.height, : layout.width])


def _needs_tifffile(layout: Layout) -> bool:
    """JPEG 2000, which libtiff lacks, and JPEG that imagecodecs asks libtiff to turn into RGB."""
    is_plain = not layout.is_planar and layout.channels in (1, 3)
    return layout.compression in JPEG_2000 or (layout.compression == JPEG and not is_plain)


def _by_tifffile(file: bytes, layout: Layout) -> NDArray[Any]:
    """By strips or tiles that are whole files themselves, each with a size of its own."""
    if len(layout.offsets) > _MAX_PICTURES:
        raise UnsupportedError(f"{len(layout.offsets)} JPEG strips or tiles")
    shape_of = _jpeg_2000_shape if layout.compression in JPEG_2000 else _jpeg_shape
    for start, count in zip(layout.offsets.tolist(), layout.counts.tolist(), strict=True):
        width, height, channels = shape_of(file[start : start + min(count, _HEADER_SIZE)])
        if channels != layout.segment_channels:
            raise DamagedError(f"{channels} components, expected {layout.segment_channels}")
        if width > layout.segment_width or height > layout.segment_height:
            raise DamagedError("a JPEG picture larger than its strip or tile")
    with _quiet(), tifffile.TiffFile(io.BytesIO(file)) as tiff:
        samples: NDArray[Any] = tiff.pages.first.asarray(maxworkers=1)
    return samples


def _jpeg_shape(header: bytes) -> tuple[int, int, int]:
    """Width, height and components."""
    _, height, width, components = jpeg_shape(header)
    return width, height, components


def _jpeg_2000_shape(header: bytes) -> tuple[int, int, int]:
    """The same, of the marker SIZ (ISO/IEC 15444-1, A.5.1), which follows SOC.

    A JP2 file around the code stream is not read: its boxes can hide what is really unpacked.
    """
    if len(header) < 42 or not header.startswith(b"\xff\x4f\xff\x51"):
        raise UnsupportedError("JPEG 2000 other than a plain code stream")
    right, bottom, left, top = struct.unpack_from(">IIII", header, 8)
    return right - left, bottom - top, int.from_bytes(header[40:42], "big")


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop what tifffile logs in this thread meanwhile: it is about our directory, not the user's.

    A filter on its logger, so that levels and handlers, which belong to the program, stay.
    """
    logger, reading = logging.getLogger("tifffile"), threading.get_ident()

    def is_wanted(record: logging.LogRecord) -> bool:
        return threading.get_ident() != reading

    logger.addFilter(is_wanted)
    try:
        yield
    finally:
        logger.removeFilter(is_wanted)


def _shaped(samples: NDArray[Any], layout: Layout) -> NDArray[Any]:
    channels = 3 if layout.becomes_rgb else layout.channels
    size = layout.height, layout.width
    shape = (channels, *size) if layout.is_planar else (*size, channels)
    if samples.size != np.prod(shape):
        raise DamagedError(f"samples of shape {samples.shape}, expected {shape}")
    samples = samples.reshape(shape)
    return np.ascontiguousarray(np.moveaxis(samples, 0, 2)) if layout.is_planar else samples


def _swapped24(samples: NDArray[Any]) -> NDArray[Any]:
    """24-bit integers put right: libtiff swaps those of big-endian files, imagecodecs swaps all."""
    raw = samples.view(np.uint32)
    swapped = ((raw & 0xFF) << 16) | (raw & 0xFF00) | ((raw >> 16) & 0xFF)
    return swapped.view(samples.dtype)


def _tags(layout: Layout) -> dict[int, Any]:
    """The new directory: one number or several, or bytes, of each tag."""
    channels, compression = layout.channels, layout.compression
    photometric = Photometric.YCBCR if layout.becomes_rgb else Photometric.BLACK_IS_ZERO
    if compression == JPEG and not layout.becomes_rgb and not layout.is_planar:
        # What libraries need to hear to leave the channels of a JPEG as they are.
        names = {3: Photometric.RGB, 4: Photometric.SEPARATED}
        photometric = names.get(channels, photometric)
    tags: dict[int, Any] = {
        256: layout.width,
        257: layout.height,
        258: [layout.bits] * channels,
        259: compression,
        262: photometric,
        266: layout.fill_order,
        277: channels,
        284: 2 if layout.is_planar else 1,
        317: layout.predictor,
        339: [layout.number] * channels,
    }
    if layout.is_tiled:
        tags |= {322: layout.segment_width, 323: layout.segment_height}
        tags |= {324: layout.offsets, 325: layout.counts}
    else:
        tags |= {278: layout.segment_height, 273: layout.offsets, 279: layout.counts}
    if channels > COLOURS[photometric]:
        tags[338] = [0] * (channels - COLOURS[photometric])
    if compression in (3, 4):
        tags[289 + compression] = layout.fax_options[compression - 3]
    if layout.jpeg_tables is not None:
        tags[347] = layout.jpeg_tables
    if layout.becomes_rgb:
        tags[530] = layout.subsampling
    return tags


def _with_directory(file: TiffBytes, tags: dict[int, Any]) -> bytes:
    """The file with another directory behind it, to which its header points."""
    data, order, pointer = file.data, file.order, file.order + file.pointer
    start = -(-len(data) // 16) * 16
    after = start + struct.calcsize(file.counter) + file.entry_size * len(tags) + file.inline
    entries, values = b"", b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            kind, count, raw = _UNDEFINED, len(value), value
        else:
            numbers = np.atleast_1d(value)
            is_wide = int(numbers.max()) >> 32 > 0
            kind, count = _LONG8 if is_wide else _LONG, len(numbers)
            raw = numbers.astype(order + ("u8" if is_wide else "u4")).tobytes()
        entries += struct.pack(order + file.entry, tag, kind, count)
        if len(raw) > file.inline:
            entries += struct.pack(pointer, after + len(values))
            values += raw + bytes(-len(raw) % 8)
        else:
            entries += raw.ljust(file.inline, b"\0")
    if not file.is_big and after + len(values) >= 1 << 32:
        raise UnsupportedError("4 GB without BigTIFF")
    header_size = 16 if file.is_big else 8
    header = data[: header_size - file.inline] + struct.pack(pointer, start)
    number = struct.pack(order + file.counter, len(tags))
    padding = bytes(start - len(data))
    # One join: the file is copied once.
    rest = memoryview(data)[header_size:]
    return b"".join([header, rest, padding, number, entries, bytes(file.inline), values])
