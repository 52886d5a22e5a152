"""Follows a job: tells the visitor how far it is, with the time left, and asks whether to go on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from cvpire.watch import AttackStep, Watch

Tell = Callable[[float | None, str], object]
"""Told of progress: the share done in [0, 1], None where nobody knows, and what is being done."""


class JobWatch(Watch):
    """Follows one job.

    Args:
        tell: shows the visitor what is being done.
        check: raises what ends the job, if it is to end.
    """

    def __init__(self, tell: Tell, check: Callable[[], object]) -> None:
        self._tell, self._check = tell, check
        self._started, self._first, self._last = 0.0, 0, math.inf

    def tell(self, words: str, share: float | None = None) -> None:
        """Say what is being done, unless the job is to end."""
        self._check()
        self._tell(share, words)

    def check(self) -> None:
        self._check()

    def step(self, step: AttackStep) -> None:
        # Steps begin anew where a file that must fit a size needs another search.
        if step.step <= self._last:
            self._started, self._first = time.monotonic(), step.step
        self._last = step.step
        if step.step == step.max_steps:
            self.tell(f"Writing and checking the file after {step.step} steps")
            return
        words = f"Step {step.step} of at most {step.max_steps}"
        if step.step > self._first:
            left = self._left(step.step - self._first, step.max_steps - step.step)
            words += f", at most {left} left"
        self.tell(words, step.step / step.max_steps)

    def advance(self, done: int, total: int) -> None:
        if done == 1:  # the first is looked at, not timed
            self._started = time.monotonic()
        words = f"{done} of {total}"
        if done > 1:
            words += f", about {self._left(done - 1, total - done)} left"
        self.tell(words, done / total)

    def _left(self, done: int, to_do: int) -> str:
        return duration((time.monotonic() - self._started) / done * to_do)


def duration(seconds: float) -> str:
    """Seconds in words, rounded up: "8 s", "3 min"."""
    whole = int(seconds) + 1
    return f"{whole} s" if whole < 120 else f"{-(-whole // 60)} min"
