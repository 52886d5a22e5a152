"""What the operator of the server may set, by environment variables (docs/server.md tells them)."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cvpire.errors import SettingsError

KEEP_VARIABLE = "CVPIRE_KEEP_MINUTES"
SHARE_VARIABLE = "CVPIRE_JOBS_PER_VISITOR"
PLACES_VARIABLE = "CVPIRE_QUEUE_PLACES"
HEADER_VARIABLE = "CVPIRE_TRUSTED_PROXY_HEADER"

_SWEEPS = 12
"""Sweeps in the time that a file is kept: it is gone by the end of that time, not after it."""


@dataclass(frozen=True)
class ServerSettings:
    """What the operator of the server may set.

    Attributes:
        keep_minutes: the longest that a visitor's file stays here.
        jobs_per_visitor: the most jobs, waiting or in work, of one address.
        queue_places: the most jobs that wait.
        trusted_header: the request header in which a proxy tells the visitor's address; "" where
            the server is asked without a proxy, so that no header is believed.
        absent_seconds: the longest that nobody may listen for a job's result.
        watch_seconds: between two looks whether somebody listens.
    """

    keep_minutes: float = 60.0
    jobs_per_visitor: int = 3
    queue_places: int = 8
    trusted_header: str = ""
    absent_seconds: float = 30.0
    watch_seconds: float = 2.0

    @property
    def keep_seconds(self) -> float:
        """The longest that a visitor's file stays here."""
        return 60.0 * self.keep_minutes

    @property
    def sweep_seconds(self) -> float:
        """Between two sweeps."""
        return self.keep_seconds / _SWEEPS

    @property
    def sweep_age(self) -> float:
        """The age in seconds at which a sweep takes a file away.

        The next sweep comes `sweep_seconds` later: a file that is a little younger now would be
        older than promised by then.
        """
        return self.keep_seconds - 2.0 * self.sweep_seconds

    @property
    def vanished_seconds(self) -> float:
        """The longest that a connection's other end may acknowledge nothing."""
        return 1.5 * self.absent_seconds

    @property
    def keep_words(self) -> str:
        """How long files stay, in words: "60 minutes"."""
        return f"{self.keep_minutes:g} minute{'' if self.keep_minutes == 1 else 's'}"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> ServerSettings:
        """The settings that the environment asks for; what it leaves out or empty is as above.

        Args:
            environment: names and values; the process's own where it is left out.

        Raises:
            SettingsError: for a value that is none.
        """
        given = os.environ if environment is None else environment
        return cls(
            keep_minutes=_number(given, KEEP_VARIABLE, cls.keep_minutes),
            jobs_per_visitor=_count(given, SHARE_VARIABLE, cls.jobs_per_visitor),
            queue_places=_count(given, PLACES_VARIABLE, cls.queue_places),
            trusted_header=_header(given, HEADER_VARIABLE),
        )


def _number(given: Mapping[str, str], name: str, default: float) -> float:
    text = given.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0.0):
        raise SettingsError(f"expected a number above 0 for {name}, got {text!r}")
    return value


def _count(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, "").strip()
    if not text:
        return default
    if not re.fullmatch("[0-9]{1,6}", text) or int(text) < 1:
        raise SettingsError(f"expected a whole number of 1 to 999999 for {name}, got {text!r}")
    return int(text)


def _header(given: Mapping[str, str], name: str) -> str:
    text = given.get(name, "").strip()
    if not re.fullmatch("[A-Za-z0-9-]*", text):
        raise SettingsError(
            f"expected a header's name such as X-Forwarded-For for {name}, got {text!r}"
        )
    return text
