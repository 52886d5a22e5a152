"""How far an evaluation is, and about how long it still takes: one line on a terminal or in a log.

Part of the command line: the work itself only calls a `ProgressCallback`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, TextIO

from cvpire.cli.console import say


class Progress(NamedTuple):
    """One step of the work.

    Attributes:
        stage: what is being done; counting starts anew with each stage.
        detail: what it is at, or "".
        done: images done, those of an earlier, interrupted evaluation included.
        total: images in all.
        unit: what is counted, if not images.
    """

    stage: str
    detail: str
    done: int
    total: int
    unit: str = "images"


ProgressCallback = Callable[[Progress], None]

# A log is not a terminal: one line in a while is enough.
_LOG_SECONDS = 10.0


class ProgressLine:
    """Shows progress on a stream: a line that renews itself on a terminal, else a line in a while.

    Args:
        stream: where to, usually stderr.
        clock: seconds; for tests.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._stage = ""
        self._done = 0
        self._started = (0.0, 0)  # when, and with how many images done already
        self._shown = float("-inf")

    def __call__(self, progress: Progress) -> None:
        """Show a step of the work."""
        now = self._clock()
        # The same stage may come again, as for each of several networks.
        if progress.stage != self._stage or progress.done < self._done:
            self._stage, self._started = progress.stage, (now, progress.done)
            self._shown = float("-inf")
        self._done = progress.done
        is_last = progress.done >= progress.total
        if not self._is_terminal and not is_last and now - self._shown < _LOG_SECONDS:
            return
        self._shown = now
        detail = f" ({progress.detail})" if progress.detail else ""
        text = f"{progress.stage}{detail}: {progress.done} of {progress.total} {progress.unit}"
        text += self._time_left(progress, now)
        self._write(f"\r\x1b[K{text}" if self._is_terminal else f"{text}\n")

    def clear(self) -> None:
        """Take the line away, before something else is printed."""
        if self._is_terminal:
            self._write("\r\x1b[K")

    def _time_left(self, progress: Progress, now: float) -> str:
        since, already_done = self._started
        own = progress.done - already_done
        if own <= 0 or progress.done >= progress.total:
            return ""
        return f", about {duration((now - since) / own * (progress.total - progress.done))} left"

    def _write(self, text: str) -> None:
        say(text, self._stream, end="")


def duration(seconds: float) -> str:
    """A length of time for people: "12 s", "3 min", "2 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
