"""Which handler each part of the page calls, and what it fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from cvpire.runs import DEFAULT_RUN
from page.handlers import choices, many, single
from page.looks.components import describe
from page.looks.run_choices import AS_ABOVE

# What a handler does beside the jobs: at once, without a sign of it, for the page alone.
_QUIET: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "api_visibility": "private",
}

# In the queue, but beside the work: outside it, gradio would keep a refusal to itself.
_BEFORE_WORK: dict[str, Any] = {**_QUIET, "queue": True, "concurrency_limit": None}

# One job at a time on the machine.
_WORK: dict[str, Any] = {
    "concurrency_limit": 1,
    "concurrency_id": "work",
    "trigger_mode": "multiple",
    "show_progress": "hidden",
}

_WORKING = "(...values) => { cvpire.state('working'); return values; }"
_ARRIVED = "() => cvpire.arrive()"


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of the page that do something.

    Attributes:
        photo, note: an upload, and what was read of it.
        photos: many uploads.
        tabs: of one photo and of many, by their names in the page's script.
        settings: what else a job is asked for, in the order of `single.protect_photo`, by name.
        other_run, run_hint, classifier_hint: what stands beside the settings.
        protect, protect_all, stop, stop_checking, rehearse: the buttons.
        progress, verdict, survival, rehearsal: what is told.
        rows, archive: of many photos.
        results: the components of `page.looks.results.Results`, in its order.
    """

    photo: Any
    note: Any
    photos: Any
    tabs: dict[str, Any]
    settings: dict[str, Any]
    other_run: Any
    run_hint: Any
    classifier_hint: Any
    protect: Any
    protect_all: Any
    stop: Any
    stop_checking: Any
    rehearse: Any
    progress: Any
    verdict: Any
    survival: Any
    rehearsal: Any
    rows: Any
    archive: Any
    results: list[Any]


def connect(page: gr.Blocks, parts: Parts) -> None:
    """Give each part of the page its handler; to be called inside the page."""
    # Of the visitor's last photo, what a rehearsal needs: no browser gets or sends it.
    order = gr.State()
    # The secret by which a browser gets its last result back when it loads the page anew.
    browser = gr.BrowserState(storage_key="cvpire-browser")
    clock = gr.Timer(0.5, active=False)
    photo, settings = parts.photo, list(parts.settings.values())
    describe([photo, *settings], single.protect_photo)
    describe([parts.photos], many.protect_photos)
    checked = [parts.survival, parts.rehearsal]
    everything = [*parts.results, order, *checked]
    bar = [parts.progress, clock]

    begun = parts.protect.click(single.begin, photo, [*bar, *everything], **_BEFORE_WORK)
    job = begun.success(
        single.protect_photo,
        [photo, *settings],
        [*parts.results, order],
        api_name="protect",
        js=_WORKING,
        **_WORK,
    )
    job.then(single.finish, None, bar, **_QUIET).then(None, js=_ARRIVED, **_QUIET)
    trial = job.success(single.rehearse_photo, order, checked, api_visibility="private", **_WORK)
    cleared = parts.rehearse.click(lambda: ("", ""), None, checked, **_QUIET)
    again = cleared.success(single.rehearse_photo, order, checked, api_name="rehearse", **_WORK)
    for button, name in ((parts.stop, "cancel"), (parts.stop_checking, None)):
        stopped = button.click(
            single.cancel,
            None,
            [parts.verdict, parts.survival],
            cancels=[job, trial, again],
            queue=False,
            show_progress="hidden",
            api_name=name,
            api_visibility="public" if name else "private",
        )
        stopped.then(single.finish, None, bar, **_QUIET).then(None, js=_ARRIVED, **_QUIET)
    photo.change(
        single.receive, photo, [parts.note, *everything], cancels=[job, trial, again], **_QUIET
    ).then(single.finish, None, bar, js="() => cvpire.state('idle')", **_QUIET)

    many_results = [parts.rows, parts.archive]
    begun = parts.protect_all.click(
        many.begin_many, parts.photos, [*bar, *many_results], **_BEFORE_WORK
    )
    # One at a time as well, but each photo waits for its turn among the single ones.
    many_done = begun.success(
        many.protect_photos,
        [parts.photos, *settings],
        many_results,
        api_name="protect_many",
        js=_WORKING,
        **{**_WORK, "concurrency_id": "many"},
    )
    many_done.then(single.finish, None, bar, **_QUIET).then(None, js=_ARRIVED, **_QUIET)
    parts.photos.change(many.receive_many, parts.photos, many_results, **_QUIET)

    clock.tick(single.follow, None, [parts.progress, parts.rows], **_QUIET)
    _connect_settings(parts)
    for name, tab in parts.tabs.items():
        tab.select(None, js=f"() => cvpire.tab('{name}')", **_QUIET)
    page.load(single.restore, browser, [browser, *everything], **_QUIET).then(
        None, js="() => cvpire.arrive(false)", **_QUIET
    )
    page.unload(single.close_session)


def _connect_settings(parts: Parts) -> None:
    """What one choice changes of the others."""
    run, kind, classifier = (parts.settings[name] for name in ("run", "kind", "classifier"))
    run.input(lambda: AS_ABOVE, None, parts.other_run, **_QUIET)
    parts.other_run.input(lambda name: name or DEFAULT_RUN, parts.other_run, run, **_QUIET)
    run.change(choices.describe_run, run, [parts.run_hint, parts.settings["group"]], **_QUIET)
    sizes = [parts.settings["quality"], parts.settings["kilobytes"]]
    kind.change(choices.describe_kind, kind, sizes, **_QUIET)
    classifier.change(choices.describe_classifier, classifier, parts.classifier_hint, **_QUIET)
    for setting in parts.settings.values():
        setting.change(None, js="() => cvpire.changed()", **_QUIET)
