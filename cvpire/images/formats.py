"""The file that is posted: its kind, and how much the picture may lose in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cvpire.errors import PhotoError, SettingsError
from cvpire.images.encoders import check_fits, encode_avif, encode_jpeg, encode_webp, has_avif
from cvpire.images.photo import Photo, encode_png
from cvpire.images.reading import read_written
from cvpire.watch import UNWATCHED, Watch

# The best quality that codecs are asked for: beyond it files grow and nobody sees a difference.
BEST_QUALITY = 95


@dataclass(frozen=True)
class _Kind:
    """A kind of file: its names' suffix, and its lossy encoder, if it is one."""

    suffix: str
    encode: Callable[[Photo, int], bytes] | None = None

    @property
    def is_lossless(self) -> bool:
        return self.encode is None


KINDS: Mapping[str, _Kind] = {
    "PNG": _Kind(".png"),
    "JPEG": _Kind(".jpg", encode_jpeg),
    "WebP": _Kind(".webp", encode_webp),
    **({"AVIF": _Kind(".avif", encode_avif)} if has_avif() else {}),
}


@dataclass(frozen=True)
class FileFormat:
    """A kind of file with its quality, or with the size that it must fit in.

    Attributes:
        kind: of `KINDS`: "PNG", "JPEG", "WebP" or "AVIF".
        quality: of a lossy kind, 1 to 100; None for PNG.
        max_bytes: the largest file; `fitted` finds the quality. None for no limit.

    Raises:
        SettingsError: for another kind, quality or size.

    Example:
        >>> str(FileFormat("JPEG", 85)), FileFormat.parse("webp-80").suffix
        ('JPEG 85', '.webp')
    """

    kind: str = "PNG"
    quality: int | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingsError(f"expected a file format of {', '.join(KINDS)}, got {self.kind!r}")
        if self.is_lossless and (self.quality is not None or self.max_bytes is not None):
            raise SettingsError(
                f"{self.kind} loses nothing: it has neither quality nor size to choose"
            )
        if not self.is_lossless and self.quality is None and self.max_bytes is None:
            raise SettingsError(f"expected a quality or a size in bytes for {self.kind}")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise SettingsError(f"expected a quality of 1 to 100, got {self.quality}")
        if self.max_bytes is not None and self.max_bytes < 1:
            raise SettingsError(f"expected a size of 1 byte or more, got {self.max_bytes}")

    def __str__(self) -> str:
        if self.quality is not None:
            return f"{self.kind} {self.quality}"
        return self.kind if self.max_bytes is None else f"{self.kind} of {self.max_bytes:,} bytes"

    @classmethod
    def parse(cls, text: str) -> FileFormat:
        """The format of words such as "PNG", "jpeg 75" or "WebP-80".

        Raises:
            SettingsError: for other words.
        """
        match = re.fullmatch(r"([a-z]+)(?:[ -](\d{1,3}))?", text.strip().lower())
        kind = next((k for k in KINDS if match and k.lower() == match[1]), None)
        if match is None or kind is None:
            raise SettingsError(
                f"expected a file format such as PNG, JPEG-75 or WebP-80, of {', '.join(KINDS)}, "
                f"got {text!r}"
            )
        return cls(kind, None if match[2] is None else int(match[2]))

    @property
    def is_lossless(self) -> bool:
        """Whether a reader of the file gets the very pixels that were written."""
        return KINDS[self.kind].is_lossless

    @property
    def suffix(self) -> str:
        """Of the file's name, with its dot."""
        return KINDS[self.kind].suffix

    def check(self, photo: Photo) -> None:
        """Say at once whether such a file can hold a photo, by the limits of its kind.

        Raises:
            PhotoError: if it cannot.
        """
        check_fits(photo, self.kind)

    def encode(self, photo: Photo) -> bytes:
        """The photo as such a file, without metadata.

        Raises:
            PhotoError: for a photo that such a file cannot hold.
            SettingsError: if the quality is still to be found (see `fitted`).
        """
        encode = KINDS[self.kind].encode
        if encode is None:
            self.check(photo)
            return encode_png(photo)
        if self.quality is None:
            raise SettingsError(f"expected a quality: {self} has only a size")
        return encode(photo, self.quality)

    def read_back(self, photo: Photo) -> tuple[bytes, Photo]:
        """The file, and what its reader gets."""
        data = self.encode(photo)
        return data, read_written(data, photo)

    def fits(self, photo: Photo) -> bool:
        """Whether this photo's file is as small as it has to be."""
        return self.max_bytes is None or len(self.encode(photo)) <= self.max_bytes

    def fitted(self, photo: Photo, watch: Watch = UNWATCHED) -> FileFormat:
        """With the best quality at which this photo fits into `max_bytes`; itself without a limit.

        Args:
            photo: that is to fit.
            watch: asked before each of some seven encodings; what it raises ends the work.

        Raises:
            PhotoError: if it does not fit at any quality.
        """
        if self.max_bytes is None:
            return self
        # A file grows with the quality, near enough: what is returned is known to fit.
        fits, low, high = 0, 1, self.quality or BEST_QUALITY
        while low <= high:
            watch.check()
            middle = (low + high + 1) // 2
            if replace(self, quality=middle).fits(photo):
                fits, low = middle, middle + 1
            else:
                high = middle - 1
        if not fits:
            raise PhotoError(
                f"A photo of {photo.width} x {photo.height} pixels does not fit into "
                f"{self.max_bytes:,} bytes as {self.kind}, whatever its quality: allow a larger "
                "file or make the photo smaller."
            )
        return replace(self, quality=fits)

    def gentler(self) -> tuple[FileFormat, ...]:
        """Formats that lose less, from the next to one that loses nothing."""
        if self.is_lossless:
            return ()
        qualities = [q for q in (75, 85, 90, BEST_QUALITY) if q > (self.quality or 0)]
        return (*(FileFormat(self.kind, quality) for quality in qualities), PNG)


def kind_of(path: Path) -> str | None:
    """The kind of `KINDS` that a file's name says it is; None for any other."""
    suffix = {".jpeg": ".jpg"}.get(path.suffix.lower(), path.suffix.lower())
    return next((kind for kind in KINDS if KINDS[kind].suffix == suffix), None)


def format_of_file(path: Path) -> FileFormat:
    """The format in which a photo's file stays what it is: its own where we write such files.

    A JPEG, WebP or AVIF stays one, at `USUAL_QUALITY`. A HEIC, which is not written, becomes a
    JPEG, since it is as small; whatever loses nothing becomes a PNG. What the file holds counts,
    not its name; one that cannot be read counts as a PNG.
    """
    try:
        with path.open("rb") as file:
            start = file.read(32)
    except (OSError, ValueError):
        start = b""
    lossy = next((kind for pattern, kind in _LOSSY_SIGNATURES if re.match(pattern, start)), None)
    return PNG if lossy is None else FileFormat(lossy, USUAL_QUALITY)


# How the files of lossy kinds begin, and the kind that they stay or become.
_LOSSY_SIGNATURES = (
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"(?s)RIFF....WEBP(?!VP8L)", "WebP"),
    (rb"(?s)....ftypavi[fs]", "AVIF" if has_avif() else "JPEG"),
    (rb"(?s)....ftyp(?:hei|hev|mif1|msf1)", "JPEG"),
)

# Of lossy files, where neither quality nor size is asked for.
USUAL_QUALITY = 90

# What is written unless something else is asked for.
PNG = FileFormat("PNG")
