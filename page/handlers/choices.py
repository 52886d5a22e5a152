"""What the page says and shows as somebody chooses."""

from __future__ import annotations

import gradio as gr

from cvpire.classifiers.registry import CLASSIFIERS, find_spec
from cvpire.images.formats import KINDS
from cvpire.metrics.aesthetics import AUTO, NIMA, NIMA_WEIGHTS, TITLES, preferred_metric
from cvpire.runs import find_run, has_group_variant
from page.looks.run_choices import run_sentence
from page.orders.order import SAME_KIND, text


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


def classifier_choices() -> list[tuple[str, str]]:
    """Those that are ready, the best of them first."""
    ready = [(spec.title, spec.name) for spec in CLASSIFIERS.values() if spec.is_ready]
    return [(f"Automatic: {find_spec(AUTO).title}", AUTO), *ready]


def metric_choices() -> list[tuple[str, str]]:
    """The aesthetic scores: the best one that is here, NIMA with what it takes, and none."""
    preferred = preferred_metric()
    choices = [(TITLES[preferred], AUTO)]
    if preferred != NIMA:
        megabytes = NIMA_WEIGHTS.size / 1e6
        choices.append((f"{TITLES[NIMA]}, by pyiqa: downloads {megabytes:.0f} MB", NIMA))
    return [*choices, ("None", "")]
