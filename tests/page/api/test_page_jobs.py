"""The jobs of the page: one works at a time, and what nobody wants never does."""

from __future__ import annotations

import threading

import pytest
import torch

from cvpire.watch import AttackStep
from page.server.jobs import Jobs, JobStopped
from page.watching import JobWatch, duration


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


def test_progress_is_told_with_steps_and_time() -> None:
    told: list[tuple[float | None, str]] = []
    watch = JobWatch(lambda share, words: told.append((share, words)), lambda: None)
    for step, most in ((0, 300), (1, 300), (150, 150)):
        watch.step(AttackStep(step, most, torch.tensor([step == 150]), torch.zeros(1)))
    assert told[0] == (0.0, "Step 0 of at most 300")
    assert told[1][1].startswith("Step 1 of at most 300, at most ")
    assert told[2][0] is None and "after 150 steps" in told[2][1]
    # A second search, whose first step is its first.
    for step in (1, 2):
        watch.step(AttackStep(step, 180, torch.tensor([False]), torch.zeros(1)))
    assert told[3][1] == "Step 1 of at most 180"
    assert told[4][1].startswith("Step 2 of at most 180, at most ")
    assert [duration(seconds) for seconds in (0.2, 119.5, 1000.0)] == [
        "1 s",
        "2 min",
        "17 min",
    ]
