"""PNG: the chunks that are the picture go to a decoder, the others are read here."""

from __future__ import annotations

import io
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

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
from cvpire.images.decoding.png.colors import read_encoding, read_profile
from cvpire.images.limits import END_IS_MISSING, check_size, expect_one_frame

_WRONG_CHECKSUM = "A checksum of the file is wrong; the picture itself is whole."


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
    if header.depth == 16:
        notes.append("Reduced from 16 to 8 bits a channel.")
    decode = _decode_deep if header.depth == 16 else _decode_shallow
    try:
        if chunks.is_cut:
            chunks = repacked(header, chunks)
        samples, alpha = decode(header, chunks)
    except Exception:
        if chunks.is_cut:
            raise
        samples, alpha = decode(header, repacked(header, chunks))
        notes.append(_WRONG_CHECKSUM)
    encoding, encoding_first = read_encoding(chunks.extras)
    return Decoded(
        samples,
        Model.GREY if samples.ndim == 2 else Model.RGB,
        alpha,
        exif_orientation(chunks.extras.get(b"eXIf")),
        read_profile(chunks.extras),
        encoding,
        encoding_first,
        notes=tuple(notes),
    )


def _expect_still(name: str, chunks: Chunks) -> None:
    animation = chunks.extras.get(b"acTL", b"")
    if len(animation) != 8:
        return
    frames = int.from_bytes(animation[:4], "big")
    # A picture before the animation is shown by programs that know no animations.
    expect_one_frame(name, frames if chunks.is_animated else frames + 1)


def _decode_deep(header: Header, chunks: Chunks) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """16 bits a channel."""
    values: NDArray[np.uint16] = imagecodecs.png_decode(picture_file(chunks))
    has_alpha = header.color_type in (GREY_ALPHA, RGB_ALPHA)
    if not has_alpha:
        return values, _key_alpha(values, chunks.extras.get(b"tRNS"), 0xFFFF)
    samples = values[..., 0] if header.color_type == GREY_ALPHA else values[..., :3]
    return samples, values[..., -1]


def _decode_shallow(header: Header, chunks: Chunks) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Up to 8 bits a channel."""
    image = PngImageFile(io.BytesIO(picture_file(chunks)))
    image.load()
    if header.color_type == PALETTE:
        return _from_palette(np.array(image), chunks)
    values = np.array(image.convert("L") if image.mode == "1" else image)
    if header.color_type in (GREY_ALPHA, RGB_ALPHA):
        return (values[..., 0] if values.shape[2] == 2 else values[..., :3]), values[..., -1]
    full = 2**header.depth - 1
    if values.ndim == 2 and header.depth < 8:
        # Pillow spreads 2 and 4 bits over 0 to 255, which 255 / 3 and 255 / 15 divide evenly.
        return values, _key_alpha(values // (255 // full), chunks.extras.get(b"tRNS"), full)
    return values, _key_alpha(values, chunks.extras.get(b"tRNS"), full)


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
