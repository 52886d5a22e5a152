"""What a finished job gives the page: the file to download, and all that is shown of it."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from cvpire.color.heatmap import heatmap
from cvpire.images.photo import Photo, encode_png, preview
from cvpire.images.transparency import WHITE, composite
from cvpire.metrics.blotches import blurred_delta_e_map
from cvpire.metrics.grades import YARDSTICKS
from page.looks import render, tables
from page.orders.single import Outcome
from page.server.files import keep_result

# The longest side of what the viewer shows of a photo as a whole.
PREVIEW_SIDE = 1600

# From so much on, a patch of another colour may be seen without looking for it: the map of what
# could be seen ends there.
MOST_DELTA_E = next(y.faint_to for y in YARDSTICKS if y.figure == "delta_e_blurred")


class Results(NamedTuple):
    """One value for each output component, in their order.

    Attributes:
        verdict: HTML.
        download: path of the protected file; None where there is none.
        view: what the viewer shows.
        top5: HTML, both photos' five highest classes side by side.
        scores: HTML, all figures.
        heatmap: path of the threshold map's picture.
        legend: HTML.
        record: the report.
        report: path of the same as a file.
        command: HTML, the command line that does the same.
    """

    verdict: str | None = None
    download: str | None = None
    view: dict[str, Any] | None = None
    top5: str | None = None
    scores: str | None = None
    heatmap: str | None = None
    legend: str | None = None
    record: dict[str, object] | None = None
    report: str | None = None
    command: str | None = None

    def files(self) -> list[str]:
        """Paths of all files that were made for the visitor."""
        view = self.view or {}
        shown = [view[name] for name in _PICTURES if name in view]
        return [path for path in (self.download, self.heatmap, self.report, *shown) if path]


def results_of(outcome: Outcome, command: str) -> Results:
    """Everything that the page shows of an outcome; writes the files that it needs.

    Args:
        outcome: of a job.
        command: the command line that does the same.
    """
    protected = outcome.protected
    report = protected.report
    record = {"file_is_protected": report.verdict.is_success, **report.as_record()}
    results = Results(
        verdict=render.verdict(outcome),
        top5=render.top5(report),
        scores=tables.scores(outcome),
        heatmap=_kept(Photo(heatmap(protected.threshold_map)), "threshold-map.png"),
        legend=tables.legend(report),
        record=record,
        report=keep_result(render.as_json(record).encode(), "report.json"),
        command=render.command(command),
    )
    if not report.verdict.is_success:
        return results
    # The bytes that were judged; the name says nothing about the visitor's own file.
    download = keep_result(protected.data, f"protected{protected.file_format.suffix}")
    return results._replace(download=download, view=_view(outcome, download, results.heatmap or ""))


_PICTURES = ("before", "after", "before_preview", "after_preview", "blurred", "map")


def _view(outcome: Outcome, download: str, threshold_map: str) -> dict[str, Any]:
    """What `page.looks.viewer.Viewer` shows."""
    photo, protected = outcome.photo, outcome.protected
    # What is seen of a photo with transparency, on white.
    before, after = (composite(each, WHITE) for each in (photo, protected.photo))
    blurred = blurred_delta_e_map(before.pixels, after.pixels)
    picture = heatmap(np.minimum(blurred / np.float32(MOST_DELTA_E), np.float32(1.0)))
    whole = {
        "before": keep_result(encode_png(before), "original.png"),
        "after": download if photo.alpha is None else keep_result(encode_png(after), "after.png"),
        "blurred": _kept(Photo(picture), "what-could-be-seen.png"),
        "map": threshold_map,
    }
    is_large = max(photo.width, photo.height) > PREVIEW_SIDE
    small = {
        "before_preview": _kept(before, "original-small.png") if is_large else whole["before"],
        "after_preview": _kept(after, "protected-small.png") if is_large else whole["after"],
    }
    strongest = protected.report.strongest
    return {
        **whole,
        **small,
        "width": photo.width,
        "height": photo.height,
        "preview_side": PREVIEW_SIDE,
        "strongest": None if strongest is None else [strongest.x, strongest.y],
        "blurred_caption": "The change, blurred as the eye blurs it: black cannot be seen, the "
        f"brightest (a colour difference of {MOST_DELTA_E:g} or more) may be.",
        "map_caption": "The threshold map: nothing may change where it is black, most where colour "
        "varies most.",
    }


def with_addresses(view: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the viewer shows, with addresses in place of paths."""
    if view is None:
        return None
    return {name: _address(value) if name in _PICTURES else value for name, value in view.items()}


def _address(path: str) -> str:
    """Where gradio serves a file, seen from the page itself."""
    return f"gradio_api/file={quote(path)}"


def _kept(photo: Photo, name: str) -> str:
    """A photo for the screen, as a file."""
    return keep_result(encode_png(preview(photo, PREVIEW_SIDE)), name)
