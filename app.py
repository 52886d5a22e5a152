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

from cvpire.classifiers.registry import find_spec
from cvpire.errors import CvpireError
from cvpire.images.formats import KINDS, USUAL_QUALITY
from cvpire.images.views import DEFAULT_VIEW, MAX_NATIVE_PIXELS
from cvpire.memory import keep_freed_memory
from cvpire.metrics.aesthetics import AUTO
from cvpire.runs import DEFAULT_RUN
from page.handlers import choices
from page.handlers.events import Parts, connect
from page.handlers.visit import HOLDINGS, JOBS
from page.looks import texts
from page.looks.components import (
    RawCheckbox,
    RawDropdown,
    RawFiles,
    RawImage,
    RawNumber,
    RawRadio,
    RawSlider,
)
from page.looks.run_choices import AS_ABOVE, other_choices, plain_choices, run_sentence
from page.looks.style import HEAD, THEME
from page.looks.viewer import Viewer
from page.orders.many import MOST_PHOTOS
from page.orders.order import SAME_KIND
from page.orders.single import MAX_PIXELS
from page.server.blocks import Page
from page.server.settings import ServerSettings

MAX_FILE_MEGABYTES = 20

LAUNCH: dict[str, Any] = {
    "theme": THEME,
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

# Photos that ship inside installed packages: (package, path, what it shows).
EXAMPLES = [
    ("gradio", "media_assets/images/tower.jpg", "Tower"),
    ("skimage", "data/coffee.png", "Table"),
    ("skimage", "data/motorcycle_left.png", "Workshop"),
    ("skimage", "data/rocket.jpg", "Launch pad"),
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
    demo = Page(JOBS, HOLDINGS, settings, title="CV-PIRE")
    with demo:
        gr.HTML(texts.HEADER)
        with gr.Row():
            with gr.Column(scale=2, min_width=320, elem_id="left"):
                with gr.Tabs(elem_id="which"):
                    with gr.Tab("One photo", elem_id="one") as one_tab:
                        photo = RawImage(
                            label="Your photo",
                            sources=["upload"],
                            height=150,
                            buttons=[],
                            elem_id="photo",
                        )
                        note = gr.HTML(label="What was read", elem_id="note")
                        gr.HTML(texts.SAID, label="Messages")
                        if found := find_examples():
                            paths, names = zip(*found, strict=True)
                            gr.Examples(
                                list(paths),
                                photo,
                                cache_examples=False,
                                label="Or try one of these",
                                example_labels=list(names),
                            )
                    with gr.Tab("Many photos", elem_id="many") as many_tab:
                        photos = RawFiles(
                            label=f"Up to {MOST_PHOTOS} photos",
                            file_count="multiple",
                            height=190,
                            elem_id="photos",
                        )
                run = RawRadio(
                    plain_choices(), value=DEFAULT_RUN, label="How strong?", elem_id="run"
                )
                run_hint = _hint(run_sentence(DEFAULT_RUN))
                group = RawCheckbox(
                    label="Hide the whole kind of place (such as every room of a home)",
                    elem_id="group",
                )
                with gr.Row(elem_id="actions"):
                    protect_button = gr.Button(
                        "Protect my photo", variant="primary", min_width=120, elem_id="protect"
                    )
                    protect_all_button = gr.Button(
                        "Protect them all", variant="primary", min_width=120, elem_id="protect-all"
                    )
                    cancel_button = gr.Button("Stop", min_width=120, elem_id="cancel")
                kind = RawRadio(
                    [("As it came", SAME_KIND), *((kind, kind) for kind in KINDS)],
                    value=SAME_KIND,
                    label="Save",
                    elem_id="kind",
                )
                with gr.Accordion("For researchers", open=False, elem_id="researchers"):
                    other_run = RawDropdown(
                        other_choices(),
                        value=AS_ABOVE,
                        label="Another run",
                        filterable=False,
                        elem_id="other-run",
                    )
                    classifier = RawDropdown(
                        choices.classifier_choices(),
                        value=AUTO,
                        label="Classifier to protect from",
                        filterable=False,
                        elem_id="classifier",
                    )
                    classifier_hint = _hint(choices.describe_classifier(AUTO))
                    view = RawRadio(VIEWS, value=DEFAULT_VIEW, label="It sees", elem_id="view")
                    quality = RawSlider(
                        10,
                        95,
                        value=USUAL_QUALITY,
                        step=1,
                        label="Quality of a lossy file",
                        elem_id="quality",
                    )
                    kilobytes = RawNumber(
                        label="Largest file in kB, by a lower quality if need be (0: any)",
                        value=0,
                        elem_id="kilobytes",
                    )
                    bound = RawSlider(
                        0.1,
                        4.0,
                        value=1.0,
                        step=0.05,
                        label="Bound m, as a factor of the run's own",
                        elem_id="bound",
                    )
                    seed = RawNumber(label="Seed", value=0, precision=0, elem_id="seed")
                    metric = RawRadio(
                        choices.metric_choices(),
                        value=AUTO,
                        label="Aesthetic score of both photos",
                        elem_id="metric",
                    )
                    command = gr.HTML(label="Command line", elem_id="command")
            with gr.Column(scale=3, min_width=320, elem_id="right"):
                gr.HTML(texts.intro(), label="What happens")
                progress = gr.HTML(label="Progress", elem_id="progress")
                archive = gr.DownloadButton(
                    "Download all protected photos", variant="primary", elem_id="archive"
                )
                rows = gr.HTML(label="Many photos", elem_id="rows")
                verdict = gr.HTML(label="Verdict", elem_id="verdict")
                survival = gr.HTML(label="What it survives", elem_id="survival")
                stop_checking_button = gr.Button(
                    "Stop checking", size="sm", elem_id="stop-checking"
                )
                download = gr.DownloadButton(
                    "Download the protected photo",
                    variant="primary",
                    elem_id="download",
                    elem_classes="result",
                )
                viewer = Viewer(label="Viewer", elem_id="viewer", elem_classes="result")
                top5 = gr.HTML(label="Top 5 before and after", elem_id="top5")
                with gr.Column(elem_classes="result"):
                    with gr.Accordion("All measurements", open=False, elem_id="measurements"):
                        scores = gr.HTML(label="Scores", elem_id="scores")
                    with gr.Accordion("Threshold map", open=False):
                        heat = gr.Image(
                            label="Threshold map",
                            alt_text="Threshold map",
                            interactive=False,
                            buttons=["fullscreen"],
                            elem_id="heatmap",
                        )
                        legend = gr.HTML(label="Legend of the threshold map", elem_id="legend")
                    with gr.Accordion("What it survives, one by one", open=False):
                        rehearse_button = gr.Button("Try it again", elem_id="rehearse")
                        rehearsal = gr.HTML(label="Rehearsal", elem_id="rehearsal")
                    with gr.Accordion("Report", open=False):
                        report = gr.DownloadButton("Download the report", elem_id="report")
                        record = gr.JSON(label="Report", elem_id="record")
        gr.HTML(texts.limits(find_spec(AUTO).title, settings.keep_words))
        _hint(
            f"PNG, JPEG, WebP, HEIC, AVIF, GIF, BMP or TIFF of up to {MAX_FILE_MEGABYTES} MB and "
            f"{MAX_PIXELS / 1e6:.0f} megapixels."
        )

        settings_of_job = {
            "run": run,
            "group": group,
            "kind": kind,
            "quality": quality,
            "kilobytes": kilobytes,
            "classifier": classifier,
            "view": view,
            "bound": bound,
            "seed": seed,
            "metric": metric,
        }
        parts = Parts(
            photo=photo,
            note=note,
            photos=photos,
            tabs={"one": one_tab, "many": many_tab},
            settings=settings_of_job,
            other_run=other_run,
            run_hint=run_hint,
            classifier_hint=classifier_hint,
            protect=protect_button,
            protect_all=protect_all_button,
            stop=cancel_button,
            stop_checking=stop_checking_button,
            rehearse=rehearse_button,
            progress=progress,
            verdict=verdict,
            survival=survival,
            rehearsal=rehearsal,
            rows=rows,
            archive=archive,
            results=[
                *(verdict, download, viewer, top5, scores),
                *(heat, legend, record, report, command),
            ],
        )
        connect(demo, parts)
    return demo.queue()


def find_examples() -> list[tuple[str, str]]:
    """The example photos that are on this machine, and what each shows."""
    found = []
    for package, path, name in EXAMPLES:
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            if (file := Path(folder) / path).is_file():
                found.append((str(file), name))
    return found


def _hint(text: str) -> gr.Markdown:
    return gr.Markdown(text, elem_classes="hint")


if __name__ == "__main__":
    keep_freed_memory()
    try:
        page = build_page()
    except CvpireError as error:
        sys.exit(str(error))
    page.launch(**LAUNCH)
