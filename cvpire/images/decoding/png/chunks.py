"""The chunks of a PNG: those that are the picture, those that tell of it, and their damage.

So no text, profile or other addition can keep a picture from being shown, however large or damaged
it is.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from cvpire.images.limits import not_supported

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Chunks that make the picture.
_PICTURE = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
# First column and row, and steps, of the seven pictures that an interlaced one consists of; and of
# the one that another is.
_NOT_INTERLACED = ((0, 0, 1, 1),)
_ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
# Others that are looked at, beside eXIf. They say nothing where they come too late.
_BEFORE_PICTURE = (b"tRNS", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cLLI", b"mDCV", b"acTL")
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


@dataclass
class Chunks:
    """What a file holds."""

    # Kind and content of IHDR, PLTE and IDAT, in order.
    picture: list[tuple[bytes, bytes]] = field(default_factory=list)
    # The first of each other kind, but for those whose checksum is wrong.
    extras: dict[bytes, bytes] = field(default_factory=dict)
    damaged: list[bytes] = field(default_factory=list)
    has_pixels: bool = False  # whether there is an IDAT
    has_end: bool = False
    is_animated: bool = False  # an fcTL stands before the first IDAT: the picture is a frame
    is_doubtful: bool = False  # the checksum of an IDAT is wrong
    is_cut: bool = False  # the file ends within an IDAT

    @property
    def packed(self) -> bytes:
        """The deflated pixels."""
        return b"".join(content for kind, content in self.picture if kind == b"IDAT")


def read_chunks(name: str, data: bytes) -> Chunks:
    """All chunks of a file that count; a PhotoError for Apple's own form."""
    found = Chunks()
    for kind, content, is_whole in _walk(data):
        if is_whole is None:
            found.picture.append((kind, content))
            found.is_cut = True
            return found
        if kind == b"CgBI":
            raise not_supported(name, "PNG", "Apple's own, for apps")
        if not found.picture and kind != b"IHDR":
            raise ValueError("expected IHDR first")
        if kind == b"IEND":
            found.has_end = True
            return found
        if kind in _PICTURE:
            if not is_whole and kind != b"IDAT":
                raise ValueError("damaged picture")
            found.has_pixels |= kind == b"IDAT"
            found.is_doubtful |= not is_whole
            found.picture.append((kind, content))
        elif not kind[0] & 0x20:  # an upper-case first letter: no picture without it
            raise ValueError("unknown critical chunk")
        elif not is_whole:
            found.damaged.append(kind)
        elif kind == b"fcTL":
            found.is_animated |= not found.has_pixels
        elif kind == b"eXIf" or (kind in _BEFORE_PICTURE and not found.has_pixels):
            found.extras.setdefault(kind, content)
    return found


def read_header(content: bytes) -> Header:
    """The header in IHDR's content."""
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
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        content = data[at + 8 : end - 4]
        if end > len(data):
            if kind == b"IDAT":
                yield kind, content, None
            return
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        yield kind, content, zlib.crc32(content, zlib.crc32(kind)) == checksum
        at = end
    raise ValueError("too many chunks")


def _raw_bytes(header: Header) -> int:
    """Of the unpacked picture, with the byte before each row that tells its filter."""
    channels = {RGB: 3, GREY_ALPHA: 2, RGB_ALPHA: 4}.get(header.color_type, 1)
    total = 0
    for left, top, across, down in _ADAM7 if header.interlace else _NOT_INTERLACED:
        columns = -(-(header.width - left) // across)
        rows = -(-(header.height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * channels * header.depth + 7) // 8)
    return total


def check_picture(header: Header, chunks: Chunks) -> None:
    """Refuse what cannot unpack to so many pixels, and a picture whose checksums are both wrong."""
    packed, expected = chunks.packed, _raw_bytes(header)
    if expected > _MOST_DEFLATED * len(packed):
        raise ValueError("cut off")
    if chunks.is_doubtful:
        # The packed picture has a checksum of its own, over all of it.
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(packed, expected + 1)
        if len(raw) > expected or not unpacker.eof:
            raise ValueError("damaged")


def repacked(header: Header, chunks: Chunks) -> Chunks:
    """The same picture without the checksum at the end of its pixels, which is wrong or missing."""
    expected = _raw_bytes(header)
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    raw = unpacker.decompress(chunks.packed[2:], expected)
    if len(raw) < expected:
        raise ValueError("cut off")
    picture = [(kind, content) for kind, content in chunks.picture if kind != b"IDAT"]
    return replace(chunks, picture=[*picture, (b"IDAT", zlib.compress(raw, 1))])


def picture_file(chunks: Chunks) -> bytes:
    """A file of nothing but the picture."""
    parts = [_SIGNATURE]
    for kind, content in (*chunks.picture, (b"IEND", b"")):
        checksum = zlib.crc32(content, zlib.crc32(kind))
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)]
    return b"".join(parts)
