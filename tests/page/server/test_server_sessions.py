"""Strangers at the server: nobody locks others out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import server_fixtures
from page_helpers import serve, wait_until
from server_fixtures import queue
from server_helpers import QUICK, Api, Gate, order

from page.handlers import single, visit
from page.server.blocks import Page

page = server_fixtures.page
api = server_fixtures.api
gate = server_fixtures.gate
photo = server_fixtures.photo
path = server_fixtures.path


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

    monkeypatch.setattr(single, "carry_out", fail)
    for _ in range(5):
        assert api.call(order(path), "x")[0] == "error"


@pytest.mark.parametrize("value", [None, "photo.jpg", 5, {"meta": 5, "path": 5}])
def test_a_job_that_is_none_leaves_its_place(api: Api, value: object) -> None:
    for _ in range(5):
        assert api.call(order("", photo=value), "x")[0] == "error"


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
    assert not visit.JOBS.is_wanted(last)
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
    assert not visit.JOBS._jobs
