"""Errors and bad requests at the server get a sentence."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import server_fixtures
import torch
from page_helpers import wait_until
from server_helpers import Api, order

from cvpire.errors import SettingsError
from page.handlers import single, visit
from page.server.blocks import Page, give_up_vanished

page = server_fixtures.page
api = server_fixtures.api
photo = server_fixtures.photo
path = server_fixtures.path


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("list index"), "Internal error, ValueError: list index. This is a fault of"),
        (KeyError("x"), "Internal error, KeyError: 'x'"),
        (OSError(28, "No space left on device"), "Internal error, OSError"),
        (MemoryError(), "This needs more memory than the server has free"),
        (torch.OutOfMemoryError("CUDA out of memory."), "This needs more memory than the server"),
        (SettingsError("expected this, got that"), "expected this, got that"),
    ],
)
def test_an_error_is_told_as_what_it_is(
    api: Api,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    sentence: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(single, "carry_out", fail)
    kind, answer = api.call(order(path))
    assert kind == "error" and answer["error"].startswith(sentence)
    # The operator learns where a fault of the program lies, and only of those.
    assert ("Traceback" in caplog.text) == sentence.startswith("Internal")


_UPLOAD = "Upload the photo first (POST /gradio_api/upload)"
_RANGE = "expected a quality of 1 to 100 and a size of 0 to"
_BAD: dict[tuple[str, str], list[Any]] = {
    ("photo", "Choose a photo first."): [None, {"url": "data:image/png,x"}],
    ("photo", _UPLOAD): ["photo.jpg", 5, [], {"path": 5, "meta": {}}, {"path": "", "meta": 5}, "/"],
    ("run", "There is no run 'Top9'; the known ones are Top1-L1"): ["Top9"],
    ("run", "expected text for run, got "): [None, 5, ["Top1-L1"], {}, True],
    ("classifier", "There is no classifier 'nobody'"): ["nobody"],
    ("classifier", "expected text for classifier, got "): [["auto"], 1.5],
    ("view", "expected a view of native, resize, crop, got 'sideways'"): ["sideways"],
    ("view", "expected text for view, got "): [None, {"a": 1}],
    ("metric", "expected a metric of auto, beauty, nima, or none, got "): ["brisque", "nima "],
    ("metric", "expected text for metric, got "): [None, [], 0],
    ("kind", "expected a file format of PNG, JPEG"): ["BMP", "jpeg"],
    ("kind", "expected text for kind, got 7"): [7],
    ("quality", _RANGE): [1e9, 0, -1, float("nan"), float("inf")],
    ("quality", "expected a number for quality, got "): ["90", None, [90], True],
    ("kilobytes", _RANGE): [-5, 1e306, float("nan"), 10**400],
    ("kilobytes", "expected a number for kilobytes, got "): ["9", [], {}, False, "x" * 10_000],
    ("group", "expected true or false for group, got "): [None, 0, 1, "true", [True], {}],
}
BAD = [(*key, value) for key, values in _BAD.items() for value in values]


@pytest.mark.parametrize(("name", "sentence", "value"), BAD)
def test_a_bad_value_gets_a_sentence(
    api: Api, path: str, name: str, value: object, sentence: str
) -> None:
    changes = {"kind": "JPEG", name: value}
    kind, answer = api.call(order(path, **changes))
    assert kind == "error" and sentence in answer["error"] and len(answer["error"]) < 500


@pytest.mark.parametrize(
    "other", ["/etc/passwd", "/proc/self/environ", "app.py", "..", "/tmp", "\0", "x" * 9_999]
)
def test_a_path_that_is_no_upload_is_not_read(api: Api, other: str) -> None:
    kind, answer = api.call(order(other))
    assert kind == "error" and answer["error"].startswith("Upload the photo first")


def test_a_path_beside_the_uploads_gets_a_sentence(api: Api, path: str) -> None:
    for other in (f"{path}x", str(Path(path).parent), f"{path}/../../..", f"{path}{'x' * 300}"):
        kind, answer = api.call(order(other))
        assert kind == "error" and "Internal error" not in answer["error"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/x", "https://example.com/x.jpg", " http://[::1]/"]
)
@pytest.mark.parametrize("name", ["photo", "run", "quality"])
def test_no_address_is_fetched_for_anybody(
    api: Api, path: str, monkeypatch: pytest.MonkeyPatch, url: str, name: str
) -> None:
    """gradio takes everything with a path and its mark for a file, in whatever parameter it is."""
    fetched: list[str] = []
    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", fetched.append)
    file = {"path": url, "url": url, "meta": {"_type": "gradio.FileData"}}
    kind, answer = api.call(order(path, **{name: [{"a": file}] if name == "run" else file}))
    assert kind == "error" and answer["error"].startswith("This server fetches nothing")
    status, text = api.ask("GET", f"/file={url}")
    assert status == 403 and not fetched
    assert "This server fetches nothing from other addresses" in text or url.startswith(" ")


def test_a_request_of_another_shape_gets_a_sentence(api: Api, path: str) -> None:
    for data in ([], order(path)[:3]):
        kind, answer = api.call(data)
        assert kind == "error" and answer["error"].startswith("expected 11 values in")
    for body, sentence in [
        ({}, "No value provided for required argument: photo."),
        ({"photo": None, "speed": 1}, "Parameter `speed` is not a valid key-word argument."),
    ]:
        assert api.post("/call/v2/protect", body) == (400, {"detail": sentence})
    for route in ("/call/nothing", "/call/v2/nothing"):
        assert api.post(route, {} if "v2" in route else {"data": []}) == (
            404,
            {"detail": "There is no such endpoint here."},
        )
    status, answer = api.post("/queue/join", {"data": [], "fn_index": 999, "session_hash": "x"})
    assert (status, answer["detail"]) == (400, "There is no such function on this page.")


def test_a_request_that_is_too_long_is_not_read(api: Api, path: str) -> None:
    status, answer = api.post("/call/protect", {"data": order(path, run="x" * 1_100_000)})
    assert status == 413 and answer["detail"].startswith("A request may have 1 MB at most")
    connection = api.open("POST", "/call/protect", iter([b"{}"]))  # sent in chunks
    assert connection.getresponse().status == 411
    connection.close()
    status, _ = api.post("/call/protect", {"data": order(path, run="x" * 900_000)})
    assert status == 200
    assert wait_until(lambda: not visit.JOBS._jobs)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such limit")
def test_a_connection_that_vanished_is_given_up(page: Page) -> None:
    """Of a client whose machine or network is gone, only TCP can tell."""
    (server,) = page.server.servers
    for listener in server.sockets:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 2250
    with socket.create_server(("127.0.0.1", 0)) as listener:
        give_up_vanished(listener, 1.5)
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1500
