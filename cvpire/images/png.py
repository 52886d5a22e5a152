"""PNG: the chunks that are the picture go to the decoder, the others are read here.

So no text, profile or other addition can keep a picture from being shown, however large or damaged
it is; and what the file says of its colours is found where its third edition has it.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from cvpire.images import color_encoding
from cvpire.images.color_encoding import ColorEncoding
from cvpire.images.decoded import Decoded, Model
from cvpire.images.limits import END_IS_MISSING, check_size, expect_one_frame, not_supported
from cvpire.images.orientation import exif_orientation

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Chunks that make the picture.
_PICTURE = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_WRONG_CHECKSUM = "A checksum of the file is wrong; the picture itself is whole."
# First column and row, and steps, of the seven pictures that an interlaced one consists of.
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
# Others that are looked at. But for eXIf they say nothing where they come too late.
_BEFORE_PICTURE = (b"tRNS", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cLLI", b"mDCV", b"acTL")
_KEPT = (*_BEFORE_PICTURE, b"eXIf")
# A colour profile unpacks to no more; the largest in use, of presses, have some 3 MB.
_MOST_PROFILE_BYTES = 16_000_000
# A gAMA without cHRM that is about this says no more than that the picture is an ordinary one.
_USUAL_GAMMA, _GAMMA_TOLERANCE = 1.0 / 2.2, 0.05
# Deflate packs no more than this many bytes into one.
_MOST_DEFLATED = 1032
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_DEPTHS = {
    _GREY: (1, 2, 4, 8, 16),
    _RGB: (8, 16),
    _PALETTE: (1, 2, 4, 8),
    _GREY_ALPHA: (8, 16),
    _RGB_ALPHA: (8, 16),
}


class _Header(NamedTuple):
    width: int
    height: int
    depth: int
    color_type: int
    compression: int
    filter: int
    interlace: int


class _Chunks(NamedTuple):
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


def decode_png(name: str, data: bytes, max_pixels: int) -> Decoded:
    """Decode a PNG.

    Args:
        name: of the file, for messages.
        data: its content.
        max_pixels: the largest width x height.

    Raises:
        PhotoError: for a picture that is too large, animated or cannot be decoded.
        Exception: others, from decoders, for damaged files.
    """
    chunks = _read_chunks(name, data)
    header = _read_header(chunks.picture[0][1])
    check_size(name, (header.width, header.height), max_pixels)
    _expect_still(name, chunks)
    _check_picture(header, chunks)
    notes = []
    if chunks.is_doubtful:
        notes.append(_WRONG_CHECKSUM)
    if chunks.damaged:
        kinds = ", ".join(dict.fromkeys(kind.decode("latin-1") for kind in chunks.damaged))
        notes.append(f"A part of the file beside the picture ({kinds}) is damaged and was ignored.")
    if not chunks.has_end:
        notes.append(END_IS_MISSING)
    if header.depth == 16:
        notes.append("Reduced from 16 to 8 bits a channel.")
    decode = _decode_deep if header.depth == 16 else _decode_shallow
    try:
        if chunks.is_cut:
            chunks = _repacked(header, chunks)
        samples, alpha = decode(header, chunks)
    except Exception:
        if chunks.is_cut:
            raise
        samples, alpha = decode(header, _repacked(header, chunks))
        notes.append(_WRONG_CHECKSUM)
    encoding, encoding_first = _encoding(chunks.extras)
    return Decoded(
        samples,
        Model.GREY if samples.ndim == 2 else Model.RGB,
        alpha,
        exif_orientation(chunks.extras.get(b"eXIf")),
        _profile(chunks.extras),
        encoding,
        encoding_first,
        notes=tuple(notes),
    )


def _read_chunks(name: str, data: bytes) -> _Chunks:
    found = _Chunks([], {}, [], False, False, False, False)
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


def _has_pixels(found: _Chunks) -> bool:
    return any(kind == b"IDAT" for kind, _ in found.picture)


def _read_header(content: bytes) -> _Header:
    header = _Header(*struct.unpack(">IIBBBBB", content))
    is_known = (header.compression, header.filter, header.interlace >> 1) == (0, 0, 0)
    if not is_known or header.depth not in _DEPTHS.get(header.color_type, ()):
        raise ValueError("no such PNG")
    return header


def _walk(data: bytes) -> Iterator[tuple[bytes, bytes, bool | None]]:
    """Kind and content of each chunk, and whether its checksum is right; None of it where the file
    ends within an IDAT.
    """
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
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


def _expect_still(name: str, chunks: _Chunks) -> None:
    animation = chunks.extras.get(b"acTL", b"")
    if len(animation) != 8:
        return
    frames = int.from_bytes(animation[:4], "big")
    # A picture before the animation is shown by programs that know no animations.
    expect_one_frame(name, frames if chunks.is_animated else frames + 1)


def _row_bytes(header: _Header, width: int) -> int:
    channels = {_RGB: 3, _GREY_ALPHA: 2, _RGB_ALPHA: 4}.get(header.color_type, 1)
    return (width * channels * header.depth + 7) // 8


def _raw_bytes(header: _Header) -> int:
    """Of the unpacked picture, with the byte before each row that tells its filter."""
    if not header.interlace:
        return header.height * (1 + _row_bytes(header, header.width))
    total = 0
    for left, top, across, down in _ADAM7:
        columns = -(-(header.width - left) // across)
        rows = -(-(header.height - top) // down)
        total += rows * (1 + _row_bytes(header, columns)) if columns > 0 and rows > 0 else 0
    return total


def _check_picture(header: _Header, chunks: _Chunks) -> None:
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
    unpacker = zlib.decompressobj()
    for part in parts:
        while part:
            unpacker.decompress(part, 1 << 20)
            part = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise ValueError("damaged")


def _repacked(header: _Header, chunks: _Chunks) -> _Chunks:
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


def _packed(chunks: _Chunks) -> list[bytes]:
    return [content for kind, content in chunks.picture if kind == b"IDAT"]


def _picture_file(chunks: _Chunks) -> bytes:
    """A file of nothing but the picture."""
    parts = [_SIGNATURE]
    for kind, content in (*chunks.picture, (b"IEND", b"")):
        checksum = zlib.crc32(content, zlib.crc32(kind))
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)]
    return b"".join(parts)


def _decode_deep(header: _Header, chunks: _Chunks) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """16 bits a channel."""
    values: NDArray[np.uint16] = imagecodecs.png_decode(_picture_file(chunks))
    has_alpha = header.color_type in (_GREY_ALPHA, _RGB_ALPHA)
    if not has_alpha:
        return values, _key_alpha(values, chunks.extras.get(b"tRNS"), 0xFFFF)
    samples = values[..., 0] if header.color_type == _GREY_ALPHA else values[..., :3]
    return samples, values[..., -1]


def _decode_shallow(header: _Header, chunks: _Chunks) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Up to 8 bits a channel."""
    image = PngImageFile(io.BytesIO(_picture_file(chunks)))
    image.load()
    if header.color_type == _PALETTE:
        return _from_palette(np.array(image), chunks)
    values = np.array(image.convert("L") if image.mode == "1" else image)
    if header.color_type in (_GREY_ALPHA, _RGB_ALPHA):
        return (values[..., 0] if values.shape[2] == 2 else values[..., :3]), values[..., -1]
    full = 2**header.depth - 1
    if values.ndim == 2 and header.depth < 8:
        # Pillow spreads 2 and 4 bits over 0 to 255, which 255 / 3 and 255 / 15 divide evenly.
        return values, _key_alpha(values // (255 // full), chunks.extras.get(b"tRNS"), full)
    return values, _key_alpha(values, chunks.extras.get(b"tRNS"), full)


def _from_palette(
    indices: NDArray[np.uint8], chunks: _Chunks
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Colours of indices; those beyond the palette have its first one, as in browsers."""
    content = next(content for kind, content in chunks.picture if kind == b"PLTE")
    given = np.frombuffer(content[: len(content) // 3 * 3], np.uint8).reshape(-1, 3)[:256]
    colors = np.tile(given[:1], (256, 1))
    colors[: len(given)] = given
    transparency = chunks.extras.get(b"tRNS")
    if transparency is None:
        return colors[indices], None
    alpha = np.full(256, 255, np.uint8)
    values = np.frombuffer(transparency[:256], np.uint8)
    alpha[: len(values)] = values
    return colors[indices], alpha[indices]


def _key_alpha(
    values: NDArray[Any], transparency: bytes | None, mask: int
) -> NDArray[np.uint8] | None:
    """The alpha of tRNS's one clear colour, compared in the file's own depth."""
    channels = 1 if values.ndim == 2 else values.shape[2]
    if transparency is None or len(transparency) < 2 * channels:
        return None
    # Of shallower samples, the standard takes the low bits.
    key = np.frombuffer(transparency[: 2 * channels], ">u2").astype(values.dtype) & mask
    is_clear = values == key[0] if channels == 1 else (values == key).all(axis=2)
    return np.where(is_clear, 0, 255).astype(np.uint8)


def _profile(extras: dict[bytes, bytes]) -> bytes | None:
    """iCCP's profile; empty where it cannot be unpacked."""
    content = extras.get(b"iCCP")
    if content is None:
        return None
    _, _, packed = content.partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], _MOST_PROFILE_BYTES)
    except zlib.error:
        return b""
    return profile if unpacker.eof else b""


def _encoding(extras: dict[bytes, bytes]) -> tuple[ColorEncoding | None, bool]:
    """Colours by chunks other than iCCP, and whether they go before it.

    The third edition's order: cICP, iCCP, sRGB, cHRM with gAMA.
    """
    if (encoding := _by_cicp(extras)) is not None:
        return encoding, True
    if b"sRGB" in extras:
        return None, False
    return _by_gamma(extras), False


def _by_cicp(extras: dict[bytes, bytes]) -> ColorEncoding | None:
    content = extras.get(b"cICP", b"")
    if len(content) != 4:
        return None
    primaries, transfer, matrix, is_full_range = content
    # PNG has RGB samples; those of a narrow range are shown by no viewer, and taken as no cICP.
    if matrix != 0 or is_full_range != 1:
        return None
    return color_encoding.from_cicp(primaries, transfer, peak=_peak(extras))


def _peak(extras: dict[bytes, bytes]) -> float:
    """cLLI's largest light, else that of the screen it was made on (mDCV), in cd/m2."""
    for kind, length, at in ((b"cLLI", 8, 0), (b"mDCV", 24, 16)):
        content = extras.get(kind, b"")
        if len(content) == length and (value := int.from_bytes(content[at : at + 4], "big")):
            return value / 10_000
    return color_encoding.DEFAULT_PEAK


def _by_gamma(extras: dict[bytes, bytes]) -> ColorEncoding | None:
    content, chromaticities = extras.get(b"gAMA", b""), extras.get(b"cHRM", b"")
    value = int.from_bytes(content, "big") / 100_000
    if len(content) != 4 or not 0.0 < value <= 100.0:
        return None
    to_linear = color_encoding.gamma(1.0 / value)
    name = f"gamma {1.0 / value:.3g}"
    if len(chromaticities) != 32:
        is_usual = abs(value / _USUAL_GAMMA - 1.0) <= _GAMMA_TOLERANCE
        return None if is_usual else color_encoding.srgb_primaries(name, to_linear)
    numbers = [each / 100_000 for each in struct.unpack(">8I", chromaticities)]
    white, red, green, blue = zip(numbers[::2], numbers[1::2], strict=True)
    if not color_encoding.is_possible(red, green, blue, white):
        return None
    return ColorEncoding(f"{name} and its own primaries", red, green, blue, white, to_linear)
