"""Downloads that are cancelled, killed, redirected, doubled or without a disk."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import download_helpers
import pytest
from download_helpers import (
    BODY,
    HALF,
    NAME,
    Handler,
    Host,
    no_wait,
    put,
    serve,
    stall,
    status,
    weights_file,
)

from cvpire.errors import WeightsError
from cvpire.weights import fetch
from cvpire.weights.download import DownloadProgress, download_weights

home = download_helpers.home
host = download_helpers.host


def test_no_redirection_leaves_http(host: Host, home: Path, tmp_path: Path) -> None:
    secret = put(tmp_path / "secret", BODY)
    url = host.plan(status(302, Location=secret.as_uri()))
    with pytest.raises(WeightsError, match="not allowed"):
        download_weights(weights_file(url), wait=no_wait)
    with pytest.raises(WeightsError, match="http or https"):
        download_weights(weights_file(secret.as_uri()))
    ftp = host.plan(status(302, Location=f"ftp://127.0.0.1:{host.server_port}/x"))
    with pytest.raises(WeightsError, match="unknown url type: ftp"):
        download_weights(weights_file(ftp), wait=no_wait)
    moved = host.plan(status(302, Location=host.plan(serve())), path="/moved")
    assert download_weights(weights_file(moved)).read_bytes() == BODY


class CancelError(OSError):
    """An OSError, so that one taken for trouble with the disk or the net would show."""


def test_a_callback_that_raises_cancels_and_the_part_stays(host: Host, home: Path) -> None:
    def cancel(step: DownloadProgress) -> None:
        if step.received > 100_000:
            raise CancelError

    wanted = weights_file(host.plan(serve()))
    with pytest.raises(CancelError):
        download_weights(wanted, progress=cancel)
    kept = (home / f"{NAME}.part").stat().st_size
    assert kept > 100_000
    assert len(host.requests) == 1
    assert download_weights(wanted).read_bytes() == BODY
    assert host.requests[1][1] == f"bytes={kept}-"


def test_a_killed_process_leaves_a_part_to_resume(host: Host, home: Path) -> None:
    url = host.plan(stall(BODY[:HALF]), serve())
    wanted = weights_file(url)
    script = (
        "from cvpire.weights.store import WeightsFile\n"
        "from cvpire.weights.download import download_weights\n"
        f"download_weights({wanted!r})"
    )
    part = home / f"{NAME}.part"
    with subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2]) as process:
        deadline = time.monotonic() + 120
        while not part.exists() or part.stat().st_size < HALF:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (home / NAME).exists()
    assert download_weights(wanted).read_bytes() == BODY
    assert host.requests[1][1] == f"bytes={HALF}-"
    assert host.sent == len(BODY)


def test_two_at_once_download_once(host: Host) -> None:
    go = threading.Event()

    def slow(handler: Handler) -> None:
        handler.send(200, BODY[:HALF], Content_Length=len(BODY))
        go.wait(10)
        handler.wfile.write(BODY[HALF:])

    wanted = weights_file(host.plan(slow))
    first = threading.Thread(target=download_weights, args=(wanted,))
    first.start()
    while not host.requests:
        time.sleep(0.005)
    steps: list[DownloadProgress] = []

    def waiting(step: DownloadProgress) -> None:
        steps.append(step)
        go.set()

    path = download_weights(wanted, progress=waiting)
    first.join()
    assert path.read_bytes() == BODY
    assert len(host.requests) == 1
    assert {step.attempt for step in steps} == {0}


def test_trouble_with_the_disk_is_not_taken_for_a_bad_host(host: Host, home: Path) -> None:
    url = host.plan(serve())
    put(home.parent, b"a file where the folder should be")
    with pytest.raises(WeightsError, match="set CVPIRE_HOME"):
        download_weights(weights_file(url))
    assert host.requests == []
    home.parent.unlink()
    home.mkdir(parents=True)
    (home / f"{NAME}.part").symlink_to("/dev/full")
    with pytest.raises(WeightsError, match=r"No space left.*set CVPIRE_HOME"):
        download_weights(weights_file(url))
    assert len(host.requests) == 1


def test_no_attempt_is_no_download() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        download_weights(weights_file(), attempts=0)


def test_pieces_are_smaller_than_the_body() -> None:
    assert len(BODY) > 4 * fetch.CHUNK_BYTES
