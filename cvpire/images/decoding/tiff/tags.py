"""A TIFF's directories: tags and their numbers, read with every count checked against the file.

What does not lie in the file, or is of another type than it must be, is a DamagedError.
A directory is read as it stands, so that a damaged or hostile one costs no more memory than its
values have bytes in the file. TIFF 6.0, section 2; BigTIFF has the same structure in 64 bits.
"""

from __future__ import annotations

import dataclasses
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

# The types of fields from 1 on, as numpy's; a rational is two numbers, 14 and 15 are none.
_CODES = "u1 u1 u2 u4 2u4 i1 u1 i2 i4 2i4 f4 f8 u4 - - u8 i8 u8"
_TYPES: dict[int, np.dtype[Any]] = {
    kind: np.dtype(code) for kind, code in enumerate(_CODES.split(), start=1) if code != "-"
}
# Real directories hold some dozens of tags, those of microscopes a few hundred.
_MAX_TAGS = 1024


class DamagedError(ValueError):
    """The file ends before what it promises, or contradicts itself."""


class UnsupportedError(ValueError):
    """A kind of TIFF that is not read; the message names it."""


class RefusedError(ValueError):
    """A file that is refused for what it holds; the message goes on after the file's name."""


@dataclass(frozen=True, eq=False)
class Directory:
    """The tags of one page."""

    _file: TiffBytes
    _fields: dict[int, tuple[np.dtype[Any], int, int]]  # type, number and place of the values
    next_offset: int  # of the next directory in the chain; 0 at its end
    _changed: dict[int, int] = dataclasses.field(default_factory=dict)

    def __contains__(self, tag: int) -> bool:
        return tag in self._fields or tag in self._changed

    def changed(self, values: dict[int, int]) -> Directory:
        """This directory with other values for some tags, one integer each."""
        return dataclasses.replace(self, _changed=self._changed | values)

    def numbers(self, tag: int) -> NDArray[Any]:
        """All values of a tag: (N,) integers or floats; empty where the tag is missing."""
        if tag in self._changed:
            return np.array([self._changed[tag]])
        if tag not in self._fields:
            return np.zeros(0, np.int64)
        dtype, count, offset = self._fields[tag]
        if offset + count * dtype.itemsize > len(self._file.data):
            raise DamagedError(f"tag {tag} lies outside the file")
        values = np.frombuffer(self._file.data, dtype, count, offset)
        if values.ndim == 2:
            if not values[:, 1].all():
                raise DamagedError(f"tag {tag} has a rational without a denominator")
            return values[:, 0] / values[:, 1].astype(np.float64)
        return values.astype(dtype.newbyteorder("="), copy=False)

    def integers(self, tag: int) -> NDArray[Any]:
        """The same of a tag that must hold whole numbers."""
        values = self.numbers(tag)
        if values.dtype.kind == "f":
            raise DamagedError(f"tag {tag} is no whole number")
        return values

    def integer(self, tag: int, default: int) -> int:
        """The first value of a tag of whole numbers; the default where it is missing or empty."""
        values = self.integers(tag)
        return int(values[0]) if len(values) else default

    def data(self, tag: int) -> bytes | None:
        """The bytes of a tag; None where it is missing or outside the file."""
        with suppress(DamagedError):
            return self.numbers(tag).tobytes() if tag in self else None
        return None


class TiffBytes:
    """A TIFF file in memory: its header, and how its directories are written."""

    def __init__(self, data: bytes) -> None:
        self.data: Final = data
        self.order: Final[Literal["<", ">"]] = ">" if data[:2] == b"MM" else "<"
        self.is_big: Final = data[2:4] in (b"+\0", b"\0+")
        # Codes of `struct` for an offset, a number of tags, and the start of a tag: its own number,
        # its type, and how many values it has.
        self.pointer, self.counter = ("Q", "Q") if self.is_big else ("I", "H")
        self.entry: Final = f"HH{self.pointer}"
        # Bytes of values that lie in a tag itself, and of a tag.
        self.inline: Final = struct.calcsize(self.pointer)
        self.entry_size: Final = 4 + 2 * self.inline
        self.first_offset: Final = self._unpack(self.pointer, self.inline)

    def directory(self, offset: int) -> Directory:
        """The directory at an offset."""
        number = self._unpack(self.counter, offset)
        if not 0 < number <= _MAX_TAGS:
            raise DamagedError(f"a directory of {number} tags")
        start, size = offset + struct.calcsize(self.counter), self.entry_size
        shape = struct.Struct(self.order + self.entry)
        fields: dict[int, tuple[np.dtype[Any], int, int]] = {}
        for at in range(start, start + size * number, size):
            if at + size > len(self.data):
                raise DamagedError("a directory beyond the file's end")
            tag, kind, count = shape.unpack_from(self.data, at)
            if kind not in _TYPES:
                continue
            dtype, value = _TYPES[kind].newbyteorder(self.order), at + shape.size
            if count * dtype.itemsize > self.inline:
                value = self._unpack(self.pointer, value)
            fields.setdefault(tag, (dtype, count, value))
        following = 0
        with suppress(DamagedError):
            following = self._unpack(self.pointer, start + size * number)
        return Directory(self, fields, following)

    def _unpack(self, code: str, offset: int) -> int:
        try:
            (value,) = struct.unpack_from(self.order + code, self.data, offset)
        except (struct.error, OverflowError) as error:
            raise DamagedError("an offset beyond the file's end") from error
        return int(value)
