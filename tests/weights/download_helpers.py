"""What the tests of downloads share: a host on the loopback interface that misbehaves as told."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cvpire.weights import store as weights
from cvpire.weights.store import WeightsFile

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
    weights._sha256_of.cache_clear()
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
