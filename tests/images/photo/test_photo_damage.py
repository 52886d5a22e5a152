"""Damaged files give a photo or a photo's error, and leave the process alone."""

from __future__ import annotations

import random
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from image_files import P3, heic, matrix_profile, oriented_exif, png, save
from photo_helpers import NOISE, error_of
from PIL import Image, ImageFile

from cvpire.errors import PhotoError
from cvpire.images.reading import read_photo


def small_files() -> dict[str, bytes]:
    tiny = NOISE[:12, :15].copy()
    profile = matrix_profile(P3, 2.2, b"Wide")
    options: dict[str, Any] = {"exif": oriented_exif(6), "icc_profile": profile}
    return {
        "png": save(tiny, "PNG", **options),
        "png palette": save(Image.fromarray(tiny).quantize(16), "PNG", transparency=3),
        "jpeg": save(tiny, "JPEG", **options),
        "progressive jpeg": save(tiny, "JPEG", progressive=True),
        "mpo": save(tiny, "MPO", save_all=True, append_images=[Image.fromarray(tiny)]),
        "webp": save(tiny, "WEBP", **options),
        "lossless webp": save(tiny, "WEBP", lossless=True),
        "gif": save(tiny, "GIF"),
        "bmp": save(tiny, "BMP"),
        "tiff": save(tiny, "TIFF", **options),
        "lzw tiff": save(tiny, "TIFF", compression="tiff_lzw"),
        "float tiff": save(tiny[..., 0].astype(np.float32), "TIFF"),
        "avif": save(tiny, "AVIF", **options),
        "heic": heic(tiny, exif=oriented_exif(6).tobytes()),
    }


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return small_files()


def test_cut_off_files_are_refused(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as some libraries do
    for name, data in files.items():
        if name == "mpo":  # its first picture is whole long before its end
            continue
        whole = read_photo(data)
        for share in (0.03, 0.1, 0.3, 0.5, 0.7, 0.85):
            message = error_of(data[: int(len(data) * share)])
            assert "cut off" in message or share < 0.11, (name, share, message)
        # At the very end only bytes without pixels may be missing.
        for missing in range(1, 25):
            try:
                assert np.array_equal(read_photo(data[:-missing]).pixels, whole.pixels), name
            except PhotoError:
                continue
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_random_damage_gives_a_photo_or_a_photo_error(files: dict[str, bytes]) -> None:
    dice = random.Random(5)
    outcomes = {"photo": 0, "error": 0}
    for trial in range(350):
        data = bytearray(list(files.values())[trial % len(files)])
        # Every second trial hits the header, where the structure is.
        end = len(data) if trial % 2 else min(len(data), 120)
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(end)] = dice.choice([0, 1, 127, 255, dice.randrange(256)])
        try:
            result = read_photo(bytes(data), max_pixels=1_000_000)
        except PhotoError:
            outcomes["error"] += 1
        else:
            assert result.pixels.dtype == np.uint8 and result.pixels.ndim == 3
            outcomes["photo"] += 1
    assert min(outcomes.values()) > 30


def test_threads_leave_the_process_as_it_was(files: dict[str, bytes]) -> None:
    before = (list(warnings.filters), Image.MAX_IMAGE_PIXELS, sorted(Image.OPEN))
    broken_exif = save(NOISE, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    faults: list[BaseException] = []

    def work() -> None:
        try:
            for data in (files["jpeg"], files["png"], broken_exif, files["heic"]):
                read_photo(data)
            with pytest.raises(PhotoError):
                read_photo(png(20_000, 20_000, 8, 2, bytes(20_000)))
        except BaseException as fault:  # handed to the main thread
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert before == (list(warnings.filters), Image.MAX_IMAGE_PIXELS, sorted(Image.OPEN))
