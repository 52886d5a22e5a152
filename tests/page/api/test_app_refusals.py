"""The page over its API: bad files and what is missing get a sentence."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import app_helpers
import pytest
from app_helpers import run
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.metrics.aesthetics import AestheticsUnavailable
from cvpire.runs import RUNS
from page.handlers import choices
from page.orders import order, scoring

demo = app_helpers.demo
client = app_helpers.client
photo = app_helpers.photo


def test_a_run_that_a_classifier_cannot_do_is_refused_at_once(
    client: Client, tmp_path: Path
) -> None:
    # Not even the file is read: it is no photo.
    path = tmp_path / "none.png"
    path.write_bytes(b"none")
    with pytest.raises(AppError, match="Group-min cannot be done: the classes of imagenet have no"):
        run(client, path, run="Group-min")


def _png(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def _bad_files() -> dict[str, tuple[bytes, str]]:
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    return {
        "broken": (_png(frames[0].resize((64, 64)))[:60], "cut off or damaged"),
        "text": (b"I am not a photo.", "not a picture"),
        "empty": (b"", "empty (0 bytes)"),
        "bomb": (_png(Image.new("1", (20_000, 20_000))), "megapixels are accepted"),
        "animation": (_png(frames[0], save_all=True, append_images=frames[1:]), "animation"),
    }


@pytest.mark.parametrize("kind", ["broken", "text", "empty", "bomb", "animation"])
def test_a_bad_file_gets_a_sentence(client: Client, tmp_path: Path, kind: str) -> None:
    data, sentence = _bad_files()[kind]
    path = tmp_path / f"{kind}.png"
    path.write_bytes(data)
    with pytest.raises(AppError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        run(client, path)


def test_a_flat_photo_is_not_called_protected(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = replace(RUNS["Top1-L1"], search=Algorithm1(0.0, 2, 0.25 / 255))
    monkeypatch.setattr(order, "find_run", lambda name, group: quick)
    path = tmp_path / "flat.png"
    Image.new("RGB", (64, 64), (120, 130, 140)).save(path)
    results = run(client, path)
    assert results.verdict is not None and "Not protected" in results.verdict
    assert "same colour everywhere" in results.verdict
    assert (results.download, results.view) == (None, None)


def test_missing_weights_say_what_to_do(client: Client, photo: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVPIRE_HOME", str(tmp_path))
        with pytest.raises(AppError, match="weights download resnet50-places365"):
            run(client, photo, classifier="resnet50-places365")
        assert "weights download" in choices.describe_classifier("resnet50-places365")


def test_an_unavailable_score_is_said_and_not_made_up(
    client: Client, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AestheticsUnavailable("the host is down")

    monkeypatch.setattr(scoring, "load_scorer", refuse)
    results = run(client, photo, metric="nima")
    assert results.download is not None
    assert results.scores is not None and "the host is down" in results.scores


def test_without_pyiqa_its_scores_are_said_to_be_missing(
    client: Client, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring._scorer.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyiqa"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    results = run(client, photo, metric="beauty")
    assert results.scores is not None
    assert "beauty (OASIS, 1-7), before" in results.scores
    assert "<td>unavailable</td><td>pyiqa is not installed" in results.scores
