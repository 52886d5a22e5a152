"""The chunks of a PNG: those that are the picture, those that tell of it, and their damage.

So no text, profile or other addition can keep a picture from being shown, however large or damaged
it is.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from cvpire.images.limits import not_supported

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Chunks that make the picture.
_PICTURE = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
# First column and row, and steps, of the seven pictures that an interlaced one consists of.
_ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
# Others that are looked at. But for eXIf they say nothing where they come too late.
_BEFORE_PICTURE = (b"tRNS", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cLLI", b"mDCV", b"acTL")
_KEPT = (*_BEFORE_PICTURE, b"eXIf")
# Pictures are written in pieces of some kB, of which 100 MB are some 10,000.
_MOST_CHUNKS = 1_000_000
# Deflate packs no more than this many bytes into one.
_MOST_DEFLATED = 1032
# Types of colour.
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
_DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    RGB_ALPHA: (8, 16),
}


class Header(NamedTuple):
    """IHDR's fields; width and height in pixels, depth in bits a channel."""

    width: int
    height: int
    depth: int
    color_type: int
    compression: int
    filter: int
    interlace: int


class Chunks(NamedTuple):
    """What a file holds.

    Attributes:
        picture: (kind, content) of IHDR, PLTE and IDAT, in order.
        extras: the first of each other kind.
        damaged: kinds of other chunks whose checksum is wrong; they are not among the extras.
        has_end: whether the end marker is there.
        is_animated: whether an fcTL stands before the first IDAT: the picture is a frame.
        is_doubtful: whether the checksum of an IDAT is wrong.
        is_cut: whether the file ends within an IDAT.
    """

    picture: list[tuple[bytes, bytes]]
    extras: dict[bytes, bytes]
    damaged: list[bytes]
    has_end: bool
    is_animated: bool
    is_doubtful: bool
    is_cut: bool


def read_chunks(name: str, data: bytes) -> Chunks:
    """All chunks of a file that count.

    Args:
        name: of the file, for messages.
        data: its content.

    Raises:
        PhotoError: for Apple's own form.
        ValueError: for a damaged picture.
    """
    found = Chunks([], {}, [], False, False, False, False)
    for kind, content, is_whole in _walk(data):
        if is_whole is None:
            found.picture.append((kind, content))
            return found._replace(is_cut=True)
        if kind == b"CgBI":
            raise not_supported(name, "PNG", "Apple's own, for apps")
        if not found.picture and kind != b"IHDR":
            raise ValueError("expected IHDR first")
        if kind == b"IEND":
            return found._replace(has_end=True)
        if kind in _PICTURE:
            if not is_whole and kind != b"IDAT":
                raise ValueError("damaged picture")
            found = found._replace(is_doubtful=found.is_doubtful or not is_whole)
            found.picture.append((kind, content))
        elif not kind[0] & 0x20:  # an upper-case first letter: no picture without it
            raise ValueError("unknown critical chunk")
        elif not is_whole:
            found.damaged.append(kind)
        elif kind == b"fcTL":
            found = found._replace(is_animated=found.is_animated or not _has_pixels(found))
        elif kind in _KEPT and not (kind in _BEFORE_PICTURE and _has_pixels(found)):
            found.extras.setdefault(kind, content)
    return found


def _has_pixels(found: Chunks) -> bool:
    return any(kind == b"IDAT" for kind, _ in found.picture)


def read_header(content: bytes) -> Header:
    """The header in IHDR's content.

    Raises:
        ValueError: for one that no PNG has.
    """
    header = Header(*struct.unpack(">IIBBBBB", content))
    is_known = (header.compression, header.filter, header.interlace >> 1) == (0, 0, 0)
    if not is_known or header.depth not in _DEPTHS.get(header.color_type, ()):
        raise ValueError("no such PNG")
    return header


def _walk(data: bytes) -> Iterator[tuple[bytes, bytes, bool | None]]:
    """Kind and content of each chunk, and whether its checksum is right; None of it where the file
    ends within an IDAT.
    """
    at = len(_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        if at + 12 > len(data):
            return
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            if kind == b"IDAT":
                yield kind, data[at + 8 : end - 4], None
            return
        content = data[at + 8 : end - 4]
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        yield kind, content, zlib.crc32(content, zlib.crc32(kind)) == checksum
        at = end
    raise ValueError("too many chunks")


def _row_bytes(header: Header, width: int) -> int:
    channels = {RGB: 3, GREY_ALPHA: 2, RGB_ALPHA: 4}.get(header.color_type, 1)
    return (width * channels * header.depth + 7) // 8


def _raw_bytes(header: Header) -> int:
    """Of the unpacked picture, with the byte before each row that tells its filter."""
    if not header.interlace:
        return header.height * (1 + _row_bytes(header, header.width))
    total = 0
    for left, top, across, down in _ADAM7:
        columns = -(-(header.width - left) // across)
        rows = -(-(header.height - top) // down)
        total += rows * (1 + _row_bytes(header, columns)) if columns > 0 and rows > 0 else 0
    return total


def check_picture(header: Header, chunks: Chunks) -> None:
    """Refuse what cannot unpack to so many pixels, and a picture whose checksums are both wrong.

    Raises:
        ValueError, zlib.error: for a damaged picture.
    """
    parts = _packed(chunks)
    if _raw_bytes(header) > _MOST_DEFLATED * sum(map(len, parts)):
        raise ValueError("cut off")
    if not chunks.is_doubtful:
        return
    # The packed picture has a checksum of its own, over all of it.
    unpacker, left = zlib.decompressobj(), _raw_bytes(header)
    for part in parts:
        while part:
            left -= len(unpacker.decompress(part, 1 << 24))
            part = unpacker.unconsumed_tail
            if left < 0:
                raise ValueError("damaged")
    if not unpacker.eof:
        raise ValueError("damaged")


def repacked(header: Header, chunks: Chunks) -> Chunks:
    """The same picture without the checksum at the end of its pixels, which is wrong or missing.

    Raises:
        ValueError, zlib.error: if rows are missing.
    """
    expected = _raw_bytes(header)
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    raw = unpacker.decompress(b"".join(_packed(chunks))[2:], expected)
    if len(raw) < expected:
        raise ValueError("cut off")
    picture = [(kind, content) for kind, content in chunks.picture if kind != b"IDAT"]
    return chunks._replace(picture=[*picture, (b"IDAT", zlib.compress(raw, 1))])


def _packed(chunks: Chunks) -> list[bytes]:
    return [content for kind, content in chunks.picture if kind == b"IDAT"]


def picture_file(chunks: Chunks) -> bytes:
    """A file of nothing but the picture."""
    parts = [_SIGNATURE]
    for kind, content in (*chunks.picture, (b"IEND", b"")):
        checksum = zlib.crc32(content, zlib.crc32(kind))
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)]
    return b"".join(parts)
