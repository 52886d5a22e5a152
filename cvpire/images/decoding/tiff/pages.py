"""Which of a TIFF's pages is the photo.

The others may be its thumbnail, smaller copies for zooming, or masks (TIFF 6.0, NewSubfileType).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from cvpire.images.decoding.tiff.tags import (
    DamagedError,
    Directory,
    RefusedError,
    TiffBytes,
    UnsupportedError,
)

_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _SUB_IFDS, _DNG_VERSION = 254, 255, 330, 50706
_WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC = 256, 257, 259, 262
_MASK = 4
# Photometric interpretations and compressions that only a camera's sensor has: colour filter array
# and linear raw (TIFF/EP, DNG), Sony's, Nikon's and Kodak's and Pentax's own.
_RAW_PHOTOMETRICS = (32803, 34892)
_RAW_COMPRESSIONS = (32767, 34713, 65000, 65535)

# Pyramids have about ten levels, raw files about five sub-directories.
_MAX_PAGES = 64
_MAX_SUB_IFDS = 16
_MAX_PAGES_WITH_SUB_IFDS = 4
# A page that is so much smaller is no second photo: 2/3 of the side with the same proportions, or
# the size of a thumbnail, whose proportions cameras do not keep (bars above and below).
_SMALLER, _THUMBNAIL, _THUMBNAIL_SHARE = 2 / 3, 320, 1 / 4

_SEVERAL = "has several pages and a single picture was expected: save one page and try again."
_RAW = "is a camera's raw file: export it as JPEG and try again."


@dataclass(frozen=True, eq=False)
class _Page:
    directory: Directory
    width: int
    height: int
    is_aside: bool  # marked as a smaller copy, a mask or a depth map
    is_mask: bool

    @property
    def pixels(self) -> int:
        return self.width * self.height


def main_page(file: TiffBytes) -> tuple[Directory, int]:
    """The page that holds the photo in full size, and how many others were passed over."""
    pages: list[_Page] = []
    for page in _chain(file):
        if _is_raw(file, page.directory, with_subs=len(pages) < _MAX_PAGES_WITH_SUB_IFDS):
            raise RefusedError(_RAW)
        pages.append(page)
        if len(pages) > _MAX_PAGES:
            raise RefusedError(_SEVERAL)
    if not pages:
        raise DamagedError("no page")
    candidates = [page for page in pages if not page.is_aside]
    if all(page.is_mask for page in pages):
        raise UnsupportedError("a transparency mask without its photo")
    if not candidates:  # the photo lies below its smaller copy, or there is nothing but that
        copies = [page for page in pages if not page.is_mask]
        candidates = [max([*copies, *_sub_pages(file, copies)], key=lambda page: page.pixels)]
    main = max(candidates, key=lambda page: page.pixels)
    if any(page is not main and not _is_copy(page, main) for page in candidates):
        raise RefusedError(_SEVERAL)
    return main.directory, len(pages) - 1


def _chain(file: TiffBytes) -> Iterator[_Page]:
    """The pages in their order; a loop, or a pointer to nowhere, ends it.

    Pages after the first say nothing of the photo's wholeness: where the second cannot be read, the
    first is the photo.
    """
    offset, seen = file.first_offset, set[int]()
    while offset and offset not in seen:
        try:
            page = _page(file.directory(offset))
        except DamagedError:
            if not seen:
                raise
            return
        seen.add(offset)
        yield page
        offset = page.directory.next_offset


def _page(directory: Directory) -> _Page:
    kind = directory.integer(_NEW_SUBFILE_TYPE, 0)
    # Bit 1 says "a page of several"; every other one says "belongs to another picture".
    is_aside = bool(kind & ~2) or directory.integer(_SUBFILE_TYPE, 1) == 2
    is_mask = directory.integer(_PHOTOMETRIC, 1) == _MASK
    width, height = directory.integer(_WIDTH, 0), directory.integer(_HEIGHT, 0)
    return _Page(directory, width, height, is_aside or is_mask, is_mask)


def _sub_pages(file: TiffBytes, pages: Sequence[_Page]) -> Iterator[_Page]:
    """Pages that lie below others, as far as they can be read."""
    for page in pages[:_MAX_PAGES_WITH_SUB_IFDS]:
        with suppress(DamagedError):
            subs = map(_page, _below(file, page.directory))
            yield from (sub for sub in subs if not sub.is_mask)


def _below(file: TiffBytes, directory: Directory) -> Iterator[Directory]:
    for offset in directory.integers(_SUB_IFDS)[:_MAX_SUB_IFDS].tolist():
        yield file.directory(int(offset))


def _is_copy(page: _Page, main: _Page) -> bool:
    """Whether an unmarked page is plainly a smaller copy of the main one."""
    longer, main_longer = max(page.width, page.height), max(main.width, main.height)
    if longer <= _THUMBNAIL and longer <= main_longer * _THUMBNAIL_SHARE:
        return True
    if longer > main_longer * _SMALLER + 1:
        return False
    expected = main.height * page.width / max(main.width, 1)
    return abs(page.height - expected) <= 2


def _is_raw(file: TiffBytes, directory: Directory, *, with_subs: bool) -> bool:
    if _DNG_VERSION in directory or file.data[8:10] == b"CR":  # Canon's CR2
        return True
    if _is_sensor(directory):
        return True
    with suppress(DamagedError):  # what lies below says nothing of the page itself
        return with_subs and any(map(_is_sensor, _below(file, directory)))
    return False


def _is_sensor(directory: Directory) -> bool:
    return (
        directory.integer(_PHOTOMETRIC, 1) in _RAW_PHOTOMETRICS
        or directory.integer(_COMPRESSION, 1) in _RAW_COMPRESSIONS
    )
