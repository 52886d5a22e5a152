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
from typing import Any, Literal

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from tifffile.tifffile import jpeg_shape

from cvpire.images.decoding.tiff.compressions import JPEG, JPEG_2000
from cvpire.images.decoding.tiff.fields import COLOURS, Photometric, SampleFormat
from cvpire.images.decoding.tiff.layout import Layout
from cvpire.images.decoding.tiff.tags import DamagedError, UnsupportedError

_SHORT, _LONG, _UNDEFINED, _LONG8 = 3, 4, 7, 16
_CODES = {_SHORT: "u2", _LONG: "u4", _UNDEFINED: "u1", _LONG8: "u8"}
# Where the size of a JPEG strip is found, and how many are looked at.
_HEADER_SIZE, _MAX_PICTURES = 1 << 12, 1 << 14


def read_samples(
    data: bytes,
    layout: Layout,
    *,
    order: Literal["<", ">"],
    is_big: bool,
) -> NDArray[Any]:
    """The samples of a page.

    Args:
        data: the whole file.
        layout: of the page.
        order: "<" or ">", the file's byte order.
        is_big: whether it is a BigTIFF.

    Returns:
        (H, W, channels) of bool, integers or floats; writable and nobody else's. Subsampled chroma
        is repeated. YCbCr of JPEG strips has become RGB (see `Layout.becomes_rgb`).

    Raises:
        Exception: if they cannot be unpacked.
    """
    if layout.subsampling != (1, 1) and layout.compression != JPEG:
        blocks = read_samples(data, _as_blocks(layout), order=order, is_big=is_big)
        return _from_blocks(blocks, layout)
    is_float24 = layout.number is SampleFormat.FLOAT and layout.bits == 24
    tags = _tags(layout, is_float24)
    file = _with_directory(data, tags, order, is_big)
    samples: NDArray[Any] = (
        _by_tifffile(file, layout) if _needs_tifffile(layout) else imagecodecs.tiff_decode(file)
    )
    del file
    if is_float24:
        # imagecodecs knows this type, but not inside a TIFF; as bytes it gets through.
        samples = imagecodecs.float24_decode(samples.tobytes(), byteorder=order)
    samples = _shaped(samples, layout)
    if layout.bits == 24 and not is_float24:
        samples = _swapped24(samples, order)
    if layout.number is SampleFormat.SIGNED:
        # libtiff and imagecodecs leave the sign of packed integers where it is.
        spare = samples.dtype.itemsize * 8 - layout.bits
        if spare:
            samples = (samples << spare) >> spare
    return samples if samples.flags.writeable else samples.copy()


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
    channels = 1 if layout.is_planar else layout.channels
    own_size = _jpeg_2000_size if layout.compression in JPEG_2000 else _jpeg_size
    for start, count in zip(layout.offsets.tolist(), layout.counts.tolist(), strict=True):
        width, height = own_size(file[start : start + min(count, _HEADER_SIZE)], channels)
        if width > layout.segment_width or height > layout.segment_height:
            raise DamagedError("a JPEG picture larger than its strip or tile")
    with _quiet(), tifffile.TiffFile(io.BytesIO(file)) as tiff:
        samples: NDArray[Any] = tiff.pages.first.asarray(maxworkers=1)
    return samples


def _jpeg_size(header: bytes, channels: int) -> tuple[int, int]:
    _, height, width, components = jpeg_shape(header)
    if components != channels:
        raise DamagedError(f"{components} components, expected {channels}")
    return width, height


def _jpeg_2000_size(header: bytes, channels: int) -> tuple[int, int]:
    """Of the marker SIZ (ISO/IEC 15444-1, A.5.1), which follows SOC.

    A JP2 file around the code stream is not read: its boxes can hide what is really unpacked.
    """
    if len(header) < 42 or not header.startswith(b"\xff\x4f\xff\x51"):
        raise UnsupportedError("JPEG 2000 other than a plain code stream")
    right, bottom, left, top = struct.unpack_from(">IIII", header, 8)
    (components,) = struct.unpack_from(">H", header, 40)
    if components != channels:
        raise DamagedError(f"{components} components, expected {channels}")
    return right - left, bottom - top


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


def _swapped24(samples: NDArray[Any], order: str) -> NDArray[Any]:
    """24-bit integers put right: libtiff swaps those of big-endian files, imagecodecs swaps all."""
    raw = samples.view(np.uint32)
    swapped = ((raw & 0xFF) << 16) | (raw & 0xFF00) | ((raw >> 16) & 0xFF)
    return swapped.view(samples.dtype)


def _tags(layout: Layout, is_float24: bool) -> list[tuple[int, int, NDArray[Any]]]:
    """(tag, type, values) of the new directory."""
    keeps_ycbcr = layout.becomes_rgb
    bytes_each = 3 if is_float24 else 1
    channels = layout.channels * bytes_each
    bits = 8 if is_float24 else layout.bits
    number = SampleFormat.UNSIGNED if is_float24 else layout.number
    photometric = Photometric.YCBCR if keeps_ycbcr else Photometric.BLACK_IS_ZERO
    if layout.compression == JPEG and not keeps_ycbcr and not layout.is_planar:
        # What libraries need to hear to leave the channels of a JPEG as they are.
        names = {3: Photometric.RGB, 4: Photometric.SEPARATED}
        photometric = names.get(channels, photometric)
    tags: list[tuple[int, int, Any]] = [
        (256, _LONG, layout.width),
        (257, _LONG, layout.height),
        (258, _SHORT, [bits] * channels),
        (259, _SHORT, layout.compression),
        (262, _SHORT, photometric),
        (266, _SHORT, layout.fill_order),
        (277, _SHORT, channels),
        (284, _SHORT, 2 if layout.is_planar else 1),
        (339, _SHORT, [number] * channels),
    ]
    offsets, counts = (324, 325) if layout.is_tiled else (273, 279)
    wide = _LONG8 if layout.offsets.max() >> np.uint64(32) else _LONG
    tags += [(offsets, wide, layout.offsets), (counts, wide, layout.counts)]
    if layout.is_tiled:
        tags += [(322, _LONG, layout.segment_width), (323, _LONG, layout.segment_height)]
    else:
        tags += [(278, _LONG, layout.segment_height)]
    if layout.predictor != 1:
        tags += [(317, _SHORT, layout.predictor)]
    extra = channels - COLOURS[photometric]
    if extra:
        tags += [(338, _SHORT, [0] * extra)]
    if layout.compression in (3, 4):
        tags += [(292 + layout.compression - 3, _LONG, layout.fax_options[layout.compression - 3])]
    if layout.jpeg_tables is not None:
        tags += [(347, _UNDEFINED, np.frombuffer(layout.jpeg_tables, np.uint8))]
    if keeps_ycbcr:
        tags += [(530, _SHORT, list(layout.subsampling))]
    return sorted((tag, kind, np.atleast_1d(values)) for tag, kind, values in tags)


def _with_directory(
    data: bytes, tags: list[tuple[int, int, NDArray[Any]]], order: str, is_big: bool
) -> bytes:
    """The file with another directory behind it, to which its header points."""
    start = -(-len(data) // 16) * 16
    inline, pointer, size, head = (8, "Q", 20, 8) if is_big else (4, "I", 12, 2)
    after = start + head + size * len(tags) + inline
    entries, values = b"", b""
    for tag, kind, array in tags:
        raw = array.astype(order + _CODES[kind]).tobytes()
        entries += struct.pack(order + "HH" + pointer, tag, kind, len(array))
        if len(raw) > inline:
            entries += struct.pack(order + pointer, after + len(values))
            values += raw + bytes(-len(raw) % 8)
        else:
            entries += raw.ljust(inline, b"\0")
    if not is_big and after + len(values) >= 1 << 32:
        raise UnsupportedError("4 GB without BigTIFF")
    header_size = 16 if is_big else 8
    header = data[: header_size - inline] + struct.pack(order + pointer, start)
    number = struct.pack(order + ("Q" if is_big else "H"), len(tags))
    padding = bytes(start - len(data))
    # One join: the file is copied once.
    return b"".join(
        [header, memoryview(data)[header_size:], padding, number, entries, bytes(inline), values]
    )
