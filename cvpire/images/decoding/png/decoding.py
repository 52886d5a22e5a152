"""PNG: the chunks that are the picture go to a decoder, the others are read here.

Those that tell of colours count in the third edition's order: cICP, iCCP, sRGB, cHRM with gAMA.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from cvpire.images.decoding import color_encoding, transfer
from cvpire.images.decoding.color_encoding import ColorEncoding
from cvpire.images.decoding.decoded import Decoded, Model
from cvpire.images.decoding.orientation import exif_orientation
from cvpire.images.decoding.png.chunks import (
    GREY_ALPHA,
    PALETTE,
    RGB_ALPHA,
    Chunks,
    Header,
    check_picture,
    picture_file,
    read_chunks,
    read_header,
    repacked,
)
from cvpire.images.decoding.samples import reduction, split_alpha
from cvpire.images.limits import END_IS_MISSING, check_size, expect_one_frame

_WRONG_CHECKSUM = "A checksum of the file is wrong; the picture itself is whole."
# A colour profile unpacks to no more; the largest in use, of presses, have some 3 MB.
_MOST_PROFILE_BYTES = 16_000_000
# A gAMA without cHRM that is about this says no more than that the picture is an ordinary one.
_USUAL_GAMMA, _GAMMA_TOLERANCE = 1.0 / 2.2, 0.05


def decode_png(name: str, data: bytes, max_pixels: int) -> Decoded:
    """The `Decoder` of PNG."""
    chunks = read_chunks(name, data)
    header = read_header(chunks.picture[0][1])
    check_size(name, (header.width, header.height), max_pixels)
    _expect_still(name, chunks)
    check_picture(header, chunks)
    notes = []
    if chunks.is_doubtful:
        notes.append(_WRONG_CHECKSUM)
    if chunks.damaged:
        kinds = ", ".join(dict.fromkeys(kind.decode("latin-1") for kind in chunks.damaged))
        notes.append(f"A part of the file beside the picture ({kinds}) is damaged and was ignored.")
    if not chunks.has_end:
        notes.append(END_IS_MISSING)
    notes += reduction(header.depth)
    try:
        if chunks.is_cut:
            chunks = repacked(header, chunks)
        samples, alpha = _decode(header, chunks)
    except Exception:
        if chunks.is_cut:
            raise
        samples, alpha = _decode(header, repacked(header, chunks))
        notes.append(_WRONG_CHECKSUM)
    encoding, encoding_first = _read_encoding(chunks.extras)
    return Decoded(
        samples,
        Model.GREY if samples.ndim == 2 else Model.RGB,
        alpha,
        exif_orientation(chunks.extras.get(b"eXIf")),
        _read_profile(chunks.extras),
        encoding,
        encoding_first,
        notes=tuple(notes),
    )


def _expect_still(name: str, chunks: Chunks) -> None:
    animation = chunks.extras.get(b"acTL", b"")
    if len(animation) == 8:
        frames = int.from_bytes(animation[:4], "big")
        # A picture before the animation is shown by programs that know no animations.
        expect_one_frame(name, frames if chunks.is_animated else frames + 1)


def _decode(header: Header, chunks: Chunks) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Samples and alpha."""
    file, full = picture_file(chunks), 2**header.depth - 1
    if header.depth == 16:  # of which Pillow keeps 8
        values: NDArray[Any] = imagecodecs.png_decode(file)
    else:
        image = PngImageFile(io.BytesIO(file))
        image.load()
        values = np.array(image.convert("L") if image.mode == "1" else image)
    if header.color_type == PALETTE:
        return _from_palette(values, chunks)
    if header.color_type in (GREY_ALPHA, RGB_ALPHA):
        return split_alpha(values)
    # Pillow spreads 2 and 4 bits over 0 to 255, which 255 / 3 and 255 / 15 divide evenly.
    stored = values // (255 // full) if header.depth < 8 else values
    return values, _key_alpha(stored, chunks.extras.get(b"tRNS"), full)


def _from_palette(
    indices: NDArray[np.uint8], chunks: Chunks
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


def _read_profile(extras: Mapping[bytes, bytes]) -> bytes | None:
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


def _read_encoding(extras: Mapping[bytes, bytes]) -> tuple[ColorEncoding | None, bool]:
    """Colours by chunks other than iCCP, and whether they go before it."""
    if (encoding := _by_cicp(extras)) is not None:
        return encoding, True
    if b"sRGB" in extras:
        return None, False
    return _by_gamma(extras), False


def _by_cicp(extras: Mapping[bytes, bytes]) -> ColorEncoding | None:
    content = extras.get(b"cICP", b"")
    if len(content) != 4:
        return None
    primaries, transfer, matrix, is_full_range = content
    # PNG has RGB samples; those of a narrow range are shown by no viewer, and taken as no cICP.
    if matrix != 0 or is_full_range != 1:
        return None
    return color_encoding.from_cicp(primaries, transfer, peak=_peak(extras))


def _peak(extras: Mapping[bytes, bytes]) -> float:
    """cLLI's largest light, else that of the screen it was made on (mDCV), in cd/m2."""
    for kind, length, at in ((b"cLLI", 8, 0), (b"mDCV", 24, 16)):
        content = extras.get(kind, b"")
        if len(content) == length and (value := int.from_bytes(content[at : at + 4], "big")):
            return value / 10_000
    return color_encoding.DEFAULT_PEAK


def _by_gamma(extras: Mapping[bytes, bytes]) -> ColorEncoding | None:
    content, chromaticities = extras.get(b"gAMA", b""), extras.get(b"cHRM", b"")
    value = int.from_bytes(content, "big") / 100_000
    if len(content) != 4 or not 0.0 < value <= 100.0:
        return None
    to_linear = transfer.gamma(1.0 / value)
    name = f"gamma {1.0 / value:.3g}"
    if len(chromaticities) != 32:
        is_usual = abs(value / _USUAL_GAMMA - 1.0) <= _GAMMA_TOLERANCE
        return None if is_usual else ColorEncoding(name, *color_encoding.SRGB, to_linear)
    numbers = [each / 100_000 for each in struct.unpack(">8I", chromaticities)]
    white, red, green, blue = zip(numbers[::2], numbers[1::2], strict=True)
    if not color_encoding.is_possible(red, green, blue, white):
        return None
    return ColorEncoding(f"{name} and its own primaries", red, green, blue, white, to_linear)
