"""Nothing of a photo's file but its picture is in any file that we write."""

from __future__ import annotations

import dataclasses
import io
import re
import struct

import pytest
from conftest import textured_pixels
from PIL import Image, ImageCms

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.classifiers.classifier import Classifier
from cvpire.images.formats import KINDS, FileFormat
from cvpire.images.reading import read_photo
from cvpire.protection import protect
from cvpire.runs import RUNS

RUN = dataclasses.replace(RUNS["Top1-noL1"], magnitude=0.19, search=Algorithm1(0.0, 80, 2 / 255))
ARTIST, PLACE, XMP, COMMENT, CAPTION = (
    b"SECRET-ARTIST",
    b"SECRET-PLACE",
    b"SECRET-XMP",
    b"SECRET-COMMENT",
    b"SECRET-CAPTION",
)
# How readers know each kind of metadata, whatever its content.
SIGNS = (
    b"Exif",
    b"EXIF",
    b"eXIf",
    b"http://ns.adobe.com",
    b"XMP ",
    b"ICC_PROFILE",
    b"ICCP",
    b"iCCP",
    b"acsp",
    b"Photoshop",
    b"JFXX",
    b"tEXt",
    b"iTXt",
    b"zTXt",
    b"tIME",
)


def telling_jpeg() -> bytes:
    """A JPEG with all that cameras and editors put into one, a profile that is not sRGB, and with
    an orientation.
    """
    image = Image.fromarray(textured_pixels(48, 60))
    thumbnail = io.BytesIO()
    image.resize((16, 12)).save(thumbnail, "JPEG", comment=COMMENT)
    exif = Image.Exif()
    exif[0x013B] = ARTIST.decode()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[0x001B] = PLACE
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.6)
    iptc = b"\x1c\x02\x78" + struct.pack(">H", len(CAPTION)) + CAPTION
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc
    photoshop = b"Photoshop 3.0\0" + resource + b"\0" * (len(iptc) % 2)
    buffer = io.BytesIO()
    image.save(
        buffer,
        "JPEG",
        exif=exif,
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        comment=COMMENT,
        xmp=b"<x:xmpmeta>" + XMP + b"</x:xmpmeta>",
        extra=b"\xff\xed" + struct.pack(">H", len(photoshop) + 2) + photoshop,
    )
    jpeg = buffer.getvalue()
    # A thumbnail as JFIF's extension holds it, after the start of the file.
    jfxx = b"JFXX\0\x10" + thumbnail.getvalue()
    return jpeg[:2] + b"\xff\xe0" + struct.pack(">H", len(jfxx) + 2) + jfxx + jpeg[2:]


def test_the_file_of_this_test_tells_all() -> None:
    data = telling_jpeg()
    for secret in (ARTIST, PLACE, XMP, COMMENT, CAPTION, b"ICC_PROFILE", b"Exif", b"JFXX", b"acsp"):
        assert secret in data, secret
    assert data.count(b"\xff\xd8\xff") == 2, "a picture and its thumbnail"


@pytest.mark.parametrize("kind", KINDS)
def test_no_byte_of_it_is_in_any_output(mean_color_classifier: Classifier, kind: str) -> None:
    original = read_photo(telling_jpeg())
    assert (original.width, original.height) == (48, 60), "the orientation is baked in"
    file_format = FileFormat(kind, None if kind == "PNG" else 90)
    protected = protect(original, mean_color_classifier, RUN, file_format=file_format)
    data = protected.data
    assert b"SECRET" not in data
    # An AVIF must have the name of its colour space, in a box of 'nclx' that no profile fills.
    found = [sign for sign in SIGNS if re.search(re.escape(sign), data)]
    assert not found
    assert data.count(b"\xff\xd8\xff") == (kind == "JPEG"), "no thumbnail"
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (48, 60)
        assert not image.getexif()
        allowed = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "loop", "background"}
        allowed |= {"timestamp", "duration"}
        assert set(image.info) <= allowed, image.info
