"""The page over its API: work stops when told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import app_helpers
import gradio as gr
import pytest
from app_helpers import SETTINGS, run
from gradio_client import Client, handle_file
from gradio_client.exceptions import ValidationError
from page_helpers import EndlessAttack, endless_attack, wait_until

from page.handlers import single, visit
from page.looks.results import Results
from page.orders.watching import JobWatch

demo = app_helpers.demo
client = app_helpers.client
photo = app_helpers.photo


@pytest.fixture
def attack() -> Iterator[EndlessAttack]:
    with endless_attack() as attack:
        yield attack


def test_cancel_stops_within_one_step(client: Client, photo: Path, attack: EndlessAttack) -> None:
    job = client.submit(photo=handle_file(str(photo)), **SETTINGS, api_name="/protect")
    assert attack.started.wait(10)
    assert "Cancelled" in client.predict(api_name="/cancel")[0]
    assert attack.is_stopped_at_next_step()
    results = Results(*job.result(10))
    assert results.verdict is not None and "Cancelled" in results.verdict
    assert results.download is None


def test_a_second_job_of_a_visitor_is_refused(
    client: Client, photo: Path, attack: EndlessAttack
) -> None:
    job = client.submit(photo=handle_file(str(photo)), **SETTINGS, api_name="/protect")
    assert attack.started.wait(10)
    with pytest.raises(ValidationError, match="still in work"):
        run(client, photo)
    client.predict(api_name="/cancel")
    attack.resume.release()
    job.result(10)
    # The refusal was for that moment only.
    assert wait_until(lambda: not visit.JOBS._jobs)


def test_work_stops_when_the_visitor_leaves(
    demo: gr.Blocks, photo: Path, attack: EndlessAttack
) -> None:
    visitor = Client(str(demo.local_url), verbose=False)
    visitor.submit(photo=handle_file(str(photo)), **SETTINGS, api_name="/protect")
    assert attack.started.wait(10)
    visitor.close()
    assert wait_until(lambda: not visit.JOBS._jobs, 30)
    assert attack.is_stopped_at_next_step()


def test_the_deadline_stops_a_job_and_says_so(
    client: Client, photo: Path, attack: EndlessAttack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit.JOBS, "max_seconds", 0.5)
    job = client.submit(photo=handle_file(str(photo)), **SETTINGS, api_name="/protect")
    assert attack.started.wait(10)
    time.sleep(0.6)
    attack.resume.release()
    assert "the longest that a photo may take" in job.result(10)[0]


def test_a_cancelled_rehearsal_leaves_the_verdict_alone(
    client: Client, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = threading.Event()

    def endless(order: object, watch: JobWatch) -> None:
        started.set()
        while True:
            watch.check()
            time.sleep(0.01)

    run(client, photo)
    monkeypatch.setattr(single, "carry_out_rehearsal", endless)
    job = client.submit(api_name="/rehearse")
    assert started.wait(10)
    verdict, rehearsal = client.predict(api_name="/cancel")
    assert "Cancelled" not in str(verdict)
    said = "The rehearsal is not finished; the protected photo is as it was."
    assert said in rehearsal and said in job.result(10)[0]
