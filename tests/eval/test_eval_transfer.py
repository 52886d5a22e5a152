"""The evaluation of transfer: what another classifier is asked, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch.nn.functional as F
from conftest import mean_color_spec, textured_pixels
from eval_helpers import protected_options
from PIL import Image
from table1_helpers import fake_classifier
from torch import Tensor, nn

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.classifiers.classifier import Classifier, classify
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.metrics.difference import ssim
from cvpire.runs import RUNS
from eval import judge, transfer
from eval.controls import CONTROLS, control_of
from eval.errors import EvaluationError
from eval.output import Measured
from eval.progress import Progress
from eval.transfer import TransferOptions, measure_transfer
from eval.yardsticks import JOD, SSIMULACRA2

RUN = replace(RUNS["Top1-noL1"], magnitude=0.3, search=Algorithm1(0.0, 60, 2 / 255))


class Fickle(nn.Module):
    """Sees another class whenever the mean moves by 1e-4."""

    def forward(self, images: Tensor) -> Tensor:
        return F.one_hot((images.mean(dim=(1, 2, 3)) * 1e4).long() % 12, 12).float()


def load(name: str, *, view: str | None = None) -> Classifier:
    """The fake one, or others that change their minds."""
    if name == "fake":
        return fake_classifier(name, view=view)
    return Classifier(mean_color_spec(name), Fickle(), "native").eval()


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "load_classifier", load)


@pytest.fixture
def options(tmp_path: Path) -> TransferOptions:
    return TransferOptions(**vars(protected_options(tmp_path, RUN)), unseen="other")


def measure(
    options: TransferOptions,
    progress: Callable[[Progress], None] | None = None,
) -> Measured:
    return measure_transfer(options, progress or (lambda step: None))


def cells(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    head, row = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    return dict(zip(head, row, strict=True))


def test_another_classifier_is_asked_about_the_written_files(options: TransferOptions) -> None:
    result = measure(options)
    row = cells(result.markdown)
    assert (options.out / "transfer.md").read_text() == result.markdown
    assert row["over bound"] == "0"
    assert row["attacked: kept"] == "100.0%"
    assert "not attacked other" in result.markdown
    assert set(row) >= {f"{name} alone" for name in CONTROLS}
    pairs = [
        (read_photo(path).pixels, read_photo(options.out / RUN.name / path.name).pixels)
        for path in options.images.iterdir()
    ]
    quality = [SSIMULACRA2.measure(*pair) for pair in pairs]
    assert row["SSIMULACRA2 (least)"] == f"{sum(quality) / 3:.1f} ({min(quality):.0f})"
    assert row["JOD"] == f"{sum(JOD.measure(*pair) for pair in pairs) / 3:.2f}"
    # Asked again by hand, of the files on the disk.
    other = load("other")
    lost = 0
    for path in options.images.iterdir():
        clean, written = read_photo(path), read_photo(options.out / RUN.name / path.name)
        lost += int(classify(clean, other).argmax()) != int(classify(written, other).argmax())
    assert lost > 0
    assert row["unseen: lost"] == f"{lost / 3:.1%}"


def test_a_kill_loses_nothing_and_another_question_is_asked_anew(
    options: TransferOptions, monkeypatch: pytest.MonkeyPatch
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

    def counted(*words: Any) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return ask(*words)

    monkeypatch.setattr(transfer, "_ask", counted)
    first = measure(options).markdown
    assert asked == 1
    assert measure(options).markdown == first
    assert asked == 1
    measure(replace(options, unseen="third"))
    assert asked == 1 + 3


def test_the_attacked_classifier_is_not_the_unseen_one(options: TransferOptions) -> None:
    with pytest.raises(EvaluationError, match="must be another than the attacked one"):
        measure(replace(options, unseen="fake"))


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_looks_as_different_as_it_should(name: str) -> None:
    photo = Photo(textured_pixels(64, 64))
    # A JPEG of so much coloured noise is either near to it or, with less colour, far away.
    for similarity in (0.98, 0.7) if name == "JPEG" else (0.99, 0.9):
        control = control_of(photo, name, similarity)
        assert control is not None
        damaged, found = control
        assert found == pytest.approx(ssim(photo.pixels, damaged.pixels))
        assert similarity <= found < 1.0 - 0.5 * (1.0 - similarity)
    assert control_of(photo, name, 1.0) is None


def test_a_photo_too_small_for_ssim_has_no_control(options: TransferOptions) -> None:
    for path in options.images.iterdir():
        path.unlink()
    Image.fromarray(textured_pixels(9, 9)).save(options.images / "small.png")
    row = cells(measure(options).markdown)
    assert [row[f"{name} alone"] for name in CONTROLS] == ["-"] * len(CONTROLS)
