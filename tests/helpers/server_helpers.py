"""What the tests of the server share: a client as bare as cURL, and work that waits."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from cvpire.errors import SettingsError
from cvpire.images.reading import read_photo
from page.orders import single as work
from page.orders.order import Order
from page.orders.watching import JobWatch
from page.server.blocks import Page
from page.server.settings import ServerSettings

API = "/gradio_api"
BOUNDARY = "the-boundary"

# Seconds, each far beyond what a step takes and far below gradio's own times.
QUICK = ServerSettings(absent_seconds=1.5, watch_seconds=0.1)


class Api:
    """A client without a session, unless it is told to name one."""

    def __init__(self, page: Page, headers: Mapping[str, str] | None = None) -> None:
        self.host = urlsplit(str(page.local_url)).netloc
        self.headers = dict(headers or {})

    def ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, str]:
        """A request's status and answer."""
        connection = self.open(method, path, body, kind)
        try:
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def open(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        kind: str = "application/json",
    ) -> http.client.HTTPConnection:
        """A request that is under way."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        headers = {**self.headers, **({"Content-Type": kind} if body is not None else {})}
        connection.request(method, quote(f"{API}{path}", safe="/=:?&%"), body, headers)
        return connection

    def post(self, path: str, body: object) -> tuple[int, Any]:
        """The status and the answer of a request with JSON, NaN and all."""
        status, text = self.ask("POST", path, json.dumps(body).encode())
        return status, json.loads(text)

    def upload(self, photo: Path, name: str | None = None) -> str:
        """The path of an uploaded file, under a name of choice."""
        status, text = self.upload_raw(photo, photo.name if name is None else name)
        assert status == 200, text
        (path,) = json.loads(text)
        return str(path)

    def upload_raw(self, photo: Path, name: str) -> tuple[int, str]:
        escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")  # as browsers
        head = (
            f"--{BOUNDARY}\r\n"
            f'Content-Disposition: form-data; name="files"; filename="{escaped}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + photo.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
        return self.ask("POST", "/upload", body, f"multipart/form-data; boundary={BOUNDARY}")

    def join(self, data: list[Any], session: object = None, name: str = "protect") -> str:
        """The id of an event that was let in."""
        status, answer = self.send(data, session, name)
        assert status == 200, answer
        return str(answer["event_id"])

    def send(
        self, data: list[Any], session: object = None, name: str = "protect"
    ) -> tuple[int, Any]:
        body = {"data": data} if session is None else {"data": data, "session_hash": session}
        return self.post(f"/call/{name}", body)

    def result(self, event: str, name: str = "protect") -> tuple[str, Any]:
        """The end of an event's stream: "complete" or "error", and what came with it."""
        status, text = self.ask("GET", f"/call/{name}/{event}")
        assert status == 200, text
        *_, end = [block for block in text.split("\n\n") if block and "heartbeat" not in block]
        kind, data = end.split("\n", 1)
        return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    def call(self, data: list[Any], session: object = None) -> tuple[str, Any]:
        """A job from its request to its end."""
        return self.result(self.join(data, session))


def order(path: object, /, **changes: object) -> list[Any]:
    """The values of a quick job, some of them changed."""
    values: dict[str, object] = {
        "photo": {"path": path, "meta": {"_type": "gradio.FileData"}},
        "run": "Top1-L1",
        "group": False,
        "kind": "PNG",
        "quality": 90,
        "kilobytes": 0,
        "classifier": "lite0-imagenet",
        "view": "native",
        "bound": 1.0,
        "seed": 0,
        "metric": "",
    }
    assert set(changes) <= set(values)
    return list({**values, **changes}.values())


class Gate:
    """Stands for `carry_out`: reads the photo, and waits, step by step, until it is let go."""

    def __init__(self) -> None:
        self.started = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.orders: list[Order] = []
        self.stopped = 0

    def __call__(self, order: Order, watch: JobWatch) -> work.Outcome:
        self.orders.append(order)
        self.started.release()
        try:
            while not self.go_on.wait(0.02):
                watch.check()
        except BaseException:
            self.stopped += 1
            raise
        read_photo(order.path)
        raise SettingsError("let go")
