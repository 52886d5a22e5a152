"""Follows a job: says what is being done and how long it takes, and asks whether to go on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

from cvpire.watch import AttackStep, Watch
from page.orders.words import duration

# The shares of a job that have been done when the search begins and when it ends; what is left is
# writing the file and measuring it. As measured on photos of one megapixel.
_SEARCH_BEGINS, _SEARCH_ENDS = 0.06, 0.75
SCORING_BEGINS = 0.95

# No time is told before so much is done: it would be a guess.
_LEAST_SHARE, _LEAST_SECONDS = 0.05, 0.5


class Progress(NamedTuple):
    """How far a job is.

    Attributes:
        words: what is being done.
        share: of the whole job that is done, in [0, 1]; None where nobody knows.
        seconds_left: about; None where nobody knows yet.
    """

    words: str
    share: float | None = None
    seconds_left: float | None = None

    def sentence(self) -> str:
        """In words: "About 12 s left: step 31 of at most 48"."""
        if self.seconds_left is None:
            return self.words
        return f"About {duration(self.seconds_left)} left: {self.words[:1].lower()}{self.words[1:]}"


class JobWatch(Watch):
    """Follows one job.

    Args:
        show: shows the visitor how far it is.
        check: raises what ends the job, if it is to end.
    """

    def __init__(self, show: Callable[[Progress], object], check: Callable[[], object]) -> None:
        self._show, self._check = show, check
        # Since when, and from which share on, the time that is left is reckoned: loading is none
        # of it.
        self._since: tuple[float, float] | None = None
        self._started = time.monotonic()
        self._share: float | None = None
        self._last = math.inf

    def tell(self, words: str, share: float | None = None) -> None:
        """Say what is being done, unless the job is to end.

        Args:
            words: for the visitor.
            share: of the job that is done; by default what was done before.
        """
        self._check()
        self._share = self._share if share is None else share
        self._show(Progress(words, self._share, self._seconds_left()))

    def _seconds_left(self) -> float | None:
        if self._share is None:
            return None
        if self._since is None:
            self._since = time.monotonic(), self._share
        started, first = self._since
        seconds, done = time.monotonic() - started, self._share - first
        if done < _LEAST_SHARE or seconds < _LEAST_SECONDS:
            return None
        return seconds / done * (1.0 - self._share)

    def part(self, at: int, parts: int, words: str) -> JobWatch:
        """Follows one of several parts of the job that are alike.

        Args:
            at: how many are done.
            parts: of the job.
            words: what is told before what the part itself tells.
        """
        started = self._started

        def show(now: Progress) -> None:
            share = (at + (now.share or 0.0)) / parts
            seconds = time.monotonic() - started
            left = seconds / share * (1.0 - share) if at else None
            self._show(Progress(f"{words}: {now.words[:1].lower()}{now.words[1:]}", share, left))

        return JobWatch(show, self._check)

    def check(self) -> None:
        self._check()

    def step(self, step: AttackStep) -> None:
        # Steps begin anew where a file that must fit a size needs another search.
        if step.step < self._last and self._last < math.inf:
            self._since = None
        self._last = step.step
        if step.step == step.max_steps:
            self.tell(f"Writing and checking the file after {step.step} steps", _SEARCH_ENDS)
            return
        done = _SEARCH_BEGINS + (_SEARCH_ENDS - _SEARCH_BEGINS) * step.step / step.max_steps
        self.tell(f"Step {step.step} of at most {step.max_steps}", done)

    def advance(self, done: int, total: int) -> None:
        self.tell(f"Look {done} of {total}", done / total)
