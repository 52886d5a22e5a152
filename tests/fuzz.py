"""A fuzz of `read_photo`: files damaged at random, read in child processes with limits.

`python tests/fuzz.py` reads 2,000 files made of each good file; `make fuzz` calls it, and
`tests/images/test_fuzz.py` a slice of it. What is looked for: a crash, an exception other than
`PhotoError`, another picture when it is read again, more than 10 s, more than 1 GB, a line on
standard error. A finding names the good file and the number from which its damage is made again.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

MOST_SECONDS = 10.0
MOST_BYTES = 1 << 30
_ROOT = Path(__file__).parents[1]
_CHILD = (sys.executable, __file__, "--child")
# What a field of a header is set to: edges of its range, and numbers that overflow when multiplied.
_EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


class Finding(NamedTuple):
    """What went wrong.

    Attributes:
        kind: the good file's.
        number: of the damaged one.
        what: happened.
    """

    kind: str
    number: int
    what: str


def good_files() -> dict[str, bytes]:
    """One small file of each kind that is read, by name; the same in each call."""
    random_numbers = np.random.default_rng(3)
    noise = random_numbers.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    ramp = np.linspace(0, 255, 32).astype(np.uint8)
    noise[8:] = ramp[None, :, None]
    alpha = np.tile(ramp, (24, 1))
    image, clear = Image.fromarray(noise), Image.fromarray(np.dstack([noise, alpha]))
    exif = Image.Exif()
    exif[274] = 6
    return {
        "png": _saved(clear, "PNG", exif=exif),
        "png of a palette": _saved(image.quantize(16), "PNG", transparency=3),
        "png of 16 bits": _saved(Image.fromarray(noise[..., 0].astype(np.uint16) * 257), "PNG"),
        "jpeg": _saved(image, "JPEG", exif=exif, quality=90),
        "progressive jpeg": _saved(image, "JPEG", progressive=True),
        "cmyk jpeg": _saved(image.convert("CMYK"), "JPEG"),
        "webp": _saved(clear, "WEBP", exif=exif),
        "lossless webp": _saved(image, "WEBP", lossless=True),
        "gif": _saved(image.quantize(32), "GIF", transparency=2),
        "bmp": _saved(image, "BMP"),
        "bmp of masks": _saved(clear, "BMP"),
        "rle bmp": _rle_bmp(),
        "tiff": _saved(image, "TIFF", exif=exif),
        "lzw tiff": _saved(clear, "TIFF", compression="tiff_lzw"),
        "jpeg tiff": _saved(image, "TIFF", compression="jpeg"),
        **_tiffs(noise),
        "avif": _saved(clear, "AVIF", exif=exif, speed=10),
        **_avifs(noise),
        **_heics(image),
    }


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _rle_bmp() -> bytes:
    """A BMP of 8x4 pixels, run-length encoded, with a delta and literal pixels."""
    pixels = bytes([8, 1, 0, 0, 4, 2, 0, 4, 3, 4, 5, 6, 0, 0, 0, 2, 3, 0, 5, 7, 0, 0, 8, 2, 0, 1])
    palette = bytes(range(256)) * 4
    start = 54 + len(palette)
    header = b"BM" + np.array([start + len(pixels), 0, start], "<u4").tobytes()
    info = np.array([40, 8, 4, 1 | 8 << 16, 1, len(pixels), 2835, 2835, 256, 0], "<u4").tobytes()
    return header + info + palette + pixels


def _tiffs(noise: np.ndarray[Any, Any]) -> dict[str, bytes]:
    import tifffile

    def written(array: np.ndarray[Any, Any], **options: Any) -> bytes:
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, array, **options)
        return buffer.getvalue()

    deep = noise.astype(np.uint16) * 257
    return {
        "tiff of 16 bits": written(deep, photometric="rgb", compression="zlib", predictor=True),
        "tiff of floats": written(noise.astype(np.float32) / 255, photometric="rgb"),
        "tiff of tiles": written(deep[..., 0], tile=(16, 16), compression="lzw"),
        "white-is-zero tiff": written(deep[..., 1], photometric="miniswhite"),
        "webp tiff": written(noise, photometric="rgb", compression="webp"),
    }


def _avifs(noise: np.ndarray[Any, Any]) -> dict[str, bytes]:
    import imagecodecs

    deep = noise.astype(np.uint16) * 4
    data = imagecodecs.avif_encode(deep, level=80, speed=10, bitspersample=10)
    return {"avif of 10 bits": bytes(data)}


def _heics(image: Image.Image) -> dict[str, bytes]:
    try:
        import pillow_heif
    except ImportError:
        return {}
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=80)
    return {"heic": buffer.getvalue()}


def damaged(kind: str, number: int, files: dict[str, bytes]) -> bytes:
    """A damaged file; the same for the same numbers.

    Args:
        kind: of the good file.
        number: of the damage.
        files: the good ones, of which pieces are spliced in.
    """
    dice = random.Random(f"{kind} {number}")
    data = bytearray(files[kind])
    for _ in range(dice.randint(1, 4)):
        _damage(data, dice, files)
    return _sealed(bytes(data)) if dice.random() < 0.7 else bytes(data)


def _sealed(data: bytes) -> bytes:
    """A PNG with right checksums, without which its damage would not go far; others as they are."""
    if not data.startswith(b"\x89PNG"):
        return data
    sealed, at = data[:8], 8
    while at + 12 <= len(data):
        end = min(len(data) - 4, at + 8 + int.from_bytes(data[at : at + 4], "big"))
        body = data[at + 4 : end]
        sealed += (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
        at = end + 4
    return sealed


def _damage(data: bytearray, dice: random.Random, files: dict[str, bytes]) -> None:
    # Every second blow hits the header, where the structure is.
    end = max(1, len(data) if dice.random() < 0.5 else min(len(data), 160))
    at = dice.randrange(end)
    match dice.randrange(6):
        case 0:
            for _ in range(dice.randint(1, 8)):
                place = dice.randrange(end)
                data[place : place + 1] = bytes([dice.randrange(256)])
        case 1:
            del data[at:]
        case 2:
            del data[at : at + dice.randint(1, 64)]
        case 3:
            other = dice.choice(list(files.values()))
            start = dice.randrange(len(other))
            data[at:at] = other[start : start + dice.randint(1, 200)]
        case 4:
            data[at:at] = data[at : at + dice.randint(1, 64)] * dice.randint(1, 4)
        case 5:
            size, order = dice.choice((1, 2, 4)), dice.choice(("big", "little"))
            value = dice.choice(_EDGES) % 256**size
            data[at : at + size] = value.to_bytes(size, "big" if order == "big" else "little")


def fuzz(
    kinds: Sequence[str], count: int, *, first: int = 0, command: Sequence[str] = _CHILD
) -> Iterator[Finding]:
    """Read damaged files in a child process, started anew after each crash.

    Args:
        kinds: of the good files.
        count: damaged ones of each.
        first: number of the first.
        command: of the child; kind, first and count are added.

    Yields:
        What went wrong, as it is found.
    """
    for kind in kinds:
        at = first
        while at < first + count:
            words = [*command, kind, str(at), str(first + count - at)]
            child = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=_ROOT
            )
            try:
                out, err = child.communicate(timeout=MOST_SECONDS * 12 + count)
            except subprocess.TimeoutExpired:
                child.kill()
                out, err = child.communicate()
            lines = [json.loads(line) for line in out.splitlines()]
            for number, what in lines:
                if what:
                    yield Finding(kind, number, what)
            at = lines[-1][0] + 1 if lines else at
            if at < first + count or child.returncode:
                yield Finding(kind, at, f"the process ended with {child.returncode}: {err[-300:]}")
                at += 1
            elif err:
                yield Finding(kind, at, f"printed: {err[-300:]}")


def _read_all(kind: str, first: int, count: int) -> None:
    """What the child does: a line for each file, with its number and what went wrong."""
    sys.path.insert(0, str(_ROOT))
    from cvpire.errors import PhotoError
    from cvpire.images.reading import read_photo

    files = good_files()
    read_photo(files[kind])
    begun_with = _peak_bytes()
    # Beyond this, a decoder's own allocation fails rather than the machine.
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
    for number in range(first, first + count):
        what = ""
        started = time.monotonic()
        try:
            data = damaged(kind, number, files)
            first_time, again = read_photo(data), read_photo(data)
            if not np.array_equal(first_time.pixels, again.pixels):
                what = "another picture each time: memory that nobody wrote to"
        except PhotoError as error:
            if not str(error).endswith(".") or "\n" in str(error):
                what = f"not a sentence: {error}"
        except BaseException as error:  # whatever it is, it is the finding
            what = f"{type(error).__name__}: {error}"
        seconds, grown = time.monotonic() - started, _peak_bytes() - begun_with
        if seconds > MOST_SECONDS:
            what = f"took {seconds:.0f} s"
        if grown > MOST_BYTES:
            what = f"took {grown / 1e9:.1f} GB"
            begun_with += grown
        print(json.dumps([number, what]), flush=True)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    """Run the fuzz; the exit code is 1 where something was found."""
    parser = argparse.ArgumentParser(description="Read damaged files in child processes.")
    parser.add_argument("--count", type=int, default=2000, help="of each kind (default: 2000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first (default: 0)")
    parser.add_argument("--kind", action="append", help="only this one (default: all)")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        kind, first, count = options.child
        _read_all(kind, int(first), int(count))
        return 0
    kinds = options.kind or list(good_files())
    findings = 0
    for kind in kinds:
        started = time.monotonic()
        for finding in fuzz([kind], options.count, first=options.first):
            print(f"{finding.kind} {finding.number}: {finding.what}", flush=True)
            findings += 1
        print(f"{kind}: {options.count} files, {time.monotonic() - started:.0f} s", flush=True)
    print(f"{findings} findings in {len(kinds) * options.count} files.")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
