"""The page: a photo goes in, the protected file and its figures come out.

`python app.py` serves it on http://127.0.0.1:7860; GRADIO_SERVER_NAME and GRADIO_SERVER_PORT
change that. Models are loaded when the first photo needs them.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import gradio as gr

from cvpire.classifiers.classifier import ClassifierSpec
from cvpire.classifiers.registry import CLASSIFIERS, find_spec
from cvpire.errors import CvpireError
from cvpire.images.formats import KINDS
from cvpire.images.views import DEFAULT_VIEW, MAX_NATIVE_PIXELS
from cvpire.memory import keep_freed_memory
from cvpire.metrics.aesthetics import AUTO, NIMA, NIMA_WEIGHTS, TITLES, preferred_metric
from cvpire.runs import DEFAULT_RUN
from page import handlers, render
from page.components import RawCheckbox, RawDropdown, RawImage, RawNumber, RawRadio, RawSlider
from page.run_choices import run_choices, run_sentence
from page.server.blocks import Page
from page.server.settings import ServerSettings
from page.server.untyped_files import HEAD
from page.style import CSS, THEME
from page.work import MAX_PIXELS

MAX_FILE_MEGABYTES = 20

LAUNCH: dict[str, Any] = {
    "theme": THEME,
    "css": CSS,
    "head": HEAD,
    "max_file_size": f"{MAX_FILE_MEGABYTES}mb",
    "footer_links": ["api"],
    # Run history would write file names into the visitor's browser.
    "run_history": False,
    "share": False,
    "ssr_mode": False,
    "enable_monitoring": False,
    "pwa": False,
}

VIEWS = [
    ("The whole photo at 256×256, as scene classifiers read a posted photo", "resize"),
    ("Its centre: 224×224 of the 256×256", "crop"),
    (f"Its own pixels (photos of up to {MAX_NATIVE_PIXELS / 1e6:.0f} megapixel)", "native"),
]

# Photos that ship inside installed packages: (package, path).
EXAMPLES = [
    ("gradio", "media_assets/images/tower.jpg"),
    ("skimage", "data/coffee.png"),
    ("skimage", "data/motorcycle_left.png"),
    ("skimage", "data/rocket.jpg"),
]


def build_page(settings: ServerSettings | None = None) -> Page:
    """The page, ready for `launch(**LAUNCH)`.

    Args:
        settings: of the server; those of the environment where they are left out.

    Raises:
        SettingsError: if the environment asks for what there is not.
    """
    settings = settings or ServerSettings.from_environment()
    # Before Blocks: without a network, its analytics hold up the process's end.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    demo = Page(handlers.JOBS, handlers.HOLDINGS, settings, title="CV-PIRE")
    with demo:
        gr.Markdown(
            "# CV-PIRE\n"
            "Changes a photo so little that nobody sees it, and so that a classifier no longer "
            "recognises its scene."
        )
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                photo = RawImage(
                    label="Your photo",
                    sources=["upload", "clipboard"],
                    height=300,
                    buttons=["fullscreen"],
                    elem_id="photo",
                )
                _hint(
                    f"PNG, JPEG, WebP, HEIC, AVIF, GIF, BMP or TIFF of up to {MAX_FILE_MEGABYTES} "
                    f"MB and {MAX_PIXELS / 1e6:.0f} megapixels. Files leave this server when you "
                    f"close the page, and within {settings.keep_words} at the latest."
                )
                if found := find_examples():
                    gr.Examples(found, photo, cache_examples=False, label="Or try one of these")
                run = RawDropdown(run_choices(), value=DEFAULT_RUN, label="Run", elem_id="run")
                run_hint = _hint(run_sentence(DEFAULT_RUN))
                group = RawCheckbox(
                    label="Hide the whole kind of place (no kind of home, say, among the first "
                    "five)",
                    elem_id="group",
                )
                classifier = RawDropdown(
                    _classifier_choices(),
                    value="auto",
                    label="Classifier to protect from",
                    elem_id="classifier",
                )
                classifier_hint = _hint(handlers.describe_classifier("auto"))
                kind = RawRadio(list(KINDS), value="PNG", label="Save as", elem_id="kind")
                quality = RawSlider(
                    10, 95, value=90, step=1, label="Quality", visible=False, elem_id="quality"
                )
                kilobytes = RawNumber(
                    label="Largest file in kB, by a lower quality if need be (0: any)",
                    value=0,
                    visible=False,
                    elem_id="kilobytes",
                )
                with gr.Accordion("More settings", open=False):
                    view = RawRadio(VIEWS, value=DEFAULT_VIEW, label="It sees", elem_id="view")
                    metric = RawRadio(
                        _metric_choices(),
                        value=AUTO,
                        label="Aesthetic score of both photos",
                        elem_id="metric",
                    )
                with gr.Row():
                    protect_button = gr.Button(
                        "Protect", variant="primary", min_width=120, elem_id="protect"
                    )
                    cancel_button = gr.Button("Cancel", min_width=120, elem_id="cancel")
            with gr.Column(scale=3, min_width=320):
                verdict = gr.HTML(render.WAITING, label="Verdict", min_height=80, elem_id="verdict")
                with gr.Column(visible=False) as photos:
                    download = gr.DownloadButton(
                        "Download the protected photo", variant="primary", elem_id="download"
                    )
                    with gr.Tab("Slider"):
                        slider = gr.ImageSlider(
                            label="Before (left) and after (right)",
                            buttons=["fullscreen"],
                            elem_id="slider",
                        )
                    with gr.Tab("Side by side"), gr.Row():
                        before = _picture("Before", "before")
                        after = _picture("After", "after")
                    rehearse_button = gr.Button(
                        "Rehearse: does it survive being posted?", elem_id="rehearse"
                    )
                    rehearsal = gr.HTML(label="Rehearsal", elem_id="rehearsal")
                with gr.Column(visible=False) as figures:
                    with gr.Row():
                        top5_before = gr.Label(label="Top 5 before", elem_id="top5-before")
                        top5_after = gr.Label(label="Top 5 after", elem_id="top5-after")
                    heat = _picture("Threshold map", "heatmap")
                    legend = gr.HTML(label="Legend of the threshold map", elem_id="legend")
                    scores = gr.HTML(label="Scores", elem_id="scores")
                    with gr.Accordion("Report (JSON)", open=False):
                        record = gr.JSON(label="Report", elem_id="record")

        # Of the visitor's last photo, what a rehearsal needs: no browser gets or sends it.
        order = gr.State()
        inputs = [photo, run, classifier, view, metric, kind, quality, kilobytes, group]
        outputs = [
            *(verdict, download, slider, before, after, heat, legend),
            *(top5_before, top5_after, scores, record, order),
        ]
        everything = [*outputs, rehearsal, photos, figures]
        quiet: dict[str, Any] = {
            "queue": False,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        # In the queue, but beside the work: outside it, gradio would keep a refusal to itself.
        begun = protect_button.click(
            handlers.begin, photo, everything, **{**quiet, "queue": True}, concurrency_limit=None
        )
        job = begun.success(
            handlers.protect_photo,
            inputs,
            outputs,
            show_progress_on=verdict,
            scroll_to_output=True,
            concurrency_limit=1,
            concurrency_id="work",
            trigger_mode="multiple",
            api_name="protect",
        )
        job.success(handlers.shown, record, [photos, figures], **quiet)
        trial = rehearse_button.click(
            handlers.rehearse_photo,
            order,
            rehearsal,
            concurrency_limit=1,
            concurrency_id="work",
            trigger_mode="multiple",
            api_name="rehearse",
        )
        cancel_button.click(
            handlers.cancel,
            None,
            [verdict, rehearsal],
            cancels=[job, trial],
            queue=False,
            show_progress="hidden",
            api_name="cancel",
        )
        photo.change(handlers.change_photo, photo, everything, cancels=[job, trial], **quiet)
        kind.change(handlers.describe_kind, kind, [quality, kilobytes], **quiet)
        run.change(handlers.describe_run, run, [run_hint, group], **quiet)
        classifier.change(handlers.describe_classifier, classifier, classifier_hint, **quiet)
        demo.unload(handlers.close_session)
    return demo.queue()


def find_examples() -> list[str]:
    """The example photos that are on this machine."""
    found = []
    for package, path in EXAMPLES:
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            if (file := Path(folder) / path).is_file():
                found.append(str(file))
    return found


def _hint(text: str) -> gr.Markdown:
    return gr.Markdown(text, elem_classes="hint")


def _picture(label: str, elem_id: str) -> gr.Image:
    return gr.Image(
        label=label,
        alt_text=label,
        interactive=False,
        buttons=["fullscreen"],
        elem_id=elem_id,
    )


def _classifier_choices() -> list[tuple[str, str]]:
    def named(spec: ClassifierSpec) -> str:
        return spec.title if spec.is_ready else f"{spec.title}: weights missing"

    automatic = (f"Automatic: {find_spec('auto').name}", "auto")
    # What a visitor could not get by any means is not offered.
    offered = [spec for spec in CLASSIFIERS.values() if spec.is_ready or spec.weights.is_public]
    return [automatic, *((named(spec), spec.name) for spec in offered)]


def _metric_choices() -> list[tuple[str, str]]:
    preferred = preferred_metric()
    choices = [(TITLES[preferred], AUTO)]
    if preferred != NIMA:
        megabytes = NIMA_WEIGHTS.size / 1e6
        choices.append((f"{TITLES[NIMA]}, by pyiqa: downloads {megabytes:.0f} MB", NIMA))
    return [*choices, ("None", "")]


if __name__ == "__main__":
    keep_freed_memory()
    try:
        page = build_page()
    except CvpireError as error:
        sys.exit(str(error))
    page.launch(**LAUNCH)
