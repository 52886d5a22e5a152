"""Writing: no metadata, the pixels that are read again, and whole files only."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_files import SRGB_ICC, oriented_exif, save
from photo_helpers import ALPHA, NOISE, RNG
from PIL import Image, PngImagePlugin

from cvpire.errors import PhotoError
from cvpire.images.photo import Photo, encode_png, write_bytes
from cvpire.images.reading import read_photo


def png_chunks(data: bytes) -> list[bytes]:
    kinds, at = [], 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kinds.append(data[at + 4 : at + 8])
        at += length + 12
    assert at == len(data)
    return kinds


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_no_metadata_survives(kind: str) -> None:
    secret = "SECRETPLACE"
    exif = Image.Exif()
    exif[0x010E] = secret
    exif.get_ifd(0x8825)[0x001B] = secret.encode()
    xmp = f"<x:xmpmeta>{secret}</x:xmpmeta>".encode()
    options: dict[str, Any] = {"exif": exif, "icc_profile": SRGB_ICC}
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", secret)
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options |= {"pnginfo": text, "dpi": (72, 72)}
    elif kind != "TIFF":
        options["xmp"] = xmp
    if kind == "JPEG":
        options["comment"] = secret
    data = save(NOISE, kind, **options)
    assert secret.encode() in data
    encoded = encode_png(read_photo(data), compress_level=0)
    assert set(png_chunks(encoded)) == {b"IHDR", b"IDAT", b"IEND"}
    assert secret.encode() not in encoded and b"xmp" not in encoded and b"sRGB" not in encoded


def test_what_is_written_is_what_is_read() -> None:
    for trial in range(30):
        height, width = (1, 1) if trial == 0 else RNG.integers(1, 40, 2)
        height = 1 if trial % 5 == 1 else height
        pixels = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
        alpha = RNG.integers(0, 256, (height, width), dtype=np.uint8) if trial % 2 else None
        original = Photo(pixels, alpha)
        data = encode_png(original)
        assert data == encode_png(original)
        result = read_photo(data)
        assert np.array_equal(result.pixels, pixels) and result.notes == ()
        if original.alpha is None:
            assert result.alpha is None
        else:
            assert result.alpha is not None and np.array_equal(result.alpha, original.alpha)


def test_several_idat_chunks_and_nothing_else() -> None:
    large = RNG.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    data = encode_png(Photo(large))
    assert set(png_chunks(data)) == {b"IHDR", b"IDAT", b"IEND"}
    assert (read_photo(data).pixels == large).all()


def test_arrays_are_owned_and_contiguous() -> None:
    view = NOISE[::-1, ::-1]
    part = Photo(NOISE[2:9], ALPHA[2:9])  # contiguous, but owned by the whole
    for result in (Photo(view, ALPHA[::-1]), part, read_photo(save(NOISE, "PNG"))):
        for array in (result.pixels, result.alpha):
            if array is not None:
                assert array.flags.c_contiguous and array.flags.owndata and array.flags.writeable
    oriented = read_photo(save(np.dstack([NOISE, ALPHA]), "PNG", exif=oriented_exif(5)))
    assert oriented.alpha is not None
    assert oriented.pixels.flags.owndata and oriented.alpha.flags.owndata


def test_with_pixels_keeps_the_rest() -> None:
    original = Photo(NOISE, ALPHA, ("A note.",))
    changed = original.with_pixels(255 - NOISE)
    assert (changed.pixels == 255 - NOISE).all() and changed.notes == ("A note.",)
    assert changed.alpha is not None and (changed.alpha == ALPHA).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Photo(NOISE.astype(np.float32)),
        lambda: Photo(NOISE[..., 0]),
        lambda: Photo(NOISE, ALPHA[1:]),
        lambda: Photo(NOISE[:0]),
        lambda: Photo(NOISE).with_pixels(NOISE[1:].copy()),
    ],
)
def test_wrong_arrays_are_refused_at_the_door(make: Callable[[], Photo]) -> None:
    with pytest.raises(ValueError, match="expected"):
        make()


def test_write_bytes_replaces_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    mask = os.umask(0o022)
    try:
        write_bytes(path, b"one")
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o644
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_full_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"older")

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(PhotoError, match=r"^out.png could not be written: the disk is full"):
        write_bytes(path, b"newer")
    assert path.read_bytes() == b"older" and list(tmp_path.iterdir()) == [path]


def test_interrupted_writing_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "out.png", b"data")
    assert list(tmp_path.iterdir()) == []


def test_places_that_take_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path, words in [
        (tmp_path / "gone" / "out.png", "no such file or folder"),
        (tmp_path / "file" / "out.png", "no such file or folder"),
        (tmp_path / "folder", "folder is at that path"),
    ]:
        with pytest.raises(PhotoError, match=words):
            write_bytes(path, b"data")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}
