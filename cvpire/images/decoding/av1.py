"""What an AV1 stream says of its pictures in its sequence header, where an AVIF's boxes are silent.

Source: AV1 Bitstream & Decoding Process Specification, 5.3 (OBUs) and 5.5 (sequence header).
"""

from __future__ import annotations

from typing import NamedTuple

_SEQUENCE_HEADER = 1
_UNSPECIFIED = 2
_SELECT = 2


class Sequence(NamedTuple):
    """What a sequence header says."""

    bits: int  # of a channel: 8, 10 or 12
    is_grey: bool
    colors: tuple[int, int] | None  # primaries and transfer (H.273)


class _Bits:
    """Bits of a byte string, the highest first."""

    def __init__(self, data: bytes) -> None:
        self._bits = iter("".join(f"{byte:08b}" for byte in data))

    def read(self, count: int = 1) -> int:
        """The next bits as a whole number; past the end, a StopIteration."""
        value = 0
        for _ in range(count):
            value = 2 * value + int(next(self._bits))
        return value


def read_sequence(data: bytes) -> Sequence | None:
    """The first sequence header of OBUs, as an AVIF's item holds them.

    None where there is none, or it is cut off.
    """
    at = 0
    try:
        while at < len(data):
            header = data[at]
            at += 2 if header & 4 else 1
            if not header & 2:  # without a size, which AVIF forbids
                return None
            size, at = _leb128(data, at)
            if header >> 3 & 15 == _SEQUENCE_HEADER:
                return _read_header(_Bits(data[at : at + size]))
            at += size
    except (IndexError, StopIteration):
        pass
    return None


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """A number, and the place behind it."""
    value = 0
    for index in range(8):
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            break
    return value, at + index + 1


def _read_header(bits: _Bits) -> Sequence:
    profile = bits.read(3)
    bits.read()
    is_reduced = bits.read()
    if is_reduced:
        bits.read(5)
    else:
        _skip_timing_and_points(bits)
    width_bits, height_bits = bits.read(4), bits.read(4)
    bits.read(width_bits + 1)
    bits.read(height_bits + 1)
    if not is_reduced and bits.read():  # frame ids
        bits.read(7)
    bits.read(3)
    if not is_reduced:
        _skip_tools(bits)
    bits.read(3)
    return _read_colors(bits, profile)


def _skip_timing_and_points(bits: _Bits) -> None:
    has_model, delay_bits = False, 0
    if bits.read():  # timing
        bits.read(64)
        if bits.read():  # a number of the kind uvlc
            zeros = 0
            while not bits.read():
                zeros += 1
            bits.read(zeros if zeros < 32 else 0)
        has_model = bool(bits.read())
        if has_model:
            delay_bits = bits.read(5) + 1
            bits.read(42)
    has_delays = bits.read()
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read()
        if has_model and bits.read():
            bits.read(2 * delay_bits + 1)
        if has_delays and bits.read():
            bits.read(4)


def _skip_tools(bits: _Bits) -> None:
    bits.read(4)
    has_order = bits.read()
    if has_order:
        bits.read(2)
    screen_content = _SELECT if bits.read() else bits.read()
    if screen_content and not bits.read():
        bits.read()
    if has_order:
        bits.read(3)


def _read_colors(bits: _Bits, profile: int) -> Sequence:
    depth = 10 if bits.read() else 8
    if profile == 2 and depth > 8 and bits.read():
        depth = 12
    is_grey = profile != 1 and bool(bits.read())
    if not bits.read():
        return Sequence(depth, is_grey, None)
    colors = bits.read(8), bits.read(8)
    return Sequence(depth, is_grey, None if colors == (_UNSPECIFIED,) * 2 else colors)
