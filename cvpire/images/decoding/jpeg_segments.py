"""The segments of a JPEG before its coded data: what they say of the picture.

Source: ITU-T T.81, annex B; ICC.1:2010, B.4 (profiles in parts); EXIF 2.32, 4.7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_EXIF, _ICC = b"Exif\0\0", b"ICC_PROFILE\0"
_START_OF_SCAN, _END = 0xDA, b"\xff\xd9"
# Start-of-frame markers; the three between them that are none; JPEG-LS's.
_FRAMES = range(0xC0, 0xD0)
_NO_FRAMES = (0xC4, 0xC8, 0xCC)
_JPEG_LS = 0xF7
_COEFFICIENTS = 64
# No picture has so many: 100 MB of the longest segments are some 1,500.
_MOST_MARKERS = 20_000
# In coded data a byte of 255 is followed by 0 or is a restart's. Any number more may fill up before
# a marker.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)


@dataclass
class Segments:
    """What the segments say.

    Attributes:
        frame: kind of the start of frame.
        bits: of a sample.
        size: width and height.
        exif: a block of EXIF data, without its mark.
        scans: how many scans the picture has.
        is_ended: whether the end marker is there.
        missing: of each channel of a progressive picture, a bit for each coefficient whose last bit
            no scan has brought.
        parts: of the ICC profile, by their numbers, which count from 1.
        part_count: how many there should be.
    """

    frame: int = 0
    bits: int = 0
    size: tuple[int, int] = (0, 0)
    exif: bytes | None = None
    scans: int = 0
    is_ended: bool = False
    missing: dict[int, int] = field(default_factory=dict)
    parts: dict[int, bytes] = field(default_factory=dict)
    part_count: int = 0

    @property
    def profile(self) -> bytes | None:
        """The ICC profile; empty where parts of it are missing; None without one."""
        if not self.parts:
            return None
        numbers = range(1, self.part_count + 1)
        is_whole = all(number in self.parts for number in numbers)
        return b"".join(self.parts[number] for number in numbers) if is_whole else b""

    @property
    def is_fine(self) -> bool:
        """Whether the scans of a progressive picture hold all of its detail."""
        return not any(self.missing.values())


def read_segments(data: bytes, most_scans: int) -> Segments:
    """The segments of a file's first picture, its scans' headers included.

    Args:
        data: the file.
        most_scans: after so many scans and one, no more are looked for.

    Raises:
        ValueError: for more segments than any picture has, or without a frame's header.
    """
    found = Segments()
    at = 2
    for _ in range(_MOST_MARKERS):
        # Coded data lie after a scan's header only; damage may lie anywhere.
        marker = _MARKER.search(data, at)
        at = len(data) if marker is None else marker.start()
        if at + 2 > len(data) or data[at + 1] == _END[1]:
            break
        kind = data[at + 1]
        if kind in (0x01, 0xD8):  # nothing follows these
            at += 2
            continue
        length = max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
        _take(found, kind, data[at + 4 : at + 2 + length])
        if found.scans > most_scans:
            break
        at += 2 + length
    else:
        raise ValueError("too many segments")
    if not found.frame:
        raise ValueError("no picture")
    found.is_ended = data[at : at + 2] == _END
    return found


def _take(found: Segments, kind: int, content: bytes) -> None:
    is_frame = (kind in _FRAMES and kind not in _NO_FRAMES) or kind == _JPEG_LS
    if kind == _START_OF_SCAN:
        found.scans += 1
        _take_scan(content, found.missing)
    elif is_frame and not found.frame and len(content) >= 6:
        found.frame, found.bits = kind, content[0]
        height, width = content[1:3], content[3:5]
        found.size = int.from_bytes(width, "big"), int.from_bytes(height, "big")
        if kind in (0xC2, 0xCA):  # progressive: each bit of each coefficient is still to come
            components = content[6 : 6 + 3 * content[5] : 3]
            found.missing = dict.fromkeys(components, 2**_COEFFICIENTS - 1)
    elif kind == 0xE1 and content.startswith(_EXIF) and found.exif is None:
        found.exif = content[len(_EXIF) :]
    elif kind == 0xE2 and content.startswith(_ICC) and len(content) >= 14:
        number, found.part_count = content[12], found.part_count or content[13]
        found.parts.setdefault(number, content[14:])


def _take_scan(content: bytes, missing: dict[int, int]) -> None:
    """Note which coefficients a scan has brought to their last bit."""
    if not content or len(content) < 4 + 2 * content[0]:
        return
    first, last, bits = content[1 + 2 * content[0] : 4 + 2 * content[0]]
    if bits & 15 or last >= _COEFFICIENTS or first > last:
        return
    done = (2 ** (last + 1) - 1) ^ (2**first - 1)
    for component in content[1 : 1 + 2 * content[0] : 2]:
        if component in missing:
            missing[component] &= ~done
