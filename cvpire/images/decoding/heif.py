"""HEIC and AVIF: pictures of video codecs, whose colours an nclx box may describe."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL.AvifImagePlugin import AvifImageFile

from cvpire.errors import PhotoError
from cvpire.images.decoding.av1 import read_sequence
from cvpire.images.decoding.color_encoding import (
    DEFAULT_PEAK,
    from_cicp,
    is_primaries,
    is_transfer,
)
from cvpire.images.decoding.decoded import Decoded, Model
from cvpire.images.decoding.isobmff import MainItem, read_main_item
from cvpire.images.decoding.orientation import exif_orientation
from cvpire.images.decoding.samples import reduction, split_alpha, spread_bits
from cvpire.images.limits import check_size, expect_one_frame

_UNSPECIFIED = 2
_TURNED = "Turned upright as its own turn (irot or imir) says."
# Where the boxes lie that tell of a picture.
_HEADER_BYTES = 1 << 20
_HEIF_SEQUENCE = rb"....ftyp(hev[cmxs]|msf1)"


def decode_avif(name: str, data: bytes, max_pixels: int) -> Decoded:
    """The `Decoder` of AVIF."""
    image = AvifImageFile(io.BytesIO(data))
    check_size(name, image.size, max_pixels)
    expect_one_frame(name, getattr(image, "n_frames", 1))
    item = read_main_item(data)
    # The stream's first unit follows an empty one.
    stream = read_sequence(data[item.start : item.start + 256]) if item.start else None
    if stream is not None:
        item = item._replace(bits=stream.bits, colors=item.colors or stream.colors)
    if item.bits > 8 or (stream is not None and stream.is_grey):
        # Pillow has 8 bits, in which HDR's shadows are steps, and colours where there are none.
        values = imagecodecs.avif_decode(data)
        values = spread_bits(values, item.bits) if item.bits > 8 else values
    else:
        image.load()
        values = np.array(image)  # RGB or RGBA
    # Pillow puts the file's own turn (irot and imir), which is the one that counts, there.
    return _decoded(values, exif_orientation(image.info.get("exif")), image.info, item)


def decode_heic(name: str, data: bytes, max_pixels: int) -> Decoded:
    """The `Decoder` of HEIC; of several still pictures in it, the main one counts."""
    try:
        import pillow_heif  # only this format needs it
    except ImportError as error:
        raise PhotoError(
            f"{name} is a HEIC picture, which needs the package pillow-heif:"
            " install it (pip install pillow-heif) or save the photo as JPEG."
        ) from error
    data = _with_known_colors(data)
    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image: Any = file[file.primary_index]
    check_size(name, image.size, max_pixels)
    if re.match(_HEIF_SEQUENCE, data, re.DOTALL):
        expect_one_frame(name, len(file))
    bits = int(image.info.get("bit_depth", 8))
    values = np.asarray(image)
    if bits > 8:
        values = spread_bits(values, bits)
    if image.premultiplied_alpha:
        values = _straight(values)
    item = read_main_item(data)
    # libheif has turned it, as the file's own properties say.
    return _decoded(values, 1, image.info, item._replace(bits=bits))


def _with_known_colors(data: bytes) -> bytes:
    """The file with "unspecified" in place of code points that are reserved, which libheif refuses
    and viewers pass over.
    """
    reserved = [
        place
        for found in re.finditer(rb"colrnclx(?=.{4})", data[:_HEADER_BYTES], re.DOTALL)
        for place, is_known in ((found.end(), is_primaries), (found.end() + 2, is_transfer))
        if not is_known(int.from_bytes(data[place : place + 2], "big"))
    ]
    if not reserved:
        return data
    patched = bytearray(data)
    for place in reserved:
        patched[place : place + 2] = _UNSPECIFIED.to_bytes(2, "big")
    return bytes(patched)


def _straight(values: NDArray[Any]) -> NDArray[Any]:
    """Colours (H, W, channels and alpha) that were multiplied by the alpha, divided by it."""
    full = np.iinfo(values.dtype).max
    alpha = values[..., -1:].astype(np.float32)
    colors = values[..., :-1] * (full / np.maximum(alpha, 1.0))
    straight = np.concatenate([np.minimum(np.rint(colors), full), alpha], axis=2)
    whole: NDArray[Any] = straight.astype(values.dtype)
    return whole


def _decoded(
    values: NDArray[Any], orientation: int, info: Mapping[Any, Any], item: MainItem
) -> Decoded:
    samples, alpha = split_alpha(values)
    encoding = None
    if item.colors is not None:
        encoding = from_cicp(*item.colors, is_video=True, peak=item.peak or DEFAULT_PEAK)
    turned = (_TURNED,) if item.is_turned else ()
    return Decoded(
        samples,
        Model.GREY if samples.ndim == 2 else Model.RGB,
        alpha,
        orientation,
        info.get("icc_profile") or None,
        encoding,
        is_turn_noted=True,
        notes=(*turned, *reduction(item.bits)),
    )
