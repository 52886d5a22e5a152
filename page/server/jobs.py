"""One job at a time on the machine, and each can be stopped.

gradio's queue lets jobs in one after the other, but it cannot stop a running function: when a job
is cancelled, or its visitor leaves, the thread works on. Here a job carries an Event, looked at in
each step. A job goes by the id of its event in gradio's queue, which gradio makes up: nothing hangs
on what a client calls itself.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from cvpire.errors import CvpireError, Stopped
from page.orders.watching import Progress

# Longer than any photo the page takes should need on two cores; it frees the queue from the rest.
MAX_SECONDS = 600.0

_MOST_REMEMBERED = 100

# What a job takes, as far as none was seen.
_USUAL_SECONDS = 15.0


class JobStopped(Stopped):
    """A job was cancelled or took too long; the message is one sentence for the visitor."""


class JobOverdue(JobStopped):
    """A job took too long."""


class JobRefused(CvpireError):  # noqa: N818 - an answer, not an error
    """The visitor cannot have a job now; the message is one sentence for the visitor."""


class Kind(Enum):
    """What a job does; the value says what it means that it was not finished."""

    PROTECTION = "The photo is not protected."
    REHEARSAL = "The rehearsal is not finished; the protected photo is as it was."
    BATCH = "The photos that were finished are kept."


class Job:
    """A visitor's job, from the moment it joins the queue.

    Args:
        kind: what it does.
        session: the visitor's.

    Attributes:
        progress: how far it is; None while it waits.
        details: what is done so far, in HTML.
    """

    def __init__(self, kind: Kind, session: str) -> None:
        self.kind = kind
        self.session = session
        self.progress: Progress | None = None
        self.details = ""
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
            raise JobOverdue(
                f"Stopped after {self._max_seconds / 60:g} minutes, the longest that a photo may "
                f"take here. {self.kind.value} A smaller one takes less time."
            )


class Jobs:
    """The jobs of all visitors, by the ids of their events in gradio's queue.

    Args:
        max_seconds: the longest that a job may work.
    """

    def __init__(self, max_seconds: float = MAX_SECONDS) -> None:
        self.max_seconds = max_seconds
        self._jobs: dict[str, Job] = {}
        # Taken off the queue before they were stopped; the visitor who cancelled is told of them.
        self._taken_off: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()
        self._seconds = deque([_USUAL_SECONDS], maxlen=8)
        # A cancelled job leaves gradio's queue at once and its thread within a step. This keeps
        # the next job from working beside it.
        self._work = threading.Lock()

    def claim(self, event: str, session: str, kind: Kind = Kind.PROTECTION) -> None:
        """Register a job that joined the queue.

        Args:
            event: its id in the queue.
            session: the visitor's.
            kind: what it is to do.
        """
        with self._lock:
            self._jobs[event] = Job(kind, session)
            self._taken_off.pop(session, None)

    def of(self, session: str) -> Job | None:
        """The session's latest job that nobody asked to stop, waiting or in work."""
        with self._lock:
            wanted = [job for job in self._jobs.values() if not job.is_stopped]
        return next((job for job in reversed(wanted) if job.session == session), None)

    def place(self, job: Job) -> tuple[int, float]:
        """How many jobs are before one that waits, and about how many seconds they take."""
        with self._lock:
            others = [each for each in self._jobs.values() if not each.is_stopped]
            before = others[: others.index(job)] if job in others else []
            usual = sum(self._seconds) / len(self._seconds)
        # Of many photos, one is waited for: then it is somebody else's turn.
        left = [
            each.progress.seconds_left if each.progress and each.kind is not Kind.BATCH else None
            for each in before
        ]
        return len(before), sum(usual if seconds is None else seconds for seconds in left)

    def is_wanted(self, event: str) -> bool:
        """Whether there is such a job and nobody asked it to stop."""
        with self._lock:
            job = self._jobs.get(event)
            return job is not None and not job.is_stopped

    @contextmanager
    def working(self, event: str) -> Iterator[Job]:
        """A claimed job, while it works.

        Raises:
            JobStopped: if it was cancelled while it waited.
        """
        with self.claimed(event) as job, self.turn(job):
            yield job

    @contextmanager
    def claimed(self, event: str) -> Iterator[Job]:
        """A claimed job that takes its turns itself, one for each of its parts.

        Raises:
            JobStopped: if it was cancelled while it waited.
        """
        with self._lock:
            job = self._jobs.get(event)
        if job is None:  # it left the queue while it came in
            raise JobStopped("Cancelled. The job is not in the queue any more.")
        try:
            yield job
        finally:
            self.end(event)

    def end(self, event: str) -> None:
        """Forget a job that is done."""
        with self._lock:
            self._jobs.pop(event, None)

    def leave(self, event: str) -> None:
        """Stop and forget a job that left the queue before it was done, for whatever reason."""
        with self._lock:
            job = self._jobs.pop(event, None)
            if job is not None and not job.is_stopped:
                job.stop()
                self._taken_off[job.session] = job
                while len(self._taken_off) > _MOST_REMEMBERED:
                    self._taken_off.popitem(last=False)

    def stop(self, session: str) -> Job | None:
        """Ask the session's jobs to stop; a new one may join the queue at once.

        Returns:
            The latest of them, also where it has just been taken off the queue, or None where
            there was none to stop.
        """
        with self._lock:
            stopped = self._taken_off.pop(session, None)
            for job in self._jobs.values():
                if job.session == session and not job.is_stopped:
                    job.stop()
                    stopped = job
            return stopped

    def close(self, session: str) -> None:
        """Stop and forget the jobs of a session that has ended."""
        with self._lock:
            self._taken_off.pop(session, None)
            for event, job in list(self._jobs.items()):
                if job.session == session:
                    job.stop()
                    del self._jobs[event]

    @contextmanager
    def turn(self, job: Job) -> Iterator[None]:
        """Wait for the job before it, and not a moment longer than somebody wants this one.

        Raises:
            JobStopped: if it was cancelled while it waited.
        """
        while not self._work.acquire(timeout=0.1):
            job.check()
        try:
            job.start(self.max_seconds)
            job.check()
            started = time.monotonic()
            yield
            self._seconds.append(time.monotonic() - started)
        finally:
            self._work.release()
