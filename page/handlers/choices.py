"""What the page says and shows as somebody chooses."""

from __future__ import annotations

import gradio as gr

from cvpire.classifiers.registry import find_spec
from cvpire.images.formats import KINDS
from cvpire.runs import find_run, has_group_variant
from page.looks.run_choices import run_sentence
from page.work.order import SAME_KIND, text


def describe_run(run: str) -> tuple[str, gr.Checkbox]:
    """What a run does, and the choice of the whole kind of place where there is one to make."""
    name = find_run(text("run", run)).name
    if has_group_variant(name):
        return run_sentence(name), gr.Checkbox(visible=True)
    return run_sentence(name), gr.Checkbox(visible=False, value=False)


def describe_kind(kind: str) -> tuple[gr.Slider, gr.Number]:
    """Show what there is to choose about a kind of file."""
    is_lossy = kind == SAME_KIND or (kind in KINDS and not KINDS[kind].is_lossless)
    return gr.Slider(visible=is_lossy), gr.Number(visible=is_lossy)


def describe_classifier(name: str) -> str:
    """What a classifier is, or what to do where its weights are missing."""
    spec = find_spec(text("classifier", name))
    if not spec.is_ready:
        return f"Its weights are not on this machine. {spec.weights.advice()}"
    return f"{spec.title}. Licence of the weights: {spec.licence}."
