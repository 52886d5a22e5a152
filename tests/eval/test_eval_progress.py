"""Progress on a terminal and in a log."""

from __future__ import annotations

import io

import pytest

from eval.progress import Progress, ProgressLine, duration


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_time_left_counts_only_what_this_process_did() -> None:
    now = 100.0
    stream = Terminal()
    line = ProgressLine(stream, clock=lambda: now)
    line(Progress("Protecting", "Top1-L1", 50, 100))
    now = 140.0
    line(Progress("Protecting", "Top1-L1", 60, 100))
    line.clear()

    # Ten images took 40 s, so forty take 160 s.
    assert stream.getvalue().split("\r\x1b[K")[1:] == [
        "Protecting (Top1-L1): 50 of 100 images",
        "Protecting (Top1-L1): 60 of 100 images, about 3 min left",
        "",
    ]


def test_a_log_gets_a_line_in_a_while() -> None:
    now = 0.0
    stream = io.StringIO()
    line = ProgressLine(stream, clock=lambda: now)
    for done in range(31):
        now = float(done)
        line(Progress("Protecting", "", done, 30))
    line(Progress("Scoring", "", 0, 1, "MB"))
    line.clear()

    assert stream.getvalue().splitlines() == [
        "Protecting: 0 of 30 images",
        "Protecting: 10 of 30 images, about 20 s left",
        "Protecting: 20 of 30 images, about 10 s left",
        "Protecting: 30 of 30 images",
        "Scoring: 0 of 1 MB",
    ]


def test_a_stage_that_comes_again_counts_anew() -> None:
    now = 0.0
    stream = io.StringIO()
    line = ProgressLine(stream, clock=lambda: now)
    for first in (0.0, 1000.0):
        for done in (10, 20):
            now = first + done
            line(Progress("Looking", "", done, 20))
    assert (
        stream.getvalue().splitlines()
        == ["Looking: 10 of 20 images", "Looking: 20 of 20 images"] * 2
    )
    now = 1040.0
    line(Progress("Looking", "", 5, 20))
    now = 1050.0
    line(Progress("Looking", "", 10, 20))
    assert stream.getvalue().splitlines()[-1] == "Looking: 10 of 20 images, about 20 s left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89.0, "89 s"), (91.0, "2 min"), (5340.0, "89 min"), (7500.0, "2 h 05 min")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text
