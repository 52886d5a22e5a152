"""What is too large or no photo is refused, with its reason."""

from __future__ import annotations

import errno
import os
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_files import chunk, heic, png, save
from photo_helpers import NOISE, error_of
from PIL import Image

from cvpire.images.reading import read_photo


def test_bomb_is_refused_by_its_header() -> None:
    start = time.perf_counter()
    for side in (8001, 10_000, 20_000, 60_000):  # below, between and above Pillow's own limits
        assert f"{side} x {side} pixels" in error_of(png(side, side, 8, 2, bytes(side)[:1] * side))
    assert time.perf_counter() - start < 0.5


def test_own_limits() -> None:
    data = save(NOISE, "PNG")
    assert read_photo(data, max_pixels=21 * 34, max_bytes=len(data)).width == 34
    assert "34 x 21" in error_of(data, max_pixels=21 * 34 - 1)
    assert "MB" in error_of(data, max_bytes=len(data) - 1)


def test_limit_of_bytes_holds_for_files(tmp_path: Path) -> None:
    path = tmp_path / "big.png"
    path.write_bytes(save(NOISE, "PNG"))
    assert error_of(path, max_bytes=100).startswith("big.png has")


def test_unpacking_a_profile_has_a_limit() -> None:
    zeros = zlib.compress(bytes(100_000_000))
    result = read_photo(png(1, 1, 8, 2, b"abc", chunk(b"iCCP", b"p\0\0" + zeros)))
    assert result.pixels.tolist() == [[[97, 98, 99]]]
    assert result.notes == ("Its colour profile is damaged and was ignored.",)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_animation_is_refused(kind: str) -> None:
    more = [Image.fromarray(np.roll(NOISE, shift, 1)) for shift in (5, 9)]
    data = save(NOISE, kind, save_all=True, append_images=more, duration=100)
    assert "an animation of 3 frames" in error_of(data)


def test_several_pages_are_refused() -> None:
    data = save(NOISE, "TIFF", save_all=True, append_images=[Image.fromarray(NOISE)])
    assert "several pages" in error_of(data)


def test_a_smaller_copy_alone_is_the_photo() -> None:
    assert (read_photo(save(NOISE, "TIFF", tiffinfo={254: 1})).pixels == NOISE).all()


@pytest.mark.parametrize(
    "data",
    [b"Dear sir,\n", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"8BPS\0\1", b"icns\0\0\1\0", b"<svg/>", b"\0"],
)
def test_other_kinds_are_refused(data: bytes) -> None:
    assert error_of(data).startswith("The photo is not a picture of a kind")


def test_other_formats_of_pillow_are_refused() -> None:
    for kind in ("PPM", "TGA", "ICO", "JPEG2000", "PCX", "EPS"):
        error_of(save(NOISE, kind))


def test_paths_that_give_no_photo(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not a photo")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    assert error_of(b"").startswith("The photo is empty")
    assert error_of(tmp_path / "empty.jpg").startswith("empty.jpg is empty")
    assert error_of(tmp_path / "text.jpg").startswith("text.jpg is not a picture")
    assert "folder" in error_of(tmp_path)
    assert "no such file" in error_of(str(tmp_path / "gone.png"))
    assert "no such file" in error_of(tmp_path / "text.jpg" / "x.png")
    for odd in ("pipe.png", "loop.png", "x" * 300):
        assert "could not be read" in error_of(tmp_path / odd)
    error_of("a\0b")
    error_of("")
    for path in (tmp_path / "gone.png", tmp_path / "empty.jpg", tmp_path / "pipe.png"):
        assert str(tmp_path) not in error_of(path)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "closed.png"
    path.write_bytes(save(NOISE, "PNG"))

    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert error_of(path).startswith("closed.png could not be read: permission was denied")


def test_without_pillow_heif_only_heic_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic(NOISE)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert "pip install pillow-heif" in error_of(data)
    read_photo(save(NOISE, "AVIF"))
