"""The page's handlers: one for each button and each change, and the values that they return.

Handlers return plain values, never an update of a component that shows files: after one of those,
gradio would no longer delete that component's files.
"""

from __future__ import annotations

import threading
from typing import Any

import gradio as gr

from cvpire.errors import PhotoError, SettingsError
from cvpire.images.photo import encode_png, preview
from cvpire.images.reading import read_photo
from cvpire.images.transparency import WHITE, composite
from cvpire.reports.target import Target
from page.handlers.visit import HOLDINGS, JOBS, KEEPING, event_id, session_of, start, watch
from page.looks import render, tables
from page.looks.results import Results, results_of, with_addresses
from page.orders.order import command_line, read_order
from page.orders.single import MAX_PIXELS, RehearsalOrder, carry_out, carry_out_rehearsal
from page.server.files import keep_result
from page.server.jobs import JobStopped, Kind

# What browsers show by themselves, by the ends of files' names.
_SHOWN_BY_BROWSERS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".avif")

# Uploads are read one at a time: each may take some hundred megabytes for a moment.
_READING = threading.Lock()


def restore(browser: object, request: gr.Request) -> list[Any]:
    """What a browser whose page was loaded anew had, with the secret that it is known by."""
    secret, values = KEEPING.join(session_of(request), browser)
    return [secret, *(values or cleared())]


def receive(path: str | None, request: gr.Request) -> tuple[Any, ...]:
    """Look at a photo that was just chosen, and clear what was shown of the one before.

    Returns:
        What was read of it, or why it cannot be taken; then the empty results.
    """
    JOBS.stop(session_of(request))
    HOLDINGS.hold(session_of(request), path)
    KEEPING.forget(session_of(request))
    if path is None:
        return "", *cleared()
    try:
        with _READING:
            photo = read_photo(path, max_pixels=MAX_PIXELS)
            shown = ""
            if not path.lower().endswith(_SHOWN_BY_BROWSERS):
                small = encode_png(preview(composite(photo, WHITE), 400))
                shown = keep_result(small, "preview.png")
                HOLDINGS.hold(session_of(request), shown)
    except PhotoError as error:
        return render.refused(str(error)), *cleared()
    size = f"{photo.width:,} × {photo.height:,} pixels"
    address = f"gradio_api/file={shown}" if shown else ""
    return render.received(size, photo.notes, address), *cleared()


def begin(path: str | None, request: gr.Request) -> list[Any]:
    """Clear the old results before a job; refuses at once what cannot start.

    Raises:
        SettingsError: without a photo.
        JobRefused: if the queue would refuse the job.
    """
    if path is None:
        raise SettingsError("Choose a photo first.")
    return [*start(request), *cleared()]


def protect_photo(
    photo: str | None,
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
) -> tuple[Any, ...]:
    """Protect a photo: the verdict, the protected file, and what there is to know about it.

    Parameters:
        photo: the photo's file: PNG, JPEG, WebP, HEIC, AVIF, GIF, BMP or TIFF
        run: what is to be reached and how: Posting, Balanced, Invisible, or any other run's name
        group: hide the whole kind of place, such as every room of a home
        kind: of the protected file: "as it came", PNG, JPEG, WebP or AVIF
        quality: of a lossy file, 1 to 100
        kilobytes: the largest lossy file in kB, by a lower quality if need be; 0 for any
        classifier: to protect from, by its name; auto for the best one that is installed
        view: how the classifier sees the photo: resize, crop or native
        bound: how far pixels may move, as a factor of the run's own bound, above 0 and up to 8
        seed: of the search's random draws, a whole number
        metric: the aesthetic score of both photos: auto, beauty, nima, or empty for none
    Returns:
        The verdict in HTML, the protected file, what the viewer shows, five guesses before and
        after in HTML, all figures in HTML, the threshold map as a picture, its legend, the report,
        the report as a file, the command line that does the same
    """
    session = session_of(request)
    try:
        with JOBS.working(event_id()) as job:
            HOLDINGS.hold(session, photo)
            settings = (run, group, kind, quality, kilobytes, classifier, view, bound, seed, metric)
            order = read_order(photo, *settings)
            outcome = carry_out(order, watch(job, progress))
            job.check()
            results = results_of(outcome, command_line(order))
            for path in results.files():
                HOLDINGS.hold(session, path)
            if job.is_stopped:  # the visitor may have left before he held them
                HOLDINGS.release(session, results.files())
            job.check()
            rehearsal = None
            if results.download is not None:
                target = Target.of(outcome.protected.report)
                rehearsal = RehearsalOrder(order.path, results.download, target)
            shown = *results._replace(view=with_addresses(results.view)), rehearsal
            KEEPING.keep(session, [*shown, "", ""], [order.path, *results.files()])
            return shown
    except JobStopped as stop:
        return *Results(verdict=render.stopped(str(stop))), None


def rehearse_photo(
    order: RehearsalOrder | None,
    request: gr.Request,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio knows it by its default
) -> tuple[str, str]:
    """What the photo that was protected last survives: in a sentence, and a table for each
    classifier at hand.
    """
    try:
        with JOBS.working(event_id()) as job:
            if order is None:
                raise SettingsError("Protect a photo first.")
            outcomes = carry_out_rehearsal(order, watch(job, progress))
            found = render.survival(outcomes), tables.rehearsal(outcomes)
            KEEPING.amend(session_of(request), found)
            return found
    except JobStopped as stop:
        return render.stopped(str(stop)), ""


def follow(request: gr.Request) -> tuple[str, Any]:
    """How far the visitor's job is, or how many are before it; and what of many photos is done."""
    job = JOBS.of(session_of(request))
    if job is None or job.kind is Kind.REHEARSAL:  # the result is there already
        return render.progress(None), gr.skip()
    details = job.details or gr.skip()
    if job.progress is None:
        return render.waiting(*JOBS.place(job)), details
    return render.progress(job.progress), details


def finish() -> tuple[str, gr.Timer]:
    """Nothing is in work any more: no bar, and nobody asks for it."""
    return render.progress(None), gr.Timer(active=False)


def cancel(request: gr.Request) -> tuple[Any, Any]:
    """Stop the visitor's job at its next step, and say so in its place: verdict or rehearsal."""
    job = JOBS.stop(session_of(request))
    if job is None:
        return gr.skip(), gr.skip()
    if job.kind is Kind.BATCH:  # its own result tells
        return gr.skip(), gr.skip()
    notice = render.stopped(f"Cancelled. {job.kind.value}")
    # Of a rehearsal, the verdict on the photo holds.
    return (gr.skip(), notice) if job.kind is Kind.REHEARSAL else (notice, gr.skip())


def close_session(request: gr.Request) -> None:
    """Stop the work of a visitor who left, and delete his files; his last result in a while."""
    JOBS.close(session_of(request))
    KEEPING.leave(session_of(request))
    HOLDINGS.release(session_of(request))


def cleared() -> list[Any]:
    """Empty results, nothing to rehearse, and no rehearsal."""
    return [*Results(), None, "", ""]
