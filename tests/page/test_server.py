"""The page as a server that strangers ask: shares, those who left, files, and bad requests."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from gradio_client import Client, handle_file
from page_helpers import small_photo, wait_until
from server_helpers import QUICK, Api, Gate, order, serve

from cvpire.errors import SettingsError
from page import files, handlers
from page.api_examples import portable_bash
from page.blocks import Page, give_up_vanished
from page.settings import ServerSettings
from page.visitor_queue import Mailbox, VisitorQueue
from page.visitors import find_address


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gradio.utils.get_heartbeat_rate", lambda: 0.2)
        with serve() as page:
            yield page


@pytest.fixture
def api(page: Page) -> Iterator[Api]:
    api = Api(page)
    yield api
    assert wait_until(lambda: not list(queue(page)._events())), "a test left jobs behind"
    assert not handlers.JOBS._jobs and not queue(page)._arriving


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr(handlers, "carry_out", gate)
    yield gate
    gate.go_on.set()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return small_photo(tmp_path)


@pytest.fixture
def path(api: Api, photo: Path) -> str:
    return api.upload(photo)


def queue(page: Page) -> VisitorQueue:
    assert isinstance(page._queue, VisitorQueue)
    return page._queue


# --- The examples under "Use via API".


def example(page: Page, photo: Path) -> str:
    """The commands that the page shows for cURL, with this photo and quick settings."""
    status, text = Api(page).ask("GET", "/info")
    assert status == 200
    command = str(json.loads(text)["named_endpoints"]["/protect"]["code_snippets"]["bash"])
    for old, new in [
        ("@/path/to/your/file", f"@{photo}"),
        ('"run": "Posting"', '"run": "Top1-noL1"'),
        ('"classifier": "auto"', '"classifier": "lite0-imagenet"'),
        ('"view": "resize"', '"view": "native"'),
        ('"metric": "auto"', '"metric": ""'),
        ("curl ", "curl --silent --show-error "),
    ]:
        assert old in command, f"{old} is not in {command}"
        command = command.replace(old, new)
    return command


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize(("shell", "times"), [("sh", 20), ("bash", 4)])
def test_the_example_for_curl_gives_as_many_results_to_two_clients_at_once(
    page: Page, api: Api, photo: Path, shell: str, times: int
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    odd = photo.rename(photo.with_name("my [best] place (1).jpg"))
    command = example(page, odd)

    def ask(_: int) -> str:
        done = subprocess.run([shell, "-c", command], capture_output=True, text=True, timeout=120)
        return done.stdout + done.stderr

    with ThreadPoolExecutor(2) as clients:
        answers = list(clients.map(ask, range(times)))
    for answer in answers:
        assert answer.count("event: complete\n") == 1, answer[-500:]
        assert "Protected" in answer and '"verdict": "protected"' in answer


def test_both_ways_of_calling_work_without_a_session(api: Api, path: str) -> None:
    names = ("path", "run", "classifier", "view", "metric", "kind", "quality", "kilobytes", "group")
    for _ in range(3):
        status, answer = api.post("/call/v2/protect", dict(zip(names, order(path), strict=True)))
        assert status == 200
        assert api.result(answer["event_id"])[0] == "complete"
        assert api.call(order(path))[0] == "complete"


def test_the_result_waits_for_a_client_that_reads_it_later(api: Api, path: str) -> None:
    event = api.join(order(path, run="nothing"))
    assert wait_until(lambda: not handlers.JOBS._jobs)
    kind, answer = api.result(event)
    assert kind == "error" and "There is no run 'nothing'" in answer["error"]


# --- Nobody locks others out.


@pytest.mark.parametrize("session", [None, "", "x", "x" * 100, "ü€😀", "../..", "None", "[]"])
def test_any_name_of_a_session_works_again_and_again(api: Api, path: str, session: object) -> None:
    for _ in range(3):
        kind, answer = api.call(order(path, run="nothing"), session)
        assert kind == "error" and "There is no run 'nothing'" in answer["error"]


def test_a_session_of_no_name_waiting_stops_nobody(api: Api, gate: Gate, path: str) -> None:
    """gradio's own queue ends for good when it tells such an event of its place."""
    first = api.join(order(path), "")
    assert gate.started.acquire(timeout=10)
    second, third = api.join(order(path), ""), api.join(order(path))
    gate.go_on.set()
    for event in (first, second, third):
        assert api.result(event)[1]["error"] == "let go"


@pytest.mark.parametrize("session", ["x" * 101, "x" * 1_000_000, 7, ["x"], {}])
def test_what_is_no_name_of_a_session_is_refused(api: Api, path: str, session: object) -> None:
    status, _ = api.send(order(path), session)
    assert status in (400, 413, 422)
    assert api.call(order(path, run="nothing"))[0] == "error"


def test_two_clients_of_one_session_have_one_job(api: Api, gate: Gate, path: str) -> None:
    event = api.join(order(path), "shared")
    assert gate.started.acquire(timeout=10)
    status, answer = api.send(order(path), "shared")
    assert status == 422 and "still in work" in answer["detail"][0]["message"]
    other = api.join(order(path), "another")
    gate.go_on.set()
    assert api.result(event)[0] == api.result(other)[0] == "error"
    assert api.call(order(path), "shared")[0] == "error"


@pytest.mark.parametrize("error", [ValueError("x"), MemoryError(), RecursionError("x")])
def test_a_job_that_fails_leaves_its_place(
    api: Api, path: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(handlers, "carry_out", fail)
    for _ in range(5):
        assert api.call(order(path), "x")[0] == "error"


@pytest.mark.parametrize("value", [None, "photo.jpg", 5, {"meta": 5, "path": 5}])
def test_a_job_that_is_none_leaves_its_place(api: Api, value: object) -> None:
    for _ in range(5):
        assert api.call(order("", path=value), "x")[0] == "error"


def test_a_job_cancelled_in_work_leaves_its_place(
    page: Page, api: Api, gate: Gate, path: str
) -> None:
    """As gradio's clients cancel: by the route that ends its task and leaves the thread alone."""
    (index,) = [index for index, each in page.fns.items() if each.api_name == "protect"]
    for number in range(1, 4):
        event = api.join(order(path), "x")
        assert gate.started.acquire(timeout=10)
        body = {"session_hash": "x", "fn_index": index, "event_id": event}
        assert api.post("/cancel", body)[0] == 200
        assert wait_until(lambda: gate.stopped == number)  # noqa: B023 - it is over by then
    waiting = api.join(order(path), "x")
    assert gate.started.acquire(timeout=10)
    last = api.join(order(path), "y")
    assert api.post("/cancel", {"session_hash": "y", "fn_index": index, "event_id": last})[0] == 200
    assert not handlers.JOBS.is_wanted(last)
    gate.go_on.set()
    api.result(waiting)
    assert len(gate.orders) == 4


def test_a_full_queue_is_said_and_empties(page: Page, gate: Gate, photo: Path) -> None:
    settings = replace(QUICK, jobs_per_visitor=50, queue_places=2, absent_seconds=60)
    with serve(settings) as crowded:
        api = Api(crowded)
        path = api.upload(photo)
        events = [api.join(order(path))]
        assert gate.started.acquire(timeout=10)
        events += [api.join(order(path)) for _ in range(2)]
        for _ in range(2):
            status, answer = api.send(order(path))
            assert status == 422
            assert "All 2 places in the queue are taken" in answer["detail"][0]["message"]
        # What is done at once has places of its own.
        assert api.result(api.join([], name="cancel"), "cancel")[0] == "complete"
        gate.go_on.set()
        assert {api.result(event)[1]["error"] for event in events} == {"let go"}
        assert api.call(order(path))[1]["error"] == "let go"


def test_requests_at_the_same_moment_get_the_share_and_no_more(
    page: Page, api: Api, gate: Gate, path: str
) -> None:
    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(lambda _: api.send(order(path)), range(12)))
    events = [answer["event_id"] for status, answer in answers if status == 200]
    refused = [answer["detail"][0]["message"] for status, answer in answers if status == 422]
    assert len(events) == 3 and len(refused) == 9
    assert all("has 3 jobs waiting or in work already" in words for words in refused)
    gate.go_on.set()
    assert all(api.result(event)[1]["error"] == "let go" for event in events)


def test_messages_that_nobody_keeps_do_not_end_the_queue(
    page: Page, api: Api, gate: Gate, path: str
) -> None:
    """gradio's own queue stops for good when a waiting event's stream has just been closed."""
    first = api.join(order(path), "x")
    assert gate.started.acquire(timeout=10)
    second, third = api.join(order(path), "y"), api.join(order(path), "z")
    del queue(page).pending_messages_per_session["y"]
    gate.go_on.set()
    assert api.result(first)[1]["error"] == "let go"
    assert api.result(third)[1]["error"] == "let go"
    assert not queue(page).stopped and second not in queue(page).event_ids_to_events


def test_nothing_goes_past_the_queue(api: Api, path: str) -> None:
    for route in ("/run/protect", "/api/protect", "/run/predict"):
        status, _ = api.post(route, {"data": order(path), "fn_index": None})
        assert status in (404, 500)
    assert not handlers.JOBS._jobs


# --- Those who left.


def test_a_job_that_nobody_listens_for_ends(page: Page, api: Api, gate: Gate, path: str) -> None:
    events = [api.join(order(path), f"made up {number}") for number in range(3)]
    assert gate.started.acquire(timeout=10)
    assert wait_until(lambda: not list(queue(page)._events()))
    assert gate.stopped == len(gate.orders)
    for event in events:
        kind, answer = api.result(event)
        assert kind == "error" and "nobody listened for the result within 1.5 s" in answer["error"]


@pytest.mark.parametrize("is_waiting", [False, True])
def test_a_job_ends_when_its_stream_is_closed(
    page: Page, api: Api, gate: Gate, path: str, is_waiting: bool
) -> None:
    connections = []
    for _ in range(2):
        event = api.join(order(path))
        connections.append(api.open("GET", f"/call/protect/{event}"))
    assert gate.started.acquire(timeout=10)
    connections[is_waiting].close()
    if is_waiting:
        assert wait_until(lambda: len(list(queue(page)._events())) == 1)
        assert gate.stopped == 0
    else:
        assert wait_until(lambda: gate.stopped == 1)
        assert gate.started.acquire(timeout=10), "the next one begins"
    gate.go_on.set()
    assert b"let go" in connections[not is_waiting].getresponse().read()
    for connection in connections:
        connection.close()
    assert len(gate.orders) == 2 - is_waiting


def test_a_session_that_comes_back_is_waited_for_anew(
    page: Page, api: Api, gate: Gate, path: str
) -> None:
    gate.go_on.set()
    assert api.call(order(path), "comes back")[1]["error"] == "let go"
    mailbox = queue(page).pending_messages_per_session["comes back"]
    assert isinstance(mailbox, Mailbox)
    assert wait_until(lambda: mailbox.unread_seconds > 2)
    gate.go_on.clear()
    event = api.join(order(path), "comes back")
    time.sleep(5 * QUICK.watch_seconds)
    assert handlers.JOBS.is_wanted(event)
    gate.go_on.set()
    assert api.result(event)[1]["error"] == "let go"


def test_a_job_that_somebody_listens_for_goes_on(api: Api, gate: Gate, path: str) -> None:
    event = api.join(order(path))
    ended: list[tuple[str, Any]] = []
    reader = threading.Thread(target=lambda: ended.append(api.result(event)))
    reader.start()
    time.sleep(2 * QUICK.absent_seconds)
    assert not ended and gate.stopped == 0
    gate.go_on.set()
    reader.join(10)
    assert ended[0][1]["error"] == "let go"


def test_made_up_sessions_leave_room_for_others(gate: Gate, photo: Path) -> None:
    with serve(replace(QUICK, trusted_header="X-Forwarded-For", absent_seconds=60)) as page:
        crowd = Api(page, {"X-Forwarded-For": "198.51.100.1"})
        path = crowd.upload(photo)
        answers = [crowd.send(order(path), f"made up {number}") for number in range(9)]
        assert [status for status, _ in answers] == [200] * 3 + [422] * 6
        # What a client writes itself stands before what the proxy adds.
        for made_up in ("192.0.2.7, 198.51.100.1", "192.0.2.8,,198.51.100.1:4711"):
            status, _ = Api(page, {"X-Forwarded-For": made_up}).send(order(path))
            assert status == 422
        other = Api(page, {"X-Forwarded-For": "198.51.100.1, 198.51.100.2"})
        event = other.join(order(path))
        gate.go_on.set()
        assert other.result(event)[1]["error"] == "let go"
        for _, answer in answers[:3]:
            crowd.result(answer["event_id"])


def test_no_header_is_believed_unless_the_operator_names_it(
    api: Api, gate: Gate, page: Page, path: str
) -> None:
    events, refused = [], 0
    for number in range(6):
        headers = {"X-Forwarded-For": f"198.51.100.{number}", "X-Real-IP": f"192.0.2.{number}"}
        status, answer = Api(page, headers).send(order(path))
        events += [answer["event_id"]] if status == 200 else []
        refused += status == 422
    assert len(events) == refused == 3
    gate.go_on.set()
    for event in events:
        api.result(event)


class Request:
    """As much of a request as tells where it comes from."""

    def __init__(self, peer: str | None, **headers: str) -> None:
        from starlette.datastructures import Address, Headers

        self.client = None if peer is None else Address(peer, 1)
        self.headers = Headers({name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("request_", "header", "address"),
    [
        (Request("192.0.2.1"), "", "192.0.2.1"),
        (Request("192.0.2.1", x_forwarded_for="192.0.2.9"), "", "192.0.2.1"),
        (Request("192.0.2.1", x_forwarded_for="192.0.2.9"), "X-Forwarded-For", "192.0.2.9"),
        (
            Request("192.0.2.1", x_forwarded_for="1.1.1.1, 192.0.2.9"),
            "x-forwarded-for",
            "192.0.2.9",
        ),
        (Request("192.0.2.1", x_forwarded_for="1.1.1.1, unknown"), "X-Forwarded-For", "192.0.2.1"),
        (Request("192.0.2.1", x_forwarded_for=""), "X-Forwarded-For", "192.0.2.1"),
        (Request("192.0.2.1"), "X-Forwarded-For", "192.0.2.1"),
        (Request("192.0.2.1", x_real_ip="[2001:db8::1:2]:47"), "X-Real-IP", "2001:db8::/64"),
        (Request("2001:db8:0:0:ffff::1"), "", "2001:db8::/64"),
        (Request("::ffff:192.0.2.1"), "", "192.0.2.1"),
        (Request("fe80::1%eth0"), "", "fe80::/64"),
        (Request(None), "", ""),
        (Request("testclient"), "", ""),
    ],
)
def test_an_address_is_what_the_peer_or_the_trusted_proxy_says(
    request_: Any, header: str, address: str
) -> None:
    assert find_address(request_, header) == address


# --- Files.


def aged(path: Path, minutes: float, data: bytes = b"data") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    then = time.time() - 60 * minutes
    os.utime(path, (then, then))
    return path


def test_a_sweep_takes_old_files_of_gradio_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, outside = tmp_path / "gradio", tmp_path / "outside"
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(folder))
    a, b, c, d = ("a" * 64, "b" * 64, "0123456789abcdef" * 4, "d" * 64)
    old = [
        aged(folder / a / "old.jpg", 61),
        aged(folder / c / ".jpg", 61),
        aged(folder / c / "NFD u\u0308.png", 1e6),
        aged(folder / "tmpab12_xyz", 61),
        aged(folder / "deep_links" / "x-1" / "state.json", 61),
    ]
    stay = [
        aged(folder / b / "new.jpg", 59),
        aged(folder / b / "example.jpg", 1e6),
        aged(folder / "notes.txt", 1e6),
        aged(folder / "tmp.txt", 1e6),
        aged(folder / "holiday" / "old.jpg", 1e6),
        aged(folder / ("A" * 64) / "old.jpg", 1e6),
        aged(folder / a / "nested" / "old.jpg", 1e6),
        aged(outside / a / "old.jpg", 1e6),
        aged(outside / "old.jpg", 1e6),
    ]
    (folder / d).symlink_to(outside / a)
    link = folder / b / "link.jpg"
    link.symlink_to(outside / "old.jpg")
    assert files.sweep(3600, {str(folder / b / "example.jpg")}) == len(old)
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in [*stay, link, folder / d])
    # Folders go once they are old and empty.
    os.utime(folder / c, (0, 0))
    files.sweep(3600)
    assert not (folder / c).exists()
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "nowhere"))
    assert files.sweep(3600) == 0


def test_a_server_has_a_folder_of_its_own_and_clears_up_after_dead_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("page.files.tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(files, "_own_folder", None)
    monkeypatch.setattr(files, "_own_lock", None)
    monkeypatch.setattr("page.files.atexit.register", lambda *_, **__: None)
    monkeypatch.delenv(files.FOLDER_VARIABLE)
    files.use_own_folder()
    own = Path(os.environ[files.FOLDER_VARIABLE])
    assert own.parent.parent == tmp_path
    assert own.stat().st_mode & 0o777 == own.parent.stat().st_mode & 0o777 == 0o700
    # A second page of the process has the same folder.
    files.use_own_folder()
    assert os.environ[files.FOLDER_VARIABLE] == str(own)

    living, dead = (own.parent / f"server-{digit * 16}" for digit in "ab")
    of_living = aged(living / ("a" * 64) / "old.jpg", 1e6)
    of_dead = [aged(dead / ("a" * 64) / "old.jpg", 61), aged(dead / ("b" * 64) / "new.jpg", 59)]
    stranger = aged(own.parent / "something" / ("a" * 64) / "old.jpg", 1e6)
    lock = files._lock(living)
    mine = aged(own / ("c" * 64) / "old.jpg", 61)
    assert files.sweep(3600) == 2
    assert of_living.exists() and stranger.exists() and of_dead[1].exists()
    assert not mine.exists() and not of_dead[0].exists()
    os.close(lock)
    assert files.sweep(3600) == 1
    for path in (of_dead[1], dead / ("a" * 64), dead / ("b" * 64)):
        os.utime(path, (0, 0))
    assert files.sweep(3600) == 1
    assert not dead.exists()


def test_the_operators_folder_is_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "mine"))
    files.use_own_folder()
    assert os.environ[files.FOLDER_VARIABLE] == str(tmp_path / "mine")


@pytest.mark.parametrize("kind", ["link", "file", "nowhere"])
def test_a_place_that_is_not_safe_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    base = tmp_path / f"cvpire-page-{os.getuid()}"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        base.symlink_to(tmp_path / "elsewhere")
    elif kind == "file":
        base.write_text("x")
    place = tmp_path / "no" / "where" if kind == "nowhere" else tmp_path
    monkeypatch.setattr("page.files.tempfile.gettempdir", lambda: str(place))
    monkeypatch.setattr(files, "_own_folder", None)
    monkeypatch.delenv(files.FOLDER_VARIABLE)
    with pytest.raises(SettingsError, match=f"set {files.FOLDER_VARIABLE} to"):
        files.use_own_folder()


def test_what_an_earlier_server_left_behind_goes_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: Path
) -> None:
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "gradio"))
    with serve() as page:
        left = Path(Api(page).upload(photo))
        still = Path(Api(page).upload(photo, "other.jpg"))
        copies = [path.with_name(f"copy of {path.name}") for path in (left, still)]
        for path, copy in zip((left, still), copies, strict=True):
            shutil.copy(path, copy)
    then = time.time() - 3600
    os.utime(copies[0], (then, then))
    with serve() as page:
        assert wait_until(lambda: not copies[0].exists())
        assert copies[1].exists()
        # The examples are the page's own, however old they are.
        kept = [path for block in page.blocks.values() for path in block.keep_in_cache]
        assert kept and all(Path(path).exists() for path in kept)


def test_files_go_while_the_server_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: Path
) -> None:
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "gradio"))
    with serve(replace(QUICK, keep_minutes=0.05)) as page:
        path = Path(Api(page).upload(photo))
        begun = time.time()
        assert path.exists()
        assert wait_until(lambda: not path.exists())
        assert time.time() - begun > 1.0, "not before its time"
        kind, answer = Api(page).call(order(str(path)))
        assert kind == "error"
        assert answer["error"].startswith("The file is not on this server any more: choose")


@pytest.mark.parametrize(
    ("minutes", "words"), [(60, "60 minutes"), (1, "1 minute"), (2.5, "2.5 m")]
)
def test_the_promise_is_the_configured_number(minutes: float, words: str) -> None:
    import app

    settings = ServerSettings.from_environment({"CVPIRE_KEEP_MINUTES": str(minutes)})
    page = app.build_page(settings)
    texts = " ".join(str(getattr(block, "value", "")) for block in page.blocks.values())
    assert f"within {words}" in texts
    # A file that is just too young at one sweep goes at the next, before its time is over.
    assert settings.sweep_age + settings.sweep_seconds < 60 * minutes
    assert page.delete_cache is not None
    assert sum(page.delete_cache) <= max(60 * minutes, 2)


def test_closing_a_tab_deletes_the_visitors_files(page: Page, api: Api, photo: Path) -> None:
    # Of other tests, clients without a session hold the usual photo.
    photo = photo.rename(photo.with_name("of this test.jpg"))
    visitor = Client(str(page.local_url), verbose=False)
    settings = order("")[1:]
    visitor.predict(handle_file(str(photo)), *settings, api_name="/protect")
    held = [Path(path) for path in handlers.HOLDINGS._held[visitor.session_hash]]
    assert sorted(path.name for path in held) == [
        *("after.png", "before.png", photo.name, "protected.png", "threshold-map.png")
    ]
    assert all(path.exists() for path in held)
    visitor.close()
    assert wait_until(lambda: not any(path.exists() for path in held), 20)
    # The folder of an upload goes by its content, which other tests uploaded as well.
    assert not any(path.parent.exists() for path in held if path.name != photo.name)
    assert visitor.session_hash not in handlers.HOLDINGS._held


def test_results_that_nobody_waits_for_any_more_are_deleted(
    page: Page, api: Api, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled at the last moment: the results go, the photo stays for the next job."""
    path = api.upload(photo, "cancelled at the end.jpg")
    made: list[Path] = []
    make = files.keep_result

    def cancel_meanwhile(data: bytes, name: str) -> str:
        made.append(Path(make(data, name)))
        handlers.JOBS.stop("late")
        return str(made[-1])

    monkeypatch.setattr(handlers, "keep_result", cancel_meanwhile)
    kind, answer = api.call(order(path), "late")
    assert kind == "complete" and "Cancelled" in answer[0] and answer[1] is None
    assert len(made) == 4 and not any(each.exists() for each in made)
    assert Path(path).exists()


def test_a_file_that_another_visitor_holds_stays(page: Page, api: Api, photo: Path) -> None:
    path = api.upload(photo)
    holdings = files.Holdings()
    for session in ("one", "two"):
        holdings.hold(session, path)
    holdings.hold("one", "/etc/hostname")
    holdings.hold("one", None)
    holdings.release("one")
    assert Path(path).exists() and Path("/etc").exists()
    holdings.release("two")
    assert not Path(path).exists()
    # One that was uploaded anew before its next holder is known is another one.
    assert api.upload(photo) == path
    holdings.hold("one", path)
    assert api.upload(photo) == path
    holdings.release("one")
    assert Path(path).exists()
    # Some of a session's files.
    other = api.upload(photo, "other.jpg")
    for each in (path, other):
        holdings.hold("four", each)
    holdings.release("four", [other, None])
    assert Path(path).exists() and not Path(other).exists()
    assert list(holdings._held["four"]) == [path]
    holdings.release("four", [])
    holdings.hold("three", path)
    Path(path).unlink()
    holdings.forget_gone()
    assert not holdings._held
    holdings.release("nobody")


# --- Errors and bad requests.


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

    monkeypatch.setattr(handlers, "carry_out", fail)
    kind, answer = api.call(order(path))
    assert kind == "error" and answer["error"].startswith(sentence)
    # The operator learns where a fault of the program lies, and only of those.
    assert ("Traceback" in caplog.text) == sentence.startswith("Internal")


_UPLOAD = "Upload the photo first (POST /gradio_api/upload)"
_RANGE = "expected a quality of 1 to 100 and a size of 0 to"
_BAD: dict[tuple[str, str], list[Any]] = {
    ("path", "Choose a photo first."): [None, {"url": "data:image/png,x"}],
    ("path", _UPLOAD): ["photo.jpg", 5, [], {"path": 5, "meta": {}}, {"path": "", "meta": 5}, "/"],
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
@pytest.mark.parametrize("name", ["path", "run", "quality"])
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
        assert kind == "error" and answer["error"].startswith("expected 9 values in")
    for body, sentence in [
        ({}, "No value provided for required argument: path."),
        ({"path": None, "speed": 1}, "Parameter `speed` is not a valid key-word argument."),
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
    assert wait_until(lambda: not handlers.JOBS._jobs)


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


NAMES = [
    *("photo", "photo.hif", "photo.heics", "photo.heifs", "photo.dib", "photo.apng"),
    *("photo.jfif", "photo.avifs", "photo.exe", ".jpg", "photo.", "a" * 251 + ".jpg", "ü" * 127),
    *(
        unicodedata.normalize("NFD", "Küche é.jpg"),
        "quo\"ted'.jpg",
        "two\nlines.jpg",
        "📷.jpg",
        "📷",
    ),
    *("a b  c.jpg", "../../x.jpg", "C:\\photos\\x.jpg", "%2e%2e.jpg", '"', "#", "[x](y).jpg", " "),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_photo_of_any_name_is_read(api: Api, photo: Path, gate: Gate, name: str) -> None:
    gate.go_on.set()  # "let go" comes once the photo has been read
    kind, answer = api.call(order(api.upload(photo, name)))
    assert (kind, answer["error"]) == ("error", "let go")


# --- Settings.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("CVPIRE_KEEP_MINUTES", value) for value in ("0", "-1", "nan", "inf", "an hour", "1,5")],
        *[("CVPIRE_JOBS_PER_VISITOR", value) for value in ("0", "-1", "1.5", "many", "1e3")],
        *[("CVPIRE_QUEUE_PLACES", value) for value in ("0", "x", "9" * 30)],
        *[("CVPIRE_TRUSTED_PROXY_HEADER", value) for value in ("a b", "x:y", "ü")],
    ],
)
def test_a_setting_that_is_none_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"expected .* for {name}, got "):
        ServerSettings.from_environment({name: value})


def test_settings_come_from_the_environment() -> None:
    assert ServerSettings.from_environment({"CVPIRE_KEEP_MINUTES": " "}) == ServerSettings()
    given = {
        "CVPIRE_KEEP_MINUTES": "7.5",
        "CVPIRE_JOBS_PER_VISITOR": "2",
        "CVPIRE_QUEUE_PLACES": " 20 ",
        "CVPIRE_TRUSTED_PROXY_HEADER": "X-Real-IP",
    }
    assert ServerSettings.from_environment(given) == ServerSettings(7.5, 2, 20, "X-Real-IP")


# --- What the examples say.


def test_the_examples_name_no_other_host(api: Api) -> None:
    status, text = api.ask("GET", "/info")
    assert status == 200
    for endpoint in json.loads(text)["named_endpoints"].values():
        for language in ("python", "javascript", "bash"):
            example = endpoint["code_snippets"][language]
            hosts = set(re.findall(r"https?://([^/'\"]+)", example))
            assert hosts <= {api.host}, example


@pytest.mark.parametrize("command", ["", "echo x", "curl -X POST y", "curl | read OTHER"])
def test_a_command_that_is_no_example_of_gradio_stays(command: str) -> None:
    assert portable_bash(command) == command
