"""Who visits the page, what is done for him, and what is kept: shared by all handlers."""

from __future__ import annotations

import gradio as gr
from gradio.context import LocalContext

from page.looks import render
from page.orders.watching import JobWatch, Progress
from page.server.holdings import Holdings
from page.server.jobs import Job, JobRefused, Jobs, Kind
from page.server.keeping import Keeping
from page.server.visitor_queue import VisitorQueue
from page.server.visitors import Visitor, find_address

JOBS = Jobs()
HOLDINGS = Holdings()
KEEPING = Keeping(HOLDINGS)


def start(request: gr.Request) -> tuple[str, gr.Timer]:
    """What is shown as a job begins: the bar, and the clock that follows it.

    Raises:
        JobRefused: if the queue would refuse the job.
    """
    job = JOBS.of(session_of(request))
    if job is not None and job.kind is Kind.REHEARSAL:  # of the result that is about to go
        job.stop()
    queue = LocalContext.blocks.get()._queue  # type: ignore[union-attr]
    if isinstance(queue, VisitorQueue) and request.request is not None:
        address = find_address(request.request, queue.settings.trusted_header)
        if refusal := queue.refusal(Visitor(session_of(request), address)):
            raise JobRefused(refusal)
    return render.progress(Progress("Starting")), gr.Timer(active=True)


def watch(job: Job, progress: gr.Progress) -> JobWatch:
    """Follows a job for the page, and for clients of gradio."""

    def show(now: Progress) -> None:
        job.progress = now
        progress(now.share, desc=now.sentence())

    return JobWatch(show, job.check)


def session_of(request: gr.Request) -> str:
    """The visitor's session; "" of a client that has none."""
    return request.session_hash or ""


def event_id() -> str:
    """The id of the event in gradio's queue that is worked off here."""
    return LocalContext.event_id.get() or ""
