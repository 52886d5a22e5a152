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
import random
import re
import shutil
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import quote

from cvpire.errors import WeightsError
from cvpire.locks import try_lock
from cvpire.weights.fetch import AttemptError, fetch

logger = logging.getLogger(__name__)

MIRRORS_VARIABLE = "CVPIRE_WEIGHTS_MIRRORS"
SIZE_TOLERANCE = 1.5
LOCK_POLL_SECONDS = 0.1


class FileState(NamedTuple):
    """What tells a file from one that took its place, without reading it. A copy may be given the
    time of modification of another file, but on most systems not its time of change.
    """

    path: Path
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


# Hashing 97 MB takes up to 0.3 s: the sha256 of the last state of each file.
_known_sha256: dict[Path, tuple[FileState, str]] = {}


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


class DownloadProgress(NamedTuple):
    """One step of a download.

    `received` counts what lies on disk, so it starts above 0 after a resume and falls when a host
    makes us start over. `total` is None while unknown. `attempt` counts rounds from 1; 0, with an
    empty `url`, means that another process is downloading this file and we wait for it.
    """

    received: int
    total: int | None
    url: str
    attempt: int


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
        found = has_sha256(path, weights.sha256)
    except OSError as error:
        logger.warning("ignoring %s, which cannot be read: %s", path, error)
        return None
    if not found:
        logger.warning("ignoring %s: its sha256 is not %s", path, weights.sha256)
        return None
    return path


def has_sha256(path: Path, sha256: str) -> bool:
    """Whether a file's sha256 is this one, or starts with these digits.

    A file is not read again in this process until its state changes.

    Raises:
        OSError: The file cannot be read.
    """
    state = file_state(path)
    known = _known_sha256.get(path)
    if known is None or known[0] != state:
        known = (state, file_sha256(path))
        # What was written while it was read is read again next time.
        if file_state(path) == state:
            _known_sha256[path] = known
    return known[1].startswith(sha256)


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


def download_weights(
    weights: WeightsFile,
    *,
    progress: Callable[[DownloadProgress], None] | None = None,
    attempts: int = 4,
    timeout: float = 30.0,
    mirrors: Sequence[str] = (),
    wait: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch a file into `weights_dir()`, unless it is there already.

    The urls are tried in rounds: the file's own, then `mirrors`, then those of the environment
    variable CVPIRE_WEIGHTS_MIRRORS (comma-separated). Bytes are kept in `filename.part` and a later
    attempt, or a later process, resumes there. One process at a time downloads a file.

    Args:
        progress: Called after each piece. What it raises (to cancel) goes to the caller; the part
            is kept.
        attempts: Rounds over all urls, at least 1.
        timeout: Seconds to wait for a connection, and for each next piece of a body.
        mirrors: Base urls, to which `/filename` is joined.
        wait: Sleeps between rounds: about 1, 2, 4... seconds.

    Raises:
        ValueError: `attempts` is below 1.
        WeightsError: No address is known, no url delivered the file, or the folder cannot be
            written.
    """
    if attempts < 1:
        raise ValueError(f"expected at least 1 attempt, got {attempts}")
    if found := find_weights(weights):
        return found
    with _sole_downloader(weights, progress):
        if found := find_weights(weights):  # another process has just finished it
            return found
        part = _part_path(weights)
        with _disk_errors():
            # A process may have been killed between the last byte and the final name.
            if part.is_file() and has_sha256(part, weights.sha256):
                return _put_in_place(part, weights)
        return _download(weights, _all_urls(weights, mirrors), progress, attempts, timeout, wait)


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
    with _disk_errors():
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
            return _put_in_place(copy, weights)
        finally:
            copy.unlink(missing_ok=True)


def _download(
    weights: WeightsFile,
    urls: list[str],
    progress: Callable[[DownloadProgress], None] | None,
    attempts: int,
    timeout: float,
    wait: Callable[[float], None],
) -> Path:
    """Rounds over the urls until one has completed the part."""
    if not urls:
        raise WeightsError(
            f"No address of {weights.filename} is known, so it cannot be downloaded: set "
            f"{MIRRORS_VARIABLE} to the base url of a mirror, or fetch it by other means and run "
            "`python -m cvpire weights import FILE`."
        )
    part = _part_path(weights)
    reasons: dict[str, str] = {}
    hopeless: set[str] = set()
    for attempt in range(1, attempts + 1):
        if attempt > 1:
            wait(2.0 ** (attempt - 2) + random.uniform(0.0, 0.25))
        for url in urls:
            if url in hopeless:
                continue
            try:
                # Closed at once when the callback raises, so that the part is flushed.
                with contextlib.closing(_bring(url, weights, timeout)) as pieces:
                    for received, total in pieces:
                        if progress is not None:
                            progress(DownloadProgress(received, total, url, attempt))
                return _put_in_place(part, weights)
            except AttemptError as failure:
                logger.info("attempt %d of %d, %s: %s", attempt, attempts, url, failure)
                reasons[url] = str(failure)
                if failure.for_good:
                    hopeless.add(url)
                if failure.drop_part:
                    part.unlink(missing_ok=True)
        if hopeless.issuperset(urls):
            break
    causes = "; ".join(f"{url} ({reason})" for url, reason in reasons.items())
    raise WeightsError(
        f"could not download {weights.filename}: {causes}. Try again later (what came is kept), "
        f"set {MIRRORS_VARIABLE} to the base url of a mirror, or fetch the file by other means and "
        "import it with `python -m cvpire weights import FILE`"
    )


def _bring(
    url: str, weights: WeightsFile, timeout: float
) -> Generator[tuple[int, int | None], None, None]:
    """Fetch the part and check it, yielding (bytes on disk, total if known).

    A generator, so that no OSError of the caller's callback is taken for one of the disk.
    """
    part = _part_path(weights)
    # Only a body that came whole from this url proves that the url itself is wrong.
    whole = None
    received = 0
    with _disk_errors():
        for received, total in fetch(url, part, max_bytes=weights.max_bytes, timeout=timeout):
            if whole is None:
                whole = received == 0 and total is not None
            yield received, total
        if not has_sha256(part, weights.sha256):
            raise AttemptError(
                f"wrong sha256 after {received:,} bytes", for_good=bool(whole), drop_part=True
            )


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WeightsError(
            f"cannot keep weights in {weights_dir()}: {error}; make room there or set CVPIRE_HOME "
            "to a folder that can be written"
        ) from error


@contextlib.contextmanager
def _sole_downloader(
    weights: WeightsFile, progress: Callable[[DownloadProgress], None] | None
) -> Iterator[None]:
    """Hold the file's lock, which the system frees even when a process is killed."""
    part = _part_path(weights)
    with _disk_errors():
        part.parent.mkdir(parents=True, exist_ok=True)
        # Never deleted: a process that waits holds the file that it opened, not the name.
        file = part.with_suffix(".lock").open("ab")
    with file:
        while not _is_ours(file):
            if progress is not None:
                received = part.stat().st_size if part.exists() else 0
                progress(DownloadProgress(received, None, "", 0))
            time.sleep(LOCK_POLL_SECONDS)
        yield


def _is_ours(lock: BinaryIO) -> bool:
    with _disk_errors():
        return try_lock(lock.fileno())


def _all_urls(weights: WeightsFile, mirrors: Sequence[str]) -> list[str]:
    """The file's urls, then those at the mirrors, each once."""
    named = os.environ.get(MIRRORS_VARIABLE, "").split(",")
    bases = [base.strip().rstrip("/") for base in (*mirrors, *named)]
    at_mirrors = [f"{base}/{quote(weights.filename)}" for base in bases if base]
    return list(dict.fromkeys((*weights.urls, *at_mirrors)))


def _part_path(weights: WeightsFile) -> Path:
    return weights_dir() / f"{weights.filename}.part"


def _put_in_place(path: Path, weights: WeightsFile) -> Path:
    """Give checked bytes their final name, in one step that survives a power cut."""
    target = weights_dir() / weights.filename
    with _disk_errors():
        with path.open("r+b") as file:
            os.fsync(file.fileno())
        path.replace(target)
    return target
