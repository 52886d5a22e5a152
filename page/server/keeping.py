"""Results that outlive a reload of the page: kept for minutes after their visitor has left."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from page.server.holdings import Holdings

# A page that is loaded anew is there again within seconds; a telephone may take longer.
GRACE_SECONDS = 120.0

# What visitors may make the server keep in memory; the oldest goes first.
_MOST_KEPT = 200


@dataclass
class _Kept:
    """A visitor's last result.

    Attributes:
        values: of the page's outputs.
        files: that they show.
        sessions: of the tabs that show it now.
    """

    values: Sequence[Any]
    files: Sequence[str]
    sessions: set[str]


class Keeping:
    """The last result of each browser, by a secret that only that browser has.

    Args:
        holdings: in which a kept result holds its files, as a session does.
        grace_seconds: how long a result is kept after its last tab was closed.
    """

    def __init__(self, holdings: Holdings, grace_seconds: float = GRACE_SECONDS) -> None:
        self.grace_seconds = grace_seconds
        self._holdings = holdings
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    @staticmethod
    def new_secret() -> str:
        """A name that nobody can guess."""
        return secrets.token_hex(16)

    def keep(self, secret: str, session: str, values: Sequence[Any], files: Sequence[str]) -> None:
        """Keep a result in place of the one before."""
        self.forget(secret)
        with self._lock:
            self._kept[secret] = _Kept(values, files, {session})
            oldest = list(self._kept)[:-_MOST_KEPT]
        for path in files:
            self._holdings.hold(_holder(secret), path)
        for each in oldest:
            self.forget(each)

    def find(self, secret: str, session: str) -> Sequence[Any] | None:
        """The result of a browser that is back; None where there is none any more."""
        with self._lock:
            kept = self._kept.get(secret)
            if kept is None:
                return None
            kept.sessions.add(session)
        for path in kept.files:
            self._holdings.hold(session, path)
        return kept.values

    def forget(self, secret: str) -> None:
        """Give up a result, and its files."""
        with self._lock:
            self._kept.pop(secret, None)
        self._holdings.release(_holder(secret))

    def amend(self, secret: str, values: Sequence[Any]) -> None:
        """Put values in place of as many at the end of a result."""
        with self._lock:
            if kept := self._kept.get(secret):
                kept.values = [*kept.values[: -len(values)], *values]

    def leave(self, session: str) -> None:
        """Note that a tab was closed: what it showed goes in a while, unless it is back."""
        with self._lock:
            shown = [name for name, kept in self._kept.items() if session in kept.sessions]
            for name in shown:
                self._kept[name].sessions.discard(session)
        for name in shown:
            clock = threading.Timer(self.grace_seconds, self._forget_left, [name])
            clock.daemon = True
            clock.start()

    def _forget_left(self, secret: str) -> None:
        with self._lock:
            kept = self._kept.get(secret)
            is_left = kept is not None and not kept.sessions
        if is_left:
            self.forget(secret)


def _holder(secret: str) -> str:
    return f"kept:{secret}"
