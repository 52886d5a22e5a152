"""The boxes of HEIC and AVIF files that say what their main picture's samples mean.

Source: ISO/IEC 14496-12 (boxes, colr), 23008-12 (HEIF: items and their properties), and the AV1
Image File Format. Decoders give the picture, but not all of this.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

# Files of the greatest makers have some dozens; what has more is not read on.
_MOST_BOXES = 10_000


class MainItem(NamedTuple):
    """Properties of a file's main picture.

    Attributes:
        nclx: primaries, transfer, matrix and full range of its colr box; None without one.
        bits: of a channel, by pixi; 0 where the file does not say.
        peak: the brightest content in cd/m2, by clli or mdcv; 0 where it does not say.
        is_turned: whether it is to be turned or mirrored, by irot or imir.
        start: where in the file the coded picture begins; 0 where that cannot be told.
    """

    nclx: tuple[int, int, int, bool] | None = None
    bits: int = 0
    peak: float = 0.0
    is_turned: bool = False
    start: int = 0


class _Box(NamedTuple):
    kind: bytes
    content: bytes


def read_main_item(data: bytes) -> MainItem:
    """The properties of the main picture, as far as they can be found; nothing is ever raised."""
    try:
        return _read(data)
    except (struct.error, IndexError, StopIteration, ValueError):
        return MainItem()


def _read(data: bytes) -> MainItem:
    meta = _find(_boxes(data), b"meta")
    if meta is None:
        return MainItem()
    parts = list(_boxes(meta[4:]))
    main = _main_item(_find(parts, b"pitm"))
    properties = _find(parts, b"iprp")
    if properties is None:
        return MainItem()
    inside = list(_boxes(properties))
    known = list(_boxes(_find(inside, b"ipco") or b""))
    found = MainItem(start=_start(_find(parts, b"iloc"), main))
    associations = [box.content for box in inside if box.kind == b"ipma"]
    for index in _indices(associations, main):
        if 1 <= index <= len(known):
            found = _take(found, known[index - 1])
    return found


def _take(found: MainItem, box: _Box) -> MainItem:
    content = box.content
    match box.kind:
        case b"colr" if content[:4] == b"nclx" and found.nclx is None:
            primaries, transfer, matrix, full = struct.unpack_from(">HHHB", content, 4)
            return found._replace(nclx=(primaries, transfer, matrix, bool(full & 0x80)))
        case b"pixi" if len(content) > 5:
            return found._replace(bits=max(content[5 : 5 + content[4]]))
        case b"irot":
            return found._replace(is_turned=found.is_turned or bool(content[0] & 3))
        case b"imir":
            return found._replace(is_turned=True)
        case b"clli" if light := int.from_bytes(content[:2], "big"):
            return found._replace(peak=float(light))
        case b"mdcv" if not found.peak:
            (light,) = struct.unpack_from(">I", content, 16)
            return found._replace(peak=light / 10_000)
    return found


def _boxes(data: bytes) -> Iterator[_Box]:
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = at + size if size else len(data)
        if end < start or end > len(data):
            return
        yield _Box(kind, data[start:end])
        at = end


def _find(boxes: Iterator[_Box] | list[_Box], kind: bytes) -> bytes | None:
    return next((box.content for box in boxes if box.kind == kind), None)


def _main_item(content: bytes | None) -> int:
    if content is None:
        return 1
    version = content[0]
    return int.from_bytes(content[4:8] if version else content[4:6], "big")


def _start(locations: bytes | None, item: int) -> int:
    """The place of an item's first extent, by iloc; 0 where it is not in the file itself."""
    if locations is None:
        return 0
    version, sizes = locations[0], int.from_bytes(locations[4:6], "big")
    offset_bytes, length_bytes, base_bytes = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_bytes = sizes & 15 if version else 0
    id_bytes, at = (2, 6) if version < 2 else (4, 6)
    count = int.from_bytes(locations[at : at + id_bytes], "big")
    at += id_bytes
    for _ in range(min(count, _MOST_BOXES)):
        owner = int.from_bytes(locations[at : at + id_bytes], "big")
        at += id_bytes
        method = 0
        if version:
            method = locations[at + 1] & 15
            at += 2
        at += 2
        base = int.from_bytes(locations[at : at + base_bytes], "big")
        at += base_bytes
        extents = int.from_bytes(locations[at : at + 2], "big")
        at += 2
        if owner == item:
            at += index_bytes
            offset = int.from_bytes(locations[at : at + offset_bytes], "big")
            return base + offset if method == 0 and extents else 0
        at += extents * (index_bytes + offset_bytes + length_bytes)
    return 0


def _indices(associations: list[bytes], item: int) -> Iterator[int]:
    """Which properties, counted from 1, belong to an item."""
    for content in associations:
        version, is_wide = content[0], content[3] & 1
        (count,) = struct.unpack_from(">I", content, 4)
        at, id_bytes = 8, 4 if version else 2
        for _ in range(min(count, _MOST_BOXES)):
            owner = int.from_bytes(content[at : at + id_bytes], "big")
            number = content[at + id_bytes]
            at += id_bytes + 1
            for _ in range(number):
                value = int.from_bytes(content[at : at + 1 + is_wide], "big")
                at += 1 + is_wide
                if owner == item:
                    yield value & (0x7FFF if is_wide else 0x7F)
