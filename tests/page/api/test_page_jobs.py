"""The jobs of the page: one works at a time, and what nobody wants never does."""

from __future__ import annotations

import threading

import pytest
import torch

from cvpire.watch import AttackStep
from page.orders.watching import JobWatch, Progress
from page.orders.words import duration
from page.server.jobs import Jobs, JobStopped


def test_one_job_works_at_a_time() -> None:
    jobs = Jobs()
    inside = threading.Event()

    jobs.claim("first", "a")
    jobs.claim("second", "b")

    def second() -> None:
        with jobs.working("second"):
            inside.set()

    thread = threading.Thread(target=second)
    with jobs.working("first"):
        thread.start()
        assert not inside.wait(0.3)
    assert inside.wait(5)
    thread.join()
    assert not jobs._jobs


def test_a_job_that_nobody_wants_does_not_wait_for_its_turn() -> None:
    jobs = Jobs()
    ended: list[str] = []
    jobs.claim("first", "a")

    def work(event: str) -> None:
        with pytest.raises(JobStopped), jobs.working(event):
            raise AssertionError("it worked")
        ended.append(event)

    with jobs.working("first"):
        waiting = [str(number) for number in range(3)]
        for event in waiting:
            jobs.claim(event, "b")
        threads = [threading.Thread(target=work, args=[event]) for event in waiting]
        for thread in threads:
            thread.start()
        jobs.stop("b")
        for thread in threads:
            thread.join(5)
        assert sorted(ended) == waiting


def test_a_job_cancelled_while_it_waits_never_works() -> None:
    jobs = Jobs()
    jobs.claim("event", "visitor")
    assert jobs.is_wanted("event")
    assert jobs.stop("visitor")
    assert not jobs.is_wanted("event")
    assert jobs.stop("visitor") is None
    with pytest.raises(JobStopped), jobs.working("event"):
        raise AssertionError("it worked")


def test_a_job_that_left_the_queue_never_works_and_can_still_be_told_of() -> None:
    jobs = Jobs()
    jobs.claim("event", "visitor")
    jobs.leave("event")
    with pytest.raises(JobStopped), jobs.working("event"):
        raise AssertionError("it worked")
    job = jobs.stop("visitor")
    assert job is not None and job.is_stopped
    assert jobs.stop("visitor") is None
    assert not jobs.is_wanted("event")


def test_a_job_of_a_visitor_who_left_never_works() -> None:
    jobs = Jobs()
    jobs.claim("event", "visitor")
    jobs.close("visitor")
    with pytest.raises(JobStopped), jobs.working("event"):
        raise AssertionError("it worked")
    assert jobs.stop("visitor") is None


def test_a_cancelled_job_leaves_the_next_one_alone() -> None:
    jobs = Jobs()
    jobs.claim("event", "visitor")
    with jobs.working("event"):
        jobs.stop("visitor")
        jobs.claim("next", "visitor")
    assert jobs.is_wanted("next") and not jobs.is_wanted("event")


def test_a_waiting_job_knows_its_place() -> None:
    jobs = Jobs()
    for event, session in (("first", "a"), ("second", "b"), ("third", "c")):
        jobs.claim(event, session)
    first, third = jobs.of("a"), jobs.of("c")
    assert first is not None and third is not None and jobs.of("d") is None
    assert jobs.place(first) == (0, 0.0)
    before, seconds = jobs.place(third)
    assert before == 2 and seconds > 0.0
    first.progress = Progress("Step 1", 0.5, seconds_left=4.0)
    assert jobs.place(third)[1] == pytest.approx(seconds / 2 + 4.0)
    jobs.stop("a")
    assert jobs.of("a") is None and jobs.place(third)[0] == 1


def test_progress_is_told_with_steps_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("page.orders.watching.time.monotonic", lambda: now)
    told: list[Progress] = []
    watch = JobWatch(told.append, lambda: None)

    def step(number: int, most: int) -> Progress:
        watch.step(AttackStep(number, most, torch.tensor([number == most]), torch.zeros(1)))
        return told[-1]

    watch.tell("Reading the photo")
    assert told == [Progress("Reading the photo")]
    assert step(0, 300).sentence() == "Step 0 of at most 300"
    now += 60.0
    half = step(150, 300)
    assert half.share is not None and half.seconds_left is not None
    # As long again for the rest of the search, and a little for the file.
    assert 0.3 < half.share < 0.5 and 60.0 < half.seconds_left < 120.0
    assert half.sentence().startswith("About ") and half.sentence().endswith(
        " left: step 150 of at most 300"
    )
    end = step(200, 200)
    assert "after 200 steps" in end.words and end.share is not None and end.share > half.share
    # A second search, of which nothing is known yet.
    assert step(1, 180).sentence() == "Step 1 of at most 180"
    now += 10.0
    assert step(30, 180).sentence().startswith("About ")
    assert [duration(seconds) for seconds in (0.2, 119.5, 1000.0)] == [
        "1 s",
        "2 min",
        "17 min",
    ]
