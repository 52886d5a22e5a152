"""The page's handlers: one for each button and each change, and the values that they return.

Handlers return plain values, never an update of a component that shows files: after one of those,
gradio would no longer delete that component's files.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from cvpire.classifiers import find_spec
from cvpire.errors import CvpireError, SettingsError
from cvpire.formats import KINDS, FileFormat
from cvpire.heatmap import heatmap
from cvpire.images.photo import Photo, encode_png, preview
from cvpire.runs import RUNS
from cvpire.target import Target
from page import render
from page.jobs import JobRefused, Jobs, JobStopped, Kind
from page.work import Order, Outcome, RehearsalOrder, carry_out, carry_out_rehearsal

JOBS = Jobs()

_MOST_KILOBYTES = 1_000_000


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


def claim(
    path: str | None,
    run: str,
    classifier: str,
    view: str,
    metric: str,
    kind: str,
    quality: float,
    kilobytes: float | None,
    request: gr.Request,
) -> list[dict[str, Any]]:
    """Let a job into the queue unless the visitor has one."""
    return _claimed(request, Kind.PROTECTION, inputs=8)


def claim_rehearsal(order: RehearsalOrder | None, request: gr.Request) -> list[dict[str, Any]]:
    """Let a rehearsal into the queue unless the visitor has a job."""
    return _claimed(request, Kind.REHEARSAL, inputs=1)


def _claimed(request: gr.Request, kind: Kind, *, inputs: int) -> list[dict[str, Any]]:
    """Claim a job; gradio wants an answer for each input."""
    try:
        JOBS.claim(_session(request), kind)
        refusal = ""
    except JobRefused as error:
        refusal = str(error)
    return [gr.validate(not refusal, refusal)] + [gr.validate(True, "")] * (inputs - 1)


def begin(path: str | None, request: gr.Request) -> list[Any]:
    """Clear the old results before a job; refuses at once what cannot start."""
    if path is None:
        raise gr.Error("Choose a photo first.", print_exception=False)
    try:
        JOBS.check_free(_session(request))
    except JobRefused as error:
        raise gr.Error(str(error), print_exception=False) from error
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
    request: gr.Request,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio knows it by its default
) -> tuple[Any, ...]:
    """Protect a photo: the verdict, the protected file, and what there is to know about it.

    The last value is what a rehearsal needs; it stays on the server.
    """
    try:
        with JOBS.working(_session(request)) as job:
            if path is None:
                raise SettingsError("Choose a photo first.")
            order = Order(
                path, run, classifier, view, metric, _file_format(kind, quality, kilobytes)
            )
            outcome = carry_out(order, lambda share, words: progress(share, desc=words), job.check)
            job.check()  # nobody would delete the files of a job that gradio has forgotten
            results = _results(outcome)
            return *results, _rehearsal_order(path, results, outcome)
    except JobStopped as stop:
        return *Results(verdict=render.stopped(str(stop))), None
    except CvpireError as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from error


def rehearse_photo(
    order: RehearsalOrder | None,
    request: gr.Request,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio knows it by its default
) -> str:
    """Look what the photo that was protected last survives: a table for each classifier at hand."""
    try:
        with JOBS.working(_session(request)) as job:
            if order is None:
                raise SettingsError("Protect a photo first.")
            outcomes = carry_out_rehearsal(
                order, lambda share, words: progress(share, desc=words), job.check
            )
            return render.rehearsal(outcomes)
    except JobStopped as stop:
        return render.stopped(str(stop))
    except CvpireError as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from error


def cancel(request: gr.Request) -> tuple[Any, Any]:
    """Stop the visitor's job at its next step, and say so in its place: verdict or rehearsal."""
    job = JOBS.stop(_session(request))
    if job is None:
        return gr.skip(), gr.skip()
    notice = render.stopped(f"Cancelled. {job.kind.value}")
    # Of a rehearsal, the verdict on the photo holds.
    return (gr.skip(), notice) if job.kind is Kind.REHEARSAL else (notice, gr.skip())


def change_photo(request: gr.Request) -> list[Any]:
    """Stop work on the photo that went away, and clear its results."""
    JOBS.stop(_session(request))
    return cleared(render.WAITING)


def close_session(request: gr.Request) -> None:
    """Stop the work of a visitor who left."""
    JOBS.close(_session(request))


def cleared(verdict: str = "") -> list[Any]:
    """Empty results, nothing to rehearse and no rehearsal, out of sight."""
    return [*Results(verdict=verdict), None, "", *shown(None)]


def shown(record: dict[str, Any] | None) -> tuple[gr.Column, gr.Column]:
    """Show the photos where there is a protected one, the figures where there is a report."""
    is_success = record is not None and record["file_is_protected"]
    return gr.Column(visible=bool(is_success)), gr.Column(visible=record is not None)


def describe_run(run: str) -> str:
    """What a run does."""
    return RUNS[run].summary


def describe_kind(kind: str) -> tuple[gr.Slider, gr.Number]:
    """Show what there is to choose about a kind of file."""
    is_lossy = not KINDS[kind].is_lossless
    return gr.Slider(visible=is_lossy), gr.Number(visible=is_lossy)


def describe_classifier(name: str) -> str:
    """What a classifier is, or what to do where its weights are missing."""
    spec = find_spec(name)
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
        download=_keep(protected.data, f"protected{protected.file_format.suffix}"),
        slider=(before, after),
        before=before,
        after=after,
    )


def _rehearsal_order(path: str, results: Results, outcome: Outcome) -> RehearsalOrder | None:
    if results.download is None:
        return None
    return RehearsalOrder(path, results.download, Target.of(outcome.protected.report))


def _file_format(kind: str, quality: float, kilobytes: float | None) -> FileFormat:
    if kind in KINDS and KINDS[kind].is_lossless:
        return FileFormat(kind)
    kilobytes = kilobytes or 0
    if not math.isfinite(quality) or not 0 <= kilobytes <= _MOST_KILOBYTES:
        raise SettingsError(
            f"expected a quality of 1 to 100 and a size of 0 to {_MOST_KILOBYTES:,} kB, got "
            f"{quality:g} and {kilobytes:g} kB"
        )
    return FileFormat(kind, int(quality), max(1, int(kilobytes * 1000)) if kilobytes else None)


def _preview(photo: Photo, name: str) -> str:
    """A photo for the screen, as a file."""
    return _keep(encode_png(preview(photo)), name)


def _keep(data: bytes, name: str) -> str:
    """Write a file where gradio serves from and where it deletes old files."""
    path: str = save_bytes_to_cache(data, name, get_upload_folder())
    return path


def _session(request: gr.Request) -> str:
    return request.session_hash or ""
