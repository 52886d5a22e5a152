"""The boxes of HEIC and AVIF files that say what their main picture's samples mean.

Source: ISO/IEC 14496-12 (boxes, colr), 23008-12 (HEIF: items and their properties), and the AV1
Image File Format. Decoders give the picture, but not all of this.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# Files of the greatest makers have some dozens; what has more is not read on.
_MOST_BOXES = 10_000


class MainItem(NamedTuple):
    """Properties of a file's main picture; None and 0 where the file does not say."""

    colors: tuple[int, int] | None = None  # primaries and transfer (H.273), by colr of kind nclx
    bits: int = 0  # of a channel, by pixi
    peak: float = 0.0  # the brightest content in cd/m2, by clli or mdcv
    is_turned: bool = False  # whether it is to be turned or mirrored, by irot or imir
    start: int = 0  # where in the file the coded picture begins


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
    properties = _find(parts, b"iprp")
    if properties is None:
        return MainItem()
    inside = list(_boxes(properties))
    known = list(_boxes(_find(inside, b"ipco") or b""))
    primary = _find(parts, b"pitm")
    main = 1 if primary is None else _number(primary[4:8] if primary[0] else primary[4:6])
    found = MainItem(start=_start(_find(parts, b"iloc"), main))
    for kind, associations in inside:
        if kind == b"ipma":
            for index in _indices(associations, main):
                if 1 <= index <= len(known):
                    found = _take(found, *known[index - 1])
    return found


def _take(found: MainItem, kind: bytes, content: bytes) -> MainItem:
    match kind:
        case b"colr" if content[:4] == b"nclx" and found.colors is None:
            primaries, transfer, _, _ = struct.unpack_from(">HHHB", content, 4)
            return found._replace(colors=(primaries, transfer))
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


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each box."""
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
        yield kind, data[start:end]
        at = end


def _find(boxes: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    return next((content for kind, content in boxes if kind == wanted), None)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _start(locations: bytes | None, item: int) -> int:
    """The place of an item's first extent, by iloc; 0 where it is not in the file itself."""
    if locations is None:
        return 0
    read = io.BytesIO(locations).read
    version = read(4)[0]
    sizes = _number(read(2))
    offset_bytes, length_bytes, base_bytes = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_bytes = sizes & 15 if version else 0
    id_bytes = 2 if version < 2 else 4
    for _ in range(min(_number(read(id_bytes)), _MOST_BOXES)):
        owner = _number(read(id_bytes))
        method = read(2)[1] & 15 if version else 0
        read(2)
        base, extents = _number(read(base_bytes)), _number(read(2))
        if owner == item:
            read(index_bytes)
            offset = _number(read(offset_bytes))
            return base + offset if method == 0 and extents else 0
        read(extents * (index_bytes + offset_bytes + length_bytes))
    return 0


def _indices(associations: bytes, item: int) -> Iterator[int]:
    """Which properties, counted from 1, belong to an item, by ipma."""
    read = io.BytesIO(associations).read
    version, *_, flags = read(4)
    (count,) = struct.unpack(">I", read(4))
    for _ in range(min(count, _MOST_BOXES)):
        owner = _number(read(4 if version else 2))
        for _ in range(read(1)[0]):
            value = _number(read(2 if flags & 1 else 1))
            if owner == item:
                yield value & (0x7FFF if flags & 1 else 0x7F)
