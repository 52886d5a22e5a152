"""Results that outlive a reload of the page: kept for minutes after their visitor has left."""

from __future__ import annotations

import re
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
        self._secrets: dict[str, str] = {}  # of each open tab
        self._lock = threading.Lock()

    def join(self, session: str, secret: object) -> tuple[str, Sequence[Any] | None]:
        """A tab was opened: the secret of its browser, and the result that it had, if any is left.

        Args:
            session: of the tab.
            secret: what the browser says that it is; anything else than a secret of ours gets a
                new one.
        """
        if not (isinstance(secret, str) and re.fullmatch("[0-9a-f]{32}", secret)):
            secret = secrets.token_hex(16)
        with self._lock:
            self._secrets[session] = secret
            kept = self._kept.get(secret)
            if kept is None:
                return secret, None
            kept.sessions.add(session)
        for path in kept.files:
            self._holdings.hold(session, path)
        return secret, kept.values

    def keep(self, session: str, values: Sequence[Any], files: Sequence[str]) -> None:
        """Keep a result in place of the one before, if it is one of a browser's tab."""
        self.forget(session)
        with self._lock:
            secret = self._secrets.get(session)
            if secret is None:
                return
            self._kept[secret] = _Kept(values, files, {session})
            oldest = list(self._kept)[:-_MOST_KEPT]
        for path in files:
            self._holdings.hold(_holder(secret), path)
        for each in oldest:
            self._drop(each)

    def amend(self, session: str, values: Sequence[Any]) -> None:
        """Put values in place of as many at the end of a result."""
        with self._lock:
            if kept := self._kept.get(self._secrets.get(session, "")):
                kept.values = [*kept.values[: -len(values)], *values]

    def forget(self, session: str) -> None:
        """Give up the result of a tab's browser, and its files."""
        if secret := self._secrets.get(session):
            self._drop(secret)

    def leave(self, session: str) -> None:
        """Note that a tab was closed: what it showed goes in a while, unless it is back."""
        with self._lock:
            secret = self._secrets.pop(session, "")
            if kept := self._kept.get(secret):
                kept.sessions.discard(session)
        if kept:
            clock = threading.Timer(self.grace_seconds, self._drop_left, [secret])
            clock.daemon = True
            clock.start()

    def _drop_left(self, secret: str) -> None:
        with self._lock:
            kept = self._kept.get(secret)
            is_left = kept is not None and not kept.sessions
        if is_left:
            self._drop(secret)

    def _drop(self, secret: str) -> None:
        with self._lock:
            self._kept.pop(secret, None)
        self._holdings.release(_holder(secret))


def _holder(secret: str) -> str:
    return f"kept:{secret}"
