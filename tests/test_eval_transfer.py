"""The evaluation of transfer: what another classifier is asked, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import MeanColorNetwork, mean_color_spec, textured_pixels
from PIL import Image
from test_eval_table1 import fake_classifier

from cvpire.classifiers import Classifier
from cvpire.metrics import ssim
from cvpire.photo import Photo
from cvpire.runs import RUNS, Algorithm1
from eval import judge, transfer
from eval.controls import CONTROLS, control_of
from eval.errors import EvaluationError
from eval.progress import Progress
from eval.protected_photos import Measured, PhotoOptions
from eval.transfer import measure_transfer


def load(name: str, *, view: str | None = None) -> Classifier:
    """The fake one, or another whose classes lie the other way."""
    if name != "other":
        return fake_classifier(name, view=view)
    network = MeanColorNetwork()
    network.weight.neg_()
    return Classifier(mean_color_spec("other"), network, "native").eval()


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "load_classifier", load)
    run = replace(RUNS["Top1-noL1"], magnitude=0.3, search=Algorithm1(0.0, 60, 2 / 255))
    monkeypatch.setattr(transfer, "select_runs", lambda names: [run])


@pytest.fixture
def options(tmp_path: Path) -> PhotoOptions:
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(3):
        Image.fromarray(textured_pixels(40, 36, seed)).save(folder / f"{seed}.png")
    return PhotoOptions(
        images=folder,
        labels=None,
        classifier="fake",
        view=None,
        runs="Transfer",
        limit=None,
        seed=0,
        out=tmp_path / "out",
    )


def measure(
    options: PhotoOptions,
    progress: Callable[[Progress], None] | None = None,
    *,
    unseen: str = "other",
) -> Measured:
    return measure_transfer(options, unseen, progress or (lambda step: None))


def cells(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    head, row = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    return dict(zip(head, row, strict=True))


def test_another_classifier_is_asked_about_the_written_files(options: PhotoOptions) -> None:
    result = measure(options)
    row = cells(result.markdown)
    assert (options.out / "transfer.md").read_text() == result.markdown
    assert row["over bound"] == "0"
    assert row["attacked: kept"] == "100.0%"
    assert "not attacked other" in result.markdown
    assert set(row) >= {f"{name} alone" for name in CONTROLS}
    share = float(row["unseen: lost"].rstrip("%"))
    assert share in (0.0, 33.3, 66.7, 100.0)


def test_a_kill_loses_nothing_and_another_question_is_asked_anew(
    options: PhotoOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(step: Progress) -> None:
        if step.stage.startswith("Asking") and step.done == 2:
            raise Killed

    with pytest.raises(Killed):
        measure(options, kill)
    asked = 0
    ask = transfer._ask

    def counted(*words: object) -> object:
        nonlocal asked
        asked += 1
        return ask(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(transfer, "_ask", counted)
    first = measure(options).markdown
    assert asked == 1
    assert measure(options).markdown == first
    assert asked == 1


def test_the_attacked_classifier_is_not_the_unseen_one(options: PhotoOptions) -> None:
    with pytest.raises(EvaluationError, match="must be another than the attacked one"):
        measure(options, unseen="fake")


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_looks_as_different_as_it_should(name: str) -> None:
    photo = Photo(textured_pixels(64, 64))
    # A JPEG of so much coloured noise is never close to it.
    for similarity in (0.7, 0.6) if name == "JPEG" else (0.99, 0.9):
        damaged = control_of(photo, name, similarity)
        found = ssim(photo.pixels, damaged.pixels)
        assert similarity <= found < 1.0 - 0.3 * (1.0 - similarity)
    assert np.array_equal(control_of(photo, name, 1.0).pixels, photo.pixels)
