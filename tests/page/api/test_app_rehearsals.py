"""The page over its API: what a rehearsal says, and what it is not told."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import app_helpers
import gradio as gr
import pytest
from app_helpers import run
from conftest import textured_pixels
from gradio_client import Client
from gradio_client.exceptions import AppError

from cvpire.classifiers.classifier import Classifier
from cvpire.errors import CvpireError
from cvpire.images.photo import Photo, encode_png
from cvpire.protection import protect
from cvpire.reports.target import Target
from cvpire.runs import RUNS
from page.looks.results import Results
from page.orders import single as work
from page.orders.watching import JobWatch

demo = app_helpers.demo
client = app_helpers.client
photo = app_helpers.photo


def test_a_rehearsal_says_what_the_file_survives(client: Client, photo: Path) -> None:
    results = run(client, photo, run="Robust", classifier="scenes", view="resize")
    assert results.record is not None
    sentence, html = client.predict(api_name="/rehearse")
    assert re.search(r"<b>Survives \d+ of \d+</b> things that may happen after posting", sentence)
    assert "Another AI (lite0-imagenet), which this was not made for, " in sentence
    label: Any = results.record["label"]
    assert f"scenes: “{label['name']}”: out of the first five in " in html
    assert "lite0-imagenet (not attacked): “" in html
    assert "JPEG 75" in html and "; the original so: " in html
    assert "the file as it is</th><td>✓ not recognised</td>" in html


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Top1-min", "no longer the first guess"),
        ("Top1-50-min", "at most half as probable as the first guess"),
        ("Group-min", "no scene of its kind among the first five"),
    ],
)
def test_a_rehearsal_judges_by_the_run_s_own_condition(
    client: Client, photo: Path, name: str, words: str
) -> None:
    """What is protected is so in the rehearsal of the very file, whatever the run asks for."""
    results = run(client, photo, run=name, classifier="scenes", view="resize")
    assert results.record is not None and results.record["verdict"] == "protected"
    _, html = client.predict(api_name="/rehearse")
    own, other = html.split("<table")[1:3]
    label: Any = results.record["label"]
    assert f"scenes: “{label['name']}”: {words} in " in own
    assert "the file as it is</th><td>✓ not recognised</td>" in own
    assert "lite0-imagenet (not attacked): “" in other
    fallback = "out of the first five, since its classes have no groups in "
    assert (fallback if name == "Group-min" else f"{words} in ") in other


def test_nothing_is_rehearsed_before_a_photo_is_protected(demo: gr.Blocks) -> None:
    visitor = Client(str(demo.local_url), verbose=False)
    with pytest.raises(AppError, match=r"Protect a photo first\."):
        visitor.predict(api_name="/rehearse")
    visitor.close()


def test_a_browser_can_tell_the_rehearsal_nothing(demo: gr.Blocks) -> None:
    client = Client(str(demo.local_url), verbose=False)
    described = client.view_api(return_format="dict", print_info=False)
    client.close()
    assert described["named_endpoints"]["/rehearse"]["parameters"] == []
    answers = described["named_endpoints"]["/protect"]["returns"]
    assert len(answers) == len(Results._fields)


def test_a_rehearsal_of_what_is_gone_or_changed_gets_a_sentence(
    mean_color_classifier: Classifier, photo: Path, tmp_path: Path
) -> None:
    protected = tmp_path / "protected.png"
    protected.write_bytes(encode_png(Photo(textured_pixels())))
    target = Target.of(
        protect(Photo(textured_pixels()), mean_color_classifier, RUNS["Top1-min"]).report
    )
    target = replace(target, classifier="scenes", view="resize")
    same = replace(target, file_sha256=hashlib.sha256(protected.read_bytes()).hexdigest())
    order = work.RehearsalOrder(str(photo), str(protected), same)
    for given, sentence in [
        (replace(order, protected=str(tmp_path / "gone.png")), "no longer kept here: protect it"),
        (replace(order, original=str(tmp_path / "gone.png")), "no longer kept here: protect it"),
        (replace(order, target=target), "not the file that the report is about"),
        (order, "another version of scenes or of the run Top1-min"),
    ]:
        with pytest.raises(CvpireError, match=sentence):
            work.carry_out_rehearsal(given, JobWatch(lambda now: None, lambda: None))
