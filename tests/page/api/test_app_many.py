"""Many photos over the API: what is refused, and whose turn it is."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path

import app_helpers
import pytest
from app_helpers import SETTINGS
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from page_helpers import wait_until

from cvpire.errors import SettingsError
from page.handlers import visit
from page.orders import many
from page.orders.watching import JobWatch, Progress
from page.server.jobs import Jobs, Kind

demo = app_helpers.demo
client = app_helpers.client
photo = app_helpers.photo


def test_many_photos_come_as_one_archive(client: Client, photo: Path) -> None:
    html, archive = client.predict(
        photos=[handle_file(str(photo))] * 2, **SETTINGS, api_name="/protect_many"
    )
    assert "2 protected of 2" in html
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist() == [
            *("secret-place-protected.png", "secret-place-protected-2.png"),
            *("results.csv", "results.json"),
        ]
    assert wait_until(lambda: not visit.JOBS._jobs)


def test_settings_that_are_none_are_refused_before_any_photo(client: Client, photo: Path) -> None:
    with pytest.raises(AppError, match="There is no run 'nothing'"):
        client.predict(
            photos=[handle_file(str(photo))],
            **{**SETTINGS, "run": "nothing"},
            api_name="/protect_many",
        )


def test_none_and_too_many_are_refused() -> None:
    with pytest.raises(SettingsError, match="Choose photos first"):
        many.check_many([])
    with pytest.raises(SettingsError, match="at most 50 photos at a time, got 51"):
        many.check_many(["x"] * 51)


def test_others_have_their_turn_between_two_photos() -> None:
    jobs = Jobs()
    jobs.claim("many", "a", Kind.BATCH)
    jobs.claim("one", "b")
    order: list[str] = []
    is_waiting = threading.Event()

    def single() -> None:
        is_waiting.set()
        with jobs.working("one"):
            order.append("one")

    thread = threading.Thread(target=single)
    with jobs.claimed("many") as job:
        with jobs.turn(job):
            order.append("first of many")
            thread.start()
            assert is_waiting.wait(5)
        thread.join(5)  # it has its turn although many are not done
        with jobs.turn(job):
            order.append("second of many")
    assert order == ["first of many", "one", "second of many"]


def test_the_progress_of_a_part_is_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("page.orders.watching.time.monotonic", lambda: now)
    told: list[Progress] = []
    watch = JobWatch(told.append, lambda: None)
    watch.part(0, 4, "Photo 1 of 4").tell("Reading the photo")
    assert told[-1].words == "Photo 1 of 4: reading the photo"
    assert told[-1].share == 0.0 and told[-1].seconds_left is None
    now += 20.0
    watch.part(2, 4, "Photo 3 of 4").tell("Scoring", 0.0)
    assert told[-1].share == 0.5 and told[-1].seconds_left == pytest.approx(20.0)
