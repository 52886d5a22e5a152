"""Files of weights from hosts that are slow or down: resuming, retrying, trying mirrors."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from filelock import FileLock, Timeout

from cvpire.errors import WeightsError
from cvpire.weights.fetch import AttemptError, fetch
from cvpire.weights.store import (
    WeightsFile,
    disk_errors,
    find_weights,
    has_sha256,
    logger,
    put_in_place,
    weights_dir,
)

MIRRORS_VARIABLE = "CVPIRE_WEIGHTS_MIRRORS"

LOCK_POLL_SECONDS = 0.1


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
    part = weights_dir() / f"{weights.filename}.part"
    tell = progress or (lambda step: None)
    with _sole_downloader(part, tell):
        if found := find_weights(weights):  # another process has just finished it
            return found
        with disk_errors():
            # A process may have been killed between the last byte and the final name.
            is_whole = part.is_file() and has_sha256(part, weights.sha256)
        if not is_whole:
            _fill(part, weights, _all_urls(weights, mirrors), tell, attempts, timeout, wait)
        return put_in_place(part, weights)


def _fill(
    part: Path,
    weights: WeightsFile,
    urls: list[str],
    tell: Callable[[DownloadProgress], None],
    attempts: int,
    timeout: float,
    wait: Callable[[float], None],
) -> None:
    """Rounds over the urls until one has completed the part."""
    if not urls:
        raise WeightsError(
            f"No address of {weights.filename} is known, so it cannot be downloaded: set "
            f"{MIRRORS_VARIABLE} to the base url of a mirror, or fetch it by other means and run "
            "`python -m cvpire weights import FILE`."
        )
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
                with contextlib.closing(_bring(url, part, weights, timeout)) as pieces:
                    for received, total in pieces:
                        tell(DownloadProgress(received, total, url, attempt))
                return
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
    url: str, part: Path, weights: WeightsFile, timeout: float
) -> Generator[tuple[int, int | None], None, None]:
    """Fetch the part and check it, yielding (bytes on disk, total if known).

    A generator, so that no OSError of the caller's callback is taken for one of the disk.
    """
    # Only a body that came whole from this url proves that the url itself is wrong.
    whole = None
    received = 0
    with disk_errors():
        for received, total in fetch(url, part, max_bytes=weights.max_bytes, timeout=timeout):
            if whole is None:
                whole = received == 0 and total is not None
            yield received, total
        if not has_sha256(part, weights.sha256):
            raise AttemptError(
                f"wrong sha256 after {received:,} bytes", for_good=bool(whole), drop_part=True
            )


@contextlib.contextmanager
def _sole_downloader(part: Path, tell: Callable[[DownloadProgress], None]) -> Iterator[None]:
    """Hold the file's lock, which the system frees even when a process is killed."""
    with disk_errors():
        part.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(part.with_suffix(".lock"))
    while not _is_ours(lock):
        received = part.stat().st_size if part.exists() else 0
        tell(DownloadProgress(received, None, "", 0))
        time.sleep(LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _is_ours(lock: FileLock) -> bool:
    with disk_errors(), contextlib.suppress(Timeout):
        lock.acquire(blocking=False)
    return lock.is_locked


def _all_urls(weights: WeightsFile, mirrors: Sequence[str]) -> list[str]:
    """The file's urls, then those at the mirrors, each once."""
    named = os.environ.get(MIRRORS_VARIABLE, "").split(",")
    bases = [base.strip().rstrip("/") for base in (*mirrors, *named)]
    at_mirrors = [f"{base}/{quote(weights.filename)}" for base in bases if base]
    return list(dict.fromkeys((*weights.urls, *at_mirrors)))
