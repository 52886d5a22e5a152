"""Orientation is EXIF's only."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from image_files import chunk, heic, oriented_exif, png_of, save
from kinds_helpers import LINEAR, LINEAR_PROFILE, RAMP, icc_part, refusal, with_segments

from cvpire.images.reading import read_photo

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def _png_with_xmp() -> bytes:
    return png_of(RAMP, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))


@pytest.mark.parametrize(
    "make",
    [
        _png_with_xmp,
        lambda: save(RAMP, "JPEG", xmp=XMP),
        lambda: save(RAMP, "WEBP", xmp=XMP, lossless=True),
        lambda: save(RAMP, "AVIF", xmp=XMP),
        lambda: save(RAMP, "TIFF", tiffinfo={700: XMP}),
        # The encoder itself obeys XMP, so it is told of none.
        lambda: heic(RAMP, xmp=XMP.replace(b'"6"', b'"1"')).replace(
            b'Orientation="1"', b'Orientation="6"'
        ),
    ],
    ids=["png", "jpeg", "webp", "avif", "tiff", "heic"],
)
def test_orientation_in_xmp_turns_nothing(make: Callable[[], bytes]) -> None:
    data = make()
    assert b'Orientation="6"' in data
    photo = read_photo(data)
    assert photo.pixels.shape == RAMP.shape and photo.notes == ()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_counts_beside_xmp_and_is_said(kind: str) -> None:
    options: dict[str, Any] = {} if kind in ("PNG", "TIFF") else {"xmp": XMP}
    photo = read_photo(save(RAMP, kind, exif=oriented_exif(3), **options))
    assert photo.pixels.shape == RAMP.shape
    assert photo.notes == ("Turned upright as its EXIF orientation says.",)


@pytest.mark.parametrize("bits", [8, 12])
def test_rare_jpegs_are_turned_and_converted(bits: int) -> None:
    samples = np.rint(RAMP[..., 0] * ((2**bits - 1) / 255)).astype(
        np.uint8 if bits == 8 else np.uint16
    )
    data = bytes(imagecodecs.ljpeg_encode(samples, bitspersample=bits))
    exif = b"Exif\0\0" + oriented_exif(6).tobytes().removeprefix(b"Exif\0\0")
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    photo = read_photo(with_segments(data, segment, icc_part(1, 1, LINEAR_PROFILE)))
    expected = np.rot90(LINEAR[..., 0], -1)
    assert photo.pixels.shape == (30, 20, 3)
    assert abs(photo.pixels[..., 0] - expected).max() <= 2
    assert "Turned upright as its EXIF orientation says." in photo.notes
    assert "cut off" in refusal(data[:-2])


@pytest.mark.parametrize("kind", ["avif", "heic"])
@pytest.mark.parametrize("turn", [2, 3, 6])
def test_a_turn_of_the_files_own_is_said_as_that(kind: str, turn: int) -> None:
    exif = oriented_exif(turn)
    data = save(RAMP, "AVIF", exif=exif) if kind == "avif" else heic(RAMP, exif=exif.tobytes())
    assert read_photo(data).notes == ("Turned upright as its own turn (irot or imir) says.",)
