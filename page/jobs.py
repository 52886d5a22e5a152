"""One job for each visitor, one at a time on the machine, and each can be stopped.

gradio's queue lets jobs in one after the other, but it can neither stop a running function nor
refuse a visitor's second job: when its `cancels` takes a job off the page, the thread works on.
Here a job carries an Event, looked at in each step.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

# Longer than any photo the page takes should need on two cores; it frees the queue from the rest.
MAX_SECONDS = 600.0


class JobStopped(Exception):  # noqa: N818 - an end, not an error
    """A job was cancelled or took too long; the message is one sentence for the visitor."""


class JobRefused(Exception):  # noqa: N818 - an answer, not an error
    """The visitor has a job already; the message is one sentence for the visitor."""


class Kind(Enum):
    """What a job does; the value says what it means that it was not finished."""

    PROTECTION = "The photo is not protected."
    REHEARSAL = "The rehearsal is not finished; the protected photo is as it was."


class Job:
    """A visitor's job, from the moment it joins the queue.

    Args:
        kind: what it does.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._stop = threading.Event()
        self._max_seconds = MAX_SECONDS
        self._deadline: float | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether somebody asked the job to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the job to stop at its next step."""
        self._stop.set()

    def start(self, max_seconds: float) -> None:
        """Let the time run; waiting in the queue does not count."""
        self._max_seconds = max_seconds
        self._deadline = time.monotonic() + max_seconds

    def check(self) -> None:
        """To be called in each step.

        Raises:
            JobStopped: if the job has to end here.
        """
        if self.is_stopped:
            raise JobStopped(f"Cancelled. {self.kind.value}")
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise JobStopped(
                f"Stopped after {self._max_seconds / 60:g} minutes, the longest that a photo may "
                f"take here. {self.kind.value} A smaller one takes less time."
            )


class Jobs:
    """The jobs of all visitors, by session.

    Args:
        max_seconds: the longest that a job may work.
    """

    def __init__(self, max_seconds: float = MAX_SECONDS) -> None:
        self.max_seconds = max_seconds
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        # A cancelled job leaves gradio's queue at once and its thread within a step. This keeps
        # the next job from working beside it.
        self._work = threading.Lock()

    def claim(self, session: str, kind: Kind = Kind.PROTECTION) -> None:
        """Register a job that joins the queue.

        Args:
            session: the visitor's.
            kind: what it is to do.

        Raises:
            JobRefused: if the session has a job that nobody asked to stop.
        """
        with self._lock:
            self._check_free(session)
            self._jobs[session] = Job(kind)

    def check_free(self, session: str) -> None:
        """Look whether `claim` would refuse.

        Raises:
            JobRefused: as `claim`.
        """
        with self._lock:
            self._check_free(session)

    @contextmanager
    def working(self, session: str) -> Iterator[Job]:
        """The session's claimed job, while it works.

        Raises:
            JobStopped: if it was cancelled while it waited.
        """
        with self._lock:
            job = self._jobs.get(session)
        if job is None:  # the visitor left, which forgets the claim, while the job came in
            raise JobStopped("Cancelled. The visitor has left.")
        try:
            with self._work:
                job.start(self.max_seconds)
                job.check()
                yield job
        finally:
            self._drop(session, job)

    def stop(self, session: str) -> Job | None:
        """Ask the session's job to stop; a new one may be claimed at once.

        Returns:
            The job, or None where there was none to stop.
        """
        with self._lock:
            job = self._jobs.get(session)
            if job is None or job.is_stopped:
                return None
            job.stop()
            return job

    def close(self, session: str) -> None:
        """Stop the session's job and forget the session."""
        with self._lock:
            if job := self._jobs.pop(session, None):
                job.stop()

    def _check_free(self, session: str) -> None:
        job = self._jobs.get(session)
        if job is not None and not job.is_stopped:
            raise JobRefused(
                "Your last photo is still in work: wait until it is done, or press Cancel."
            )

    def _drop(self, session: str, job: Job) -> None:
        with self._lock:
            # After a cancel, the session may have claimed its next job.
            if self._jobs.get(session) is job:
                del self._jobs[session]
