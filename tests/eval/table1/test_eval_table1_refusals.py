"""The whole evaluation refuses other settings, wrong commands and shared folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import table1_helpers
from conftest import mean_color_spec
from table1_helpers import CLASSES, arguments, labels_csv, measure, options, set_up, timeless
from torch import nn

from cvpire.classifiers.classifier import Classifier
from cvpire.images.photo import encode_png
from cvpire.images.reading import read_photo
from cvpire.runs import RUNS
from eval import judge
from eval.__main__ import main
from eval.errors import EvaluationError
from eval.output import sole_user

images = table1_helpers.images


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(monkeypatch)


def _change_image(images: Path) -> None:
    path = images / "a.png"
    photo = read_photo(path)
    path.write_bytes(encode_png(photo.with_pixels(photo.pixels[::-1])))


def _change_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    class OtherWeights(nn.Module):
        sha256 = "1" * 64

    spec = replace(mean_color_spec(classes=CLASSES), weights=OtherWeights())  # type: ignore[arg-type]
    other = Classifier(spec, spec.build(), "native")
    monkeypatch.setattr(judge, "load_classifier", lambda name, view: other)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("seed", "seed was 0 and is 1 now"),
        ("batch size", "batch_size was 2 and is 3 now"),
        ("view", "view was native and is resize now"),
        ("labels", "label was None and is "),
        ("image", "a.png: input_sha256 was "),
        ("classifier", "weights_sha256 was 000000000000... and is 111111111111... now"),
        ("run", "run.magnitude was 0.12549019607843137 and is 0.01 now"),
        ("versions", "versions.torch was "),
    ],
)
def test_results_of_other_settings_are_refused(
    images: Path, monkeypatch: pytest.MonkeyPatch, what: str, message: str
) -> None:
    small = options(images, limit=2, runs="Top1-L1")
    measure(small)
    before = timeless(small.out)
    match what:
        case "seed":
            small = replace(small, seed=1)
        case "batch size":
            small = replace(small, batch_size=3)
        case "view":
            small = replace(small, view="resize")
        case "labels":
            small = replace(small, labels=labels_csv(images))
        case "image":
            _change_image(images)
        case "classifier":
            _change_classifier(monkeypatch)
        case "run":
            small = replace(small, runs=(replace(RUNS["Top1-L1"], magnitude=0.01),))
        case "versions":
            monkeypatch.setattr(judge, "versions", lambda: {"torch": "0.0"})

    with pytest.raises(EvaluationError, match=r"holds results of another evaluation") as raised:
        measure(small)

    assert message in str(raised.value)
    assert "choose another --out." in str(raised.value)
    assert timeless(small.out) == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--runs", "Top9"], "There is no run 'Top9'; the known ones are Top1-L1, Top1-L1-50"),
        (["--runs", ","], "argument --runs: expected a run, of Top1-L1, Top1-L1-50"),
        (["--limit", "0"], "argument --limit: expected a whole number of 1 or more, got '0'"),
        (["--batch-size", "0"], "argument --batch-size: expected a whole number of 1 or more"),
        (["--batch-size", "two"], "expected a whole number of 1 or more, got 'two'"),
        (["--seed", "-1"], "expected a whole number from 0"),
        (["--aesthetics", "maybe"], "There is no metric 'maybe'; the known ones are auto, beau"),
        (["--images", "nowhere"], "The folder of images nowhere cannot be read"),
        (["--labels", "nowhere.csv"], "The label file nowhere.csv cannot be read"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_a_wrong_command_is_one_sentence(
    images: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    try:
        code = main([*arguments(options(images)), *more])
    except SystemExit as exit_:
        assert isinstance(exit_.code, int)
        code = exit_.code
    assert code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("eval: ")
    assert message in line
    assert not options(images).out.exists()


def test_an_unknown_classifier_lists_the_known_ones(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cvpire.classifiers.registry import load_classifier

    monkeypatch.setattr(judge, "load_classifier", load_classifier)
    assert main([*arguments(options(images)), "--classifier", "resnet9"]) == 2
    assert "There is no classifier 'resnet9'; the known ones are auto" in capsys.readouterr().err
    assert main([*arguments(options(images)), "--classifier", "auto", "--view", "tall"]) == 2
    assert "expected a view of native, resize, crop, got 'tall'" in capsys.readouterr().err
    assert not options(images).out.exists()


def test_an_unwritable_place_is_one_sentence(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = images / "a.png" / "out"
    assert main(arguments(options(images, out=out))) == 2
    assert "out cannot be written (Not a directory): choose another --out." in (
        capsys.readouterr().err
    )


def test_protected_files_never_replace_images(images: Path) -> None:
    folder = images.rename(images.parent / "Top1-L1")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(EvaluationError, match="would be written over the images"):
        measure(options(folder, out=folder.parent))
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_two_evaluations_do_not_share_a_folder(images: Path) -> None:
    out = options(images).out
    with (
        sole_user(out, []),
        pytest.raises(EvaluationError, match="Another evaluation is writing to"),
    ):
        measure(options(images))


def test_a_table_without_images_is_refused(images: Path) -> None:
    everything = [path.name for path in images.iterdir()]
    with pytest.raises(EvaluationError, match="gets none of the 7 images right when clean"):
        measure(options(images, labels=labels_csv(images, wrong=everything)))
    for path in images.iterdir():
        path.write_bytes(b"")
    with pytest.raises(
        EvaluationError, match="None of the 7 images can be looked at; the first: a"
    ):
        measure(options(images, out=images.parent / "other"))
