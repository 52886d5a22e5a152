"""Strangers at the server who left: their jobs end, and others go on."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import server_fixtures
from page_helpers import serve, wait_until
from server_fixtures import queue
from server_helpers import QUICK, Api, Gate, order

from page.handlers import visit
from page.server.blocks import Page
from page.server.visitor_queue import Mailbox

page = server_fixtures.page
api = server_fixtures.api
gate = server_fixtures.gate
photo = server_fixtures.photo
path = server_fixtures.path


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
    assert visit.JOBS.is_wanted(event)
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
