"""The page's handlers: one for each button and each change, and the values that they return.

Handlers return plain values, never an update of a component that shows files: after one of those,
gradio would no longer delete that component's files.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import gradio as gr
from gradio.context import LocalContext

from cvpire.classifiers.registry import find_spec
from cvpire.color.heatmap import heatmap
from cvpire.errors import SettingsError
from cvpire.images.formats import KINDS, FileFormat
from cvpire.images.photo import Photo, encode_png, preview
from cvpire.metrics.aesthetics import AUTO, BEAUTY, NIMA
from cvpire.reports.target import Target
from cvpire.runs import find_run, has_group_variant
from page import render
from page.run_choices import run_sentence
from page.server.files import keep_result
from page.server.holdings import Holdings
from page.server.jobs import Job, JobRefused, Jobs, JobStopped, Kind
from page.server.visitor_queue import VisitorQueue
from page.server.visitors import Visitor, find_address
from page.watching import JobWatch
from page.work import Order, Outcome, RehearsalOrder, carry_out, carry_out_rehearsal

JOBS = Jobs()
HOLDINGS = Holdings()

_MOST_KILOBYTES = 1_000_000
_METRICS = (AUTO, BEAUTY, NIMA, "")


class Results(NamedTuple):
    """One value for each output component, in their order."""

    verdict: str | None = None
    download: str | None = None
    slider: tuple[str, str] | None = None
    before: str | None = None
    after: str | None = None
    heatmap: str | None = None
    legend: str | None = None
    top5_before: dict[str, float] | None = None
    top5_after: dict[str, float] | None = None
    scores: str | None = None
    record: dict[str, object] | None = None


def begin(path: str | None, request: gr.Request) -> list[Any]:
    """Clear the old results before a job; refuses at once what cannot start.

    Raises:
        SettingsError: without a photo.
        JobRefused: if the queue would refuse the job.
    """
    if path is None:
        raise SettingsError("Choose a photo first.")
    queue = LocalContext.blocks.get()._queue  # type: ignore[union-attr]
    if isinstance(queue, VisitorQueue) and request.request is not None:
        address = find_address(request.request, queue.settings.trusted_header)
        if refusal := queue.refusal(Visitor(_session(request), address)):
            raise JobRefused(refusal)
    return cleared()


def protect_photo(
    path: str | None,
    run: str,
    classifier: str,
    view: str,
    metric: str,
    kind: str,
    quality: float,
    kilobytes: float | None,
    group: bool,
    request: gr.Request,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio knows it by its default
) -> tuple[Any, ...]:
    """Protect a photo: the verdict, the protected file, and what there is to know about it.

    The last value is what a rehearsal needs; it stays on the server.
    """
    session = _session(request)
    try:
        with JOBS.working(_event()) as job:
            HOLDINGS.hold(session, path)
            order = _order(path, run, classifier, view, metric, kind, quality, kilobytes, group)
            outcome = carry_out(order, _watch(job, progress))
            job.check()
            results = _results(outcome)
            given = (results.download, results.before, results.after, results.heatmap)
            for result in given:
                HOLDINGS.hold(session, result)
            if job.is_stopped:  # the visitor may have left before he held them
                HOLDINGS.release(session, given)
            job.check()
            return *results, _rehearsal_order(order.path, results, outcome)
    except JobStopped as stop:
        return *Results(verdict=render.stopped(str(stop))), None


def rehearse_photo(
    order: RehearsalOrder | None,
    request: gr.Request,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio knows it by its default
) -> str:
    """Look what the photo that was protected last survives: a table for each classifier at hand."""
    try:
        with JOBS.working(_event()) as job:
            if order is None:
                raise SettingsError("Protect a photo first.")
            return render.rehearsal(carry_out_rehearsal(order, _watch(job, progress)))
    except JobStopped as stop:
        return render.stopped(str(stop))


def cancel(request: gr.Request) -> tuple[Any, Any]:
    """Stop the visitor's job at its next step, and say so in its place: verdict or rehearsal."""
    job = JOBS.stop(_session(request))
    if job is None:
        return gr.skip(), gr.skip()
    notice = render.stopped(f"Cancelled. {job.kind.value}")
    # Of a rehearsal, the verdict on the photo holds.
    return (gr.skip(), notice) if job.kind is Kind.REHEARSAL else (notice, gr.skip())


def change_photo(path: str | None, request: gr.Request) -> list[Any]:
    """Stop work on the photo that went away, and clear its results."""
    JOBS.stop(_session(request))
    HOLDINGS.hold(_session(request), path)
    return cleared(render.WAITING)


def close_session(request: gr.Request) -> None:
    """Stop the work of a visitor who left, and delete his files."""
    JOBS.close(_session(request))
    HOLDINGS.release(_session(request))


def cleared(verdict: str = "") -> list[Any]:
    """Empty results, nothing to rehearse and no rehearsal, out of sight."""
    return [*Results(verdict=verdict), None, "", *shown(None)]


def shown(record: dict[str, Any] | None) -> tuple[gr.Column, gr.Column]:
    """Show the photos where there is a protected one, the figures where there is a report."""
    is_success = record is not None and record["file_is_protected"]
    return gr.Column(visible=bool(is_success)), gr.Column(visible=record is not None)


def describe_run(run: str) -> tuple[str, gr.Checkbox]:
    """What a run does, and the choice of the whole kind of place where there is one to make."""
    name = find_run(_text("run", run)).name
    if has_group_variant(name):
        return run_sentence(name), gr.Checkbox(visible=True)
    return run_sentence(name), gr.Checkbox(visible=False, value=False)


def describe_kind(kind: str) -> tuple[gr.Slider, gr.Number]:
    """Show what there is to choose about a kind of file."""
    is_lossy = kind in KINDS and not KINDS[kind].is_lossless
    return gr.Slider(visible=is_lossy), gr.Number(visible=is_lossy)


def describe_classifier(name: str) -> str:
    """What a classifier is, or what to do where its weights are missing."""
    spec = find_spec(_text("classifier", name))
    if not spec.is_ready:
        return f"Its weights are not on this machine. {spec.weights.advice()}"
    return f"{spec.title}. Licence of the weights: {spec.licence}."


def _results(outcome: Outcome) -> Results:
    protected = outcome.protected
    report = protected.report
    results = Results(
        verdict=render.verdict(outcome),
        heatmap=_preview(Photo(heatmap(protected.threshold_map)), "threshold-map.png"),
        legend=render.legend(report),
        top5_before=render.top5(report.before),
        top5_after=render.top5(report.after),
        scores=render.scores(outcome),
        record={"file_is_protected": report.verdict.is_success, **report.as_record()},
    )
    if not report.verdict.is_success:
        return results
    before, after = (
        _preview(photo, name)
        for photo, name in ((outcome.photo, "before.png"), (protected.photo, "after.png"))
    )
    return results._replace(
        # The bytes that were judged; the name says nothing about the visitor's own file.
        download=keep_result(protected.data, f"protected{protected.file_format.suffix}"),
        slider=(before, after),
        before=before,
        after=after,
    )


def _rehearsal_order(path: str, results: Results, outcome: Outcome) -> RehearsalOrder | None:
    if results.download is None:
        return None
    return RehearsalOrder(path, results.download, Target.of(outcome.protected.report))


def _order(
    path: object,
    run: object,
    classifier: object,
    view: object,
    metric: object,
    kind: object,
    quality: object,
    kilobytes: object,
    group: object,
) -> Order:
    """What was asked for; each value may be anything, since anybody may send it.

    Raises:
        SettingsError: for what is no order.
    """
    if path is None:
        raise SettingsError("Choose a photo first.")
    file_format = _file_format(
        _text("kind", kind),
        _number("quality", quality),
        None if kilobytes is None else _number("kilobytes", kilobytes),
    )
    metric = _text("metric", metric)
    if metric not in _METRICS:
        known = ", ".join(filter(None, _METRICS))
        raise SettingsError(f"expected a metric of {known}, or none, got {_shown(metric)}")
    chosen = find_run(_text("run", run), group=_flag("group", group))
    names = (chosen.name, _text("classifier", classifier), _text("view", view))
    return Order(_text("path", path), *names, metric, file_format)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"expected text for {name}, got {_shown(value)}")
    return value


def _number(name: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise SettingsError(f"expected a number for {name}, got {_shown(value)}")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"expected true or false for {name}, got {_shown(value)}")
    return value


def _shown(value: object) -> str:
    """A value in a sentence, cut where it is long."""
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:60]}..."


def _file_format(kind: str, quality: float, kilobytes: float | None) -> FileFormat:
    if kind in KINDS and KINDS[kind].is_lossless:
        return FileFormat(kind)
    kilobytes = kilobytes or 0
    if not 1 <= quality <= 100 or not 0 <= kilobytes <= _MOST_KILOBYTES:
        raise SettingsError(
            f"expected a quality of 1 to 100 and a size of 0 to {_MOST_KILOBYTES:,} kB, got "
            f"{quality:g} and {kilobytes:g} kB"
        )
    return FileFormat(kind, int(quality), max(1, int(kilobytes * 1000)) if kilobytes else None)


def _preview(photo: Photo, name: str) -> str:
    """A photo for the screen, as a file."""
    return keep_result(encode_png(preview(photo)), name)


def _watch(job: Job, progress: gr.Progress) -> JobWatch:
    return JobWatch(lambda share, words: progress(share, desc=words), job.check)


def _session(request: gr.Request) -> str:
    return request.session_hash or ""


def _event() -> str:
    """The id of the event in gradio's queue that is worked off here."""
    return LocalContext.event_id.get() or ""
