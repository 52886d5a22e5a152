"""Downloads and imports, against a host on the loopback interface that misbehaves as told."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cvpire.errors import WeightsError
from cvpire.weights import fetch
from cvpire.weights import store as weights
from cvpire.weights.download import DownloadProgress, download_weights
from cvpire.weights.store import WeightsFile, find_weights, import_weights, weights_dir

BODY = bytes(range(256)) * 4096  # 1 MiB
NAME = "net.pth.tar"
HALF = len(BODY) // 2

Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Range")))
        self.server.agents.append(self.headers["User-Agent"])
        plan = self.server.plans.get(self.path, [status(404)])
        try:
            (plan.pop(0) if len(plan) > 1 else plan[0])(self)
        except OSError:  # the client hung up
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def send(self, code: int, body: bytes, **headers: object) -> None:
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)
        self.server.sent += len(body)


class Host(ThreadingHTTPServer):
    """What each path answers (the last behaviour for ever), what was asked, and bytes sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plans: dict[str, list[Behaviour]] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.agents: list[str] = []
        self.sent = 0
        self.closing = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        pass

    def url(self, path: str = f"/{NAME}") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def plan(self, *behaviours: Behaviour, path: str = f"/{NAME}") -> str:
        self.plans[path] = list(behaviours)
        return self.url(path)


def serve(body: bytes = BODY, *, cut: int | None = None, ranges: bool = True) -> Behaviour:
    """Send the body or the range asked for, hanging up after `cut` bytes."""

    def behave(handler: Handler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range") or "")
        if asked is None or not ranges:
            handler.send(200, body[:cut], Content_Length=len(body))
            return
        start = int(asked[1])
        if start >= len(body):
            handler.send(416, b"", Content_Range=f"bytes */{len(body)}")
            return
        rest = body[start:]
        said = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.send(206, rest[:cut], Content_Length=len(rest), Content_Range=said)

    return behave


def status(code: int, **headers: object) -> Behaviour:
    return lambda handler: handler.send(code, b"no", **headers)


def shifted(handler: Handler) -> None:
    """Answer every range with the wrong one."""
    if handler.headers.get("Range"):
        said = f"bytes 7-{len(BODY) - 1}/{len(BODY)}"
        handler.send(206, BODY[7:], Content_Length=len(BODY) - 7, Content_Range=said)
    else:
        serve()(handler)


def unsized(body: bytes) -> Behaviour:
    return lambda handler: handler.send(200, body)


def endless(handler: Handler) -> None:
    handler.send(200, b"")
    while not handler.server.closing.is_set():
        handler.wfile.write(bytes(1 << 16))
        handler.server.sent += 1 << 16


def stall(body: bytes) -> Behaviour:
    """Send a piece of the file, then nothing."""

    def behave(handler: Handler) -> None:
        handler.send(200, body, Content_Length=len(BODY))
        handler.server.closing.wait(20)

    return behave


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CVPIRE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CVPIRE_WEIGHTS_MIRRORS", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(weights, "_known_sha256", {})
    return tmp_path / "home" / "weights"


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as host:
        thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield host
        host.closing.set()
        host.shutdown()
        thread.join()


def weights_file(*urls: str, body: bytes = BODY) -> WeightsFile:
    return WeightsFile(NAME, urls, hashlib.sha256(body).hexdigest(), len(body))


def put(path: Path, body: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def no_wait(seconds: float) -> None:
    pass


def names(folder: Path) -> set[str]:
    """What lies in the folder, but for the lock, which stays."""
    return {path.name for path in folder.iterdir()} - {f"{NAME}.lock"}


# ---- where ----


def test_weights_dir_follows_the_environment_and_creates_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert weights_dir() == home
    monkeypatch.delenv("CVPIRE_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert weights_dir() == tmp_path / "cache" / "cvpire" / "weights"
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    for unusable in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert weights_dir() == tmp_path / "me" / ".cache" / "cvpire" / "weights"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("filename", "sha256", "size"),
    [
        ("a/b", "0" * 64, 1),
        ("..", "0" * 64, 1),
        ("", "0" * 64, 1),
        ("a", "A" * 64, 1),
        ("a", "0" * 7, 1),
        ("a", "0" * 64, 0),
    ],
)
def test_a_weights_file_is_checked_at_the_door(filename: str, sha256: str, size: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        WeightsFile(filename, (), sha256, size)


def test_find_hashes_once_and_notices_a_change(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hashed: list[Path] = []
    hashing = weights.file_sha256

    def counting(path: Path) -> str:
        hashed.append(path)
        return hashing(path)

    monkeypatch.setattr(weights, "file_sha256", counting)
    wanted = weights_file()
    assert find_weights(wanted) is None
    assert caplog.text == ""  # nothing is wrong yet
    path = put(home / NAME, BODY)
    assert find_weights(wanted) == find_weights(wanted) == path
    assert len(hashed) == 1
    assert find_weights(weights_file(body=b"other")) is None

    put(path, b"x" + BODY[1:])
    later = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(later, later))
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert find_weights(wanted) is None
    assert str(path) in caplog.text


# ---- download ----


def test_download_reports_each_piece_and_is_found(host: Host, home: Path) -> None:
    steps: list[DownloadProgress] = []
    wanted = weights_file(host.plan(serve()))
    path = download_weights(wanted, progress=steps.append)
    assert path == home / NAME == find_weights(wanted)
    assert path.read_bytes() == BODY
    assert names(home) == {NAME}
    received = [step.received for step in steps]
    assert received == sorted(received)
    assert (received[0], len(received) > 3) == (0, True)
    assert steps[-1] == DownloadProgress(len(BODY), len(BODY), host.url(), 1)
    assert host.agents[0].startswith("cvpire/")
    assert download_weights(wanted) == path
    assert len(host.requests) == 1


def test_a_file_that_is_there_but_wrong_is_replaced(host: Host, home: Path) -> None:
    put(home / NAME, b"rubbish")
    assert download_weights(weights_file(host.plan(serve()))).read_bytes() == BODY


def test_cut_connections_are_resumed(host: Host) -> None:
    url = host.plan(serve(cut=300_000), serve(cut=300_000), serve())
    waits: list[float] = []
    steps: list[DownloadProgress] = []
    path = download_weights(weights_file(url), wait=waits.append, progress=steps.append)
    assert path.read_bytes() == BODY
    assert [asked for _, asked in host.requests] == [None, "bytes=300000-", "bytes=600000-"]
    assert host.sent == len(BODY)
    assert {step.attempt for step in steps} == {1, 2, 3}
    assert {step.total for step in steps} == {len(BODY)}
    assert [round(seconds - 0.125) for seconds in waits] == [1, 2]


def test_a_host_without_ranges_starts_from_zero(host: Host) -> None:
    url = host.plan(serve(cut=HALF), serve(ranges=False))
    steps: list[DownloadProgress] = []
    path = download_weights(weights_file(url), wait=no_wait, progress=steps.append)
    assert path.read_bytes() == BODY
    assert host.requests[1][1] == f"bytes={HALF}-"
    assert steps[-1].received == len(BODY)


@pytest.mark.parametrize("code", [500, 503, 429])
def test_a_passing_error_is_tried_again(host: Host, code: int) -> None:
    url = host.plan(status(code), serve())
    assert download_weights(weights_file(url), wait=no_wait).read_bytes() == BODY


def test_a_silent_host_times_out_and_the_rest_comes(host: Host) -> None:
    url = host.plan(stall(BODY[:HALF]), serve())
    start = time.monotonic()
    path = download_weights(weights_file(url), wait=no_wait, timeout=0.2)
    assert time.monotonic() - start < 10  # the host is silent for 20 s
    assert path.read_bytes() == BODY
    assert host.requests[1][1] == f"bytes={HALF}-"


def test_a_wrong_part_is_dropped(host: Host, home: Path) -> None:
    put(home / f"{NAME}.part", b"x" * HALF)
    path = download_weights(weights_file(host.plan(serve())), wait=no_wait)
    assert path.read_bytes() == BODY
    assert [asked for _, asked in host.requests] == [f"bytes={HALF}-", None]


@pytest.mark.parametrize("length", [len(BODY), len(BODY) + 9])
def test_a_wrong_part_as_long_as_the_file_is_dropped(host: Host, home: Path, length: int) -> None:
    put(home / f"{NAME}.part", b"x" * length)
    path = download_weights(weights_file(host.plan(serve())), wait=no_wait)
    assert path.read_bytes() == BODY
    assert [asked for _, asked in host.requests] == [f"bytes={length}-", None]


def test_a_part_that_is_complete_needs_no_host(home: Path) -> None:
    put(home / f"{NAME}.part", BODY)
    assert download_weights(weights_file()).read_bytes() == BODY
    assert names(home) == {NAME}


def test_a_range_that_was_not_asked_for_is_not_appended(host: Host, home: Path) -> None:
    put(home / f"{NAME}.part", BODY[:HALF])
    wanted = weights_file(host.plan(shifted))
    with pytest.raises(WeightsError, match="came the range 'bytes 7-"):
        download_weights(wanted, attempts=1)
    assert download_weights(wanted).read_bytes() == BODY
    assert [asked for _, asked in host.requests] == [f"bytes={HALF}-", None]


def test_a_body_of_unknown_length(host: Host) -> None:
    url = host.plan(unsized(BODY[:HALF]), unsized(BODY))
    steps: list[DownloadProgress] = []
    path = download_weights(weights_file(url), wait=no_wait, progress=steps.append)
    assert path.read_bytes() == BODY
    assert steps[-1].total is None


def test_mirrors_come_after_the_origin(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVPIRE_WEIGHTS_MIRRORS", f" {host.url('/b/')} ,,{host.url('/c')}")
    host.plan(serve(), path=f"/c/{NAME}")
    path = download_weights(weights_file(host.url("/gone")), mirrors=[host.url("/a")])
    assert path.read_bytes() == BODY
    asked = [path for path, _ in host.requests]
    assert asked == ["/gone", f"/a/{NAME}", f"/b/{NAME}", f"/c/{NAME}"]


def test_the_next_url_resumes_what_the_first_began(host: Host) -> None:
    first = host.plan(serve(cut=HALF), path="/first")
    second = host.plan(serve(), path="/second")
    assert download_weights(weights_file(first, second)).read_bytes() == BODY
    assert host.requests == [("/first", None), ("/second", f"bytes={HALF}-")]


def test_a_lying_mirror_poisons_nothing(host: Host, home: Path) -> None:
    wrong = host.plan(serve(b"x" * len(BODY)), path="/wrong")
    good = host.plan(status(503), serve(), path="/good")
    path = download_weights(weights_file(wrong, good), wait=no_wait)
    assert path.read_bytes() == BODY
    # The whole wrong file is not fetched twice.
    assert host.requests == [("/wrong", None), ("/good", None), ("/good", None)]


def test_wrong_content_is_never_kept(host: Host, home: Path) -> None:
    with pytest.raises(WeightsError, match="wrong sha256"):
        download_weights(weights_file(host.plan(serve(b"x" * len(BODY)))), wait=no_wait)
    assert names(home) == set()


def test_an_endless_body_is_stopped(host: Host, home: Path) -> None:
    with pytest.raises(WeightsError, match="more than the expected"):
        download_weights(weights_file(host.plan(endless)), wait=no_wait)
    assert len(host.requests) == 1
    assert names(home) == set()


def test_a_file_announced_as_too_long_is_not_fetched(host: Host, home: Path) -> None:
    put(home / f"{NAME}.part", BODY[:HALF])
    with pytest.raises(WeightsError, match="offers 2,097,152 bytes"):
        download_weights(weights_file(host.plan(serve(BODY * 2))), wait=no_wait)
    assert (home / f"{NAME}.part").stat().st_size == HALF


def test_the_last_error_says_why_and_what_to_do(host: Host) -> None:
    gone = [host.plan(status(code), path=f"/{code}") for code in (404, 403, 410)]
    poor = host.plan(status(503), path="/poor")
    refused = "http://127.0.0.1:1/net"
    urls = (*gone, poor, refused, "ftp://127.0.0.1/net", "http://[broken")
    with pytest.raises(WeightsError) as caught:
        download_weights(weights_file(*urls), wait=no_wait, attempts=3)
    message = str(caught.value)
    for expected in (*urls, "404", "403", "410", "503", "refused", "http or https"):
        assert expected in message
    assert "CVPIRE_WEIGHTS_MIRRORS" in message
    assert "python -m cvpire weights import FILE" in message
    asked = [path for path, _ in host.requests]
    assert asked == ["/404", "/403", "/410", "/poor", "/poor", "/poor"]


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


# ---- import ----


def test_import_copies_the_right_file(home: Path, tmp_path: Path) -> None:
    brought = put(tmp_path / "Downloads" / "other name", BODY)
    path = import_weights(brought, weights_file())
    assert path == home / NAME == find_weights(weights_file())
    assert brought.read_bytes() == path.read_bytes() == BODY
    assert import_weights(path, weights_file()) == path
    assert names(home) == {NAME}


@pytest.mark.parametrize("body", [BODY[:-1], b"", BODY * 2])
def test_import_refuses_a_wrong_file(home: Path, tmp_path: Path, body: bytes) -> None:
    put(home / NAME, BODY)
    brought = put(tmp_path / "brought", body)
    with pytest.raises(WeightsError, match=r"expected .*brought"):
        import_weights(brought, weights_file("http://example.org/net"))
    assert names(home) == {NAME}
    assert (home / NAME).read_bytes() == BODY


def test_import_needs_a_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(WeightsError, match="none at"):
            import_weights(path, weights_file())


def test_a_file_of_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"first")
    status = path.stat()
    assert weights.has_sha256(path, hashlib.sha256(b"first").hexdigest())
    for content, how in ((b"other", "in place"), (b"third", "by another file")):
        if how == "in place":
            path.write_bytes(content)
        else:
            (tmp_path / "new").write_bytes(content)
            (tmp_path / "new").replace(path)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert path.stat().st_mtime_ns == status.st_mtime_ns
        assert not weights.has_sha256(path, hashlib.sha256(b"first").hexdigest())
        assert weights.has_sha256(path, hashlib.sha256(content).hexdigest())
