"""Weights on disk: where they lie, and how they get there whole or not at all.

A `WeightsFile` names a published file by its sha256. `find_weights` looks for it,
`download_weights` fetches it from hosts that are slow or down (resuming, retrying, trying mirrors),
`import_weights` takes a copy that the user brought. Bytes are checked before they get the final
name, so whatever has that name is whole. `cvpire.weights.checkpoints` reads the files.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cvpire.errors import WeightsError

logger = logging.getLogger(__name__)

SIZE_TOLERANCE = 1.5


class FileState(NamedTuple):
    """What tells a file from one that took its place, without reading it. A copy may be given the
    time of modification of another file, but on most systems not its time of change.
    """

    path: Path
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True)
class WeightsFile:
    """A published file of weights.

    Attributes:
        filename: Its name, without a folder.
        urls: The origin first, then mirrors; none where a file can only be imported.
        sha256: Lower-case hex digest of the whole file, or its first digits (8 at least) where no
            more is published: files named as torch.hub does carry 8.
        size: About how many bytes; a body beyond 1.5 times this is refused.
    """

    filename: str
    urls: tuple[str, ...]
    sha256: str
    size: int

    def __post_init__(self) -> None:
        if self.filename in ("", "..") or self.filename != Path(self.filename).name:
            raise ValueError(f"expected a file name without a folder, got {self.filename!r}")
        if not re.fullmatch("[0-9a-f]{8,64}", self.sha256):
            raise ValueError(
                f"expected a sha256 of 8 to 64 lower-case hex digits, got {self.sha256!r}"
            )
        if self.size <= 0:
            raise ValueError(f"expected a size above 0 bytes, got {self.size}")

    @property
    def max_bytes(self) -> int:
        """The longest body that is read."""
        return int(self.size * SIZE_TOLERANCE)


def weights_dir() -> Path:
    """The folder of downloaded weights; asking creates nothing.

    `$CVPIRE_HOME/weights` if that is set, else `cvpire/weights` in the user's cache (XDG).
    """
    if home := os.environ.get("CVPIRE_HOME"):
        return Path(home).expanduser() / "weights"
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG standard: a relative path is to be ignored.
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "cvpire" / "weights"


def find_weights(weights: WeightsFile) -> Path | None:
    """The file's path, if it is in `weights_dir()` and its sha256 is right, else None."""
    path = weights_dir() / weights.filename
    if not path.is_file():
        return None
    try:
        if has_sha256(path, weights.sha256):
            return path
        logger.warning("ignoring %s: its sha256 is not %s", path, weights.sha256)
    except OSError as error:
        logger.warning("ignoring %s, which cannot be read: %s", path, error)
    return None


def has_sha256(path: Path, sha256: str) -> bool:
    """Whether a file's sha256 is this one, or starts with these digits.

    A file is not read again in this process until its state changes.

    Raises:
        OSError: The file cannot be read.
    """
    return _sha256_of(file_state(path)).startswith(sha256)


# Hashing 97 MB takes up to 0.3 s. What is written meanwhile has another state, and is read again.
@lru_cache
def _sha256_of(state: FileState) -> str:
    return file_sha256(state.path)


def file_state(path: Path) -> FileState:
    """The state of a file as it is now.

    Raises:
        OSError: The file cannot be looked at.
    """
    status = path.stat()
    return FileState(path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in lower-case hex.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def import_weights(path: Path, weights: WeightsFile) -> Path:
    """Copy a file that the user fetched by other means into `weights_dir()`.

    Raises:
        WeightsError: There is no such file, its sha256 is wrong, or the folder cannot be written.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"expected a file with the weights, but there is none at {path}")
    folder = weights_dir()
    # Its own name, not the download's part: an import must not wait for a stuck download.
    copy = folder / f"{weights.filename}.{uuid.uuid4().hex}.import"
    with disk_errors():
        if path.stat().st_size > weights.max_bytes:
            raise WeightsError(
                f"expected about {weights.size:,} bytes for {weights.filename}, but {path} has "
                f"{path.stat().st_size:,}; it is another file"
                + (f", so fetch it from {weights.urls[0]}" if weights.urls else "")
            )
        folder.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(path, copy)
            # The copy is checked, not the original, which may change meanwhile.
            if not (digest := file_sha256(copy)).startswith(weights.sha256):
                raise WeightsError(
                    f"expected sha256 {weights.sha256} for {weights.filename}, but {path} has "
                    f"{digest}; it is another file or was cut, so fetch it again"
                )
            return put_in_place(copy, weights)
        finally:
            copy.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WeightsError(
            f"cannot keep weights in {weights_dir()}: {error}; make room there or set CVPIRE_HOME "
            "to a folder that can be written"
        ) from error


def put_in_place(path: Path, weights: WeightsFile) -> Path:
    """Give checked bytes their final name, in one step that survives a power cut."""
    target = weights_dir() / weights.filename
    with disk_errors():
        with path.open("r+b") as file:
            os.fsync(file.fileno())
        path.replace(target)
    return target
