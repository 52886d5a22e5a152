"""The page's handlers for many photos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from page.handlers.visit import HOLDINGS, JOBS, event_id, session_of, start, watch
from page.looks import render, tables
from page.orders import many
from page.orders.many import check_many
from page.orders.order import read_order
from page.server.files import keep_result
from page.server.jobs import JobStopped


def receive_many(paths: list[str] | None, request: gr.Request) -> tuple[str, None]:
    """Stop work on photos that went away, and clear what was shown of them."""
    JOBS.stop(session_of(request))
    for path in paths or ():
        HOLDINGS.hold(session_of(request), path)
    return "", None


def begin_many(paths: list[str] | None, request: gr.Request) -> list[Any]:
    """The same for many photos.

    Raises:
        SettingsError: without photos, or with too many.
        JobRefused: if the queue would refuse the job.
    """
    check_many(paths)
    return [*start(request), "", None]


def protect_photos(
    photos: list[str] | None,
    run: str,
    group: bool,
    kind: str,
    quality: float,
    kilobytes: float | None,
    classifier: str,
    view: str,
    bound: float,
    seed: float,
    metric: str,
    request: gr.Request,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio knows it by its default
) -> tuple[str, str | None]:
    """Protect many photos, one after the other, into a ZIP with a table of what became of each.

    Parameters:
        photos: up to 50 files
        run: as of /protect, and so are all others
    Returns:
        What became of each photo in HTML, the ZIP
    """
    session = session_of(request)
    settings = (run, group, kind, quality, kilobytes, classifier, view, bound, seed, metric)
    try:
        with JOBS.claimed(event_id()) as job:
            paths = check_many(photos)
            for path in paths:
                HOLDINGS.hold(session, path)
            read_order(paths[0], *settings)  # what is no order is none at all
            archive = keep_result(b"", "protected-photos.zip")
            HOLDINGS.hold(session, archive)

            def tell(rows: list[many.Row]) -> None:
                job.details = tables.many(rows)

            rows = many.protect_all(
                paths,
                lambda path: read_order(path, *settings),
                Path(archive),
                watch(job, progress),
                lambda: JOBS.turn(job),
                tell,
            )
            HOLDINGS.hold(session, archive)
            return tables.many(rows), archive
    except JobStopped as stop:
        return render.stopped(str(stop)), None
