"""One attempt to bring one url's bytes to disk over HTTP, going on where an earlier one stopped.

Knows nothing of what the bytes should be: `cvpire.weights.download` checks them, retries and picks
urls.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, cast
from urllib.parse import urlsplit

USER_AGENT = "cvpire/1.0 (weights download)"
CHUNK_BYTES = 1 << 16
PASSING_CLIENT_ERRORS = (408, 425, 429)  # request timeout, too early, too many requests


class AttemptError(Exception):
    """A url did not deliver; the message is short, to stand behind the url.

    Attributes:
        for_good: Asking this url again is pointless.
        drop_part: The bytes on disk cannot be built upon.
    """

    def __init__(self, reason: str, *, for_good: bool = False, drop_part: bool = False) -> None:
        super().__init__(reason)
        self.for_good = for_good
        self.drop_part = drop_part


def fetch(
    url: str, part: Path, *, max_bytes: int, timeout: float
) -> Iterator[tuple[int, int | None]]:
    """Bring `part` to its full length, yielding (bytes on disk, total if known) as they come.

    The first pair comes before any new byte: (0, ...) when the host begins from the start.

    Args:
        part: Asks for what follows its bytes, if it exists; a host that sends the whole file
            instead overwrites them.
        max_bytes: A longer file is refused.
        timeout: Seconds to wait for a connection, and for each next piece.

    Raises:
        AttemptError: The url did not deliver everything; what came is in `part`.
        OSError: `part` cannot be read or written.
    """
    offset = part.stat().st_size if part.exists() else 0
    with contextlib.closing(_open(url, offset, timeout)) as response:
        received, total = _placement(response, offset)
        if total is not None and total > max_bytes:
            raise AttemptError(
                f"offers {total:,} bytes, more than the expected {max_bytes:,} at most",
                for_good=True,
            )
        with part.open("ab" if received else "wb") as file:
            yield received, total
            while piece := _read(response):
                received += len(piece)
                if received > max_bytes:
                    raise AttemptError(
                        f"sent more than the expected {max_bytes:,} bytes at most",
                        for_good=True,
                        drop_part=True,
                    )
                file.write(piece)
                yield received, total
    if total is not None and received < total:
        raise AttemptError(f"the connection was cut after {received:,} of {total:,} bytes")


def _open(url: str, offset: int, timeout: float) -> http.client.HTTPResponse:
    """Ask for the bytes from `offset` on."""
    headers = {"User-Agent": USER_AGENT} | ({"Range": f"bytes={offset}-"} if offset else {})
    with _network_errors():
        if urlsplit(url).scheme not in ("http", "https"):
            raise AttemptError("expected an http or https url", for_good=True)
        request = urllib.request.Request(url, headers=headers)
        opener = urllib.request.build_opener(_NoFtp)
        return cast(http.client.HTTPResponse, opener.open(request, timeout=timeout))


class _NoFtp(urllib.request.FTPHandler):
    """In place of urllib's own, so that a redirection cannot lead there."""

    def ftp_open(self, req: urllib.request.Request) -> NoReturn:
        raise urllib.error.URLError(f"unknown url type: {req.type}")


def _placement(response: http.client.HTTPResponse, offset: int) -> tuple[int, int | None]:
    """Where the body begins in the file, and how long the whole file is, if the host says so."""
    if response.status == 200:
        return 0, response.length
    if response.status != 206:
        raise AttemptError(f"expected status 200 or 206, came {response.status}")
    content_range = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range)
    if match is None or int(match[1]) != offset:
        # Without the part, the next attempt asks for the whole file, which such a host may manage.
        raise AttemptError(
            f"expected the bytes from {offset:,} on, came the range {content_range!r}",
            drop_part=True,
        )
    if match[2] != "*":
        return offset, int(match[2])
    return offset, None if response.length is None else offset + response.length


def _read(response: http.client.HTTPResponse) -> bytes:
    with _network_errors():
        return response.read1(CHUNK_BYTES)


@contextlib.contextmanager
def _network_errors() -> Iterator[None]:
    """Turn whatever asking a host can raise into a failed attempt."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise AttemptError(
            f"{error.code} {error.reason}",
            # 416: the part is as long as the host's file or longer, and is not the file.
            for_good=400 <= error.code < 500 and error.code not in (416, *PASSING_CLIENT_ERRORS),
            drop_part=error.code == 416,
        ) from error
    except urllib.error.URLError as error:
        raise AttemptError(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise AttemptError(str(error) or type(error).__name__) from error
    except ValueError as error:
        raise AttemptError(f"cannot be asked: {error}", for_good=True) from error
