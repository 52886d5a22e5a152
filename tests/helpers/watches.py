"""What tests hand over to follow the work with."""

from __future__ import annotations

from collections.abc import Callable

from cvpire.watch import AttackStep, Watch


class Told(Watch):
    """Hands on each step, each piece of work, and each question whether to go on."""

    def __init__(
        self,
        step: Callable[[AttackStep], object] = lambda step: None,
        *,
        advance: Callable[[int, int], object] = lambda done, total: None,
        check: Callable[[], object] = lambda: None,
    ) -> None:
        self._step, self._advance, self._check = step, advance, check

    def step(self, step: AttackStep) -> None:
        self._step(step)

    def advance(self, done: int, total: int) -> None:
        self._advance(done, total)

    def check(self) -> None:
        self._check()
