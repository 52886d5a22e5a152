"""Nothing to do is said once, for every run and format; what a classifier cannot do is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MeanColorNetwork, mean_color_spec, textured_pixels
from protection_helpers import FLAT, photo_that_jpeg_moves
from watches import Told

from cvpire.classifiers import registry as classifiers
from cvpire.classifiers.classifier import Classifier, classify
from cvpire.classifiers.labels import Labels
from cvpire.cli import main as command
from cvpire.errors import SettingsError
from cvpire.images.formats import PNG, FileFormat
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.protection import protect, protect_batch
from cvpire.reports.report import Verdict
from cvpire.runs import RUNS, Run
from cvpire.watch import AttackStep
from eval import judge
from eval.__main__ import main as evaluate

FORMATS = [PNG, FileFormat("JPEG", 90), FileFormat("WebP", 80)]


def with_groups(classes: int = 12, groups: int = 12) -> Classifier:
    """The mean-colour classifier, each class of a kind of its own unless fewer are asked for."""
    spec = mean_color_spec(classes=classes)
    labels = spec.read_labels()._replace(groups=tuple(f"{c % groups}" for c in range(classes)))
    spec = dataclasses.replace(spec, read_labels=lambda: labels)
    return Classifier(spec, spec.build(), "native").eval()


def not_searched(step: AttackStep) -> None:
    raise AssertionError(f"step {step.step} of a search that nothing needs")


def alone(run: Run) -> Run:
    """The run without other classifiers."""
    return dataclasses.replace(run, search=run.search.against("lite0-imagenet"))


@pytest.mark.parametrize("file_format", FORMATS, ids=str)
@pytest.mark.parametrize("name", RUNS)
def test_what_is_not_recognised_stays_as_it_is(name: str, file_format: FileFormat) -> None:
    classifier = with_groups()
    # The strongest bound of all: the paper's starting noise would be whole levels.
    run = dataclasses.replace(alone(RUNS[name]), magnitude=1.0)
    for plain in (Photo(textured_pixels()), FLAT):
        label = int(classify(plain, classifier).argmin())
        protected = protect(
            plain, classifier, run, file_format=file_format, label=label, watch=Told(not_searched)
        )
        report = protected.report
        assert report.verdict is Verdict.NOT_NEEDED
        assert report.steps == 0
        unchanged = file_format.read_back(plain)
        assert protected.data == unchanged[0]
        assert np.array_equal(read_photo(protected.data).pixels, unchanged[1].pixels)
        assert "no pixel was changed" in report.sentence()


@pytest.mark.parametrize("name", ["Top1-noL1", "Top1-min", "Invisible", "Posting"])
def test_a_codec_may_undo_what_seems_done(mean_color_classifier: Classifier, name: str) -> None:
    """The file decides: what a PNG need not be protected from, a JPEG of the same photo must be."""
    run = dataclasses.replace(RUNS[name], condition=RUNS["Top1-min"].condition)
    plain = photo_that_jpeg_moves(mean_color_classifier, 1)
    jpeg = FileFormat("JPEG", 1)
    label = int(classify(jpeg.read_back(plain)[1], mean_color_classifier).argmax())
    as_png = protect(plain, mean_color_classifier, run, label=label).report
    assert as_png.verdict is Verdict.NOT_NEEDED
    as_jpeg = protect(plain, mean_color_classifier, run, label=label, file_format=jpeg).report
    assert as_jpeg.verdict is not Verdict.NOT_NEEDED
    assert as_jpeg.steps > 0


def test_the_margin_of_the_attacks_is_kept(mean_color_classifier: Classifier) -> None:
    """On the line is not beyond it: on another machine it may be back on the other side."""
    plain = Photo(textured_pixels())
    two = classify(plain, mean_color_classifier).topk(2)
    run = RUNS["Top1-min"]
    first, second = (int(index) for index in two.indices)
    network = mean_color_classifier.network
    assert isinstance(network, MeanColorNetwork)
    # Both classes have the same direction, and so the same logit.
    network.weight[first] = network.weight[second]
    report = protect(plain, mean_color_classifier, run, label=second).report
    assert report.verdict is not Verdict.NOT_NEEDED


def test_of_a_batch_only_those_are_searched_that_need_it(mean_color_classifier: Classifier) -> None:
    photos = [Photo(textured_pixels(seed=seed)) for seed in range(3)]
    first = [int(classify(plain, mean_color_classifier).argmax()) for plain in photos]
    wrong = int(classify(photos[1], mean_color_classifier).argmin())
    labels = [first[0], wrong, first[2]]
    counts: list[int] = []

    def count(step: AttackStep) -> None:
        counts.append(len(step.success))

    results = protect_batch(
        photos, mean_color_classifier, RUNS["Top1-min"], labels=labels, watch=Told(count)
    )
    verdicts = [result.report.verdict for result in results]
    assert verdicts == [Verdict.PROTECTED, Verdict.NOT_NEEDED, Verdict.PROTECTED]
    assert set(counts) == {2}
    for plain, label, result in zip(photos, labels, results, strict=True):
        one = protect(plain, mean_color_classifier, RUNS["Top1-min"], label=label)
        assert one.report.pixels_sha256 == result.report.pixels_sha256
        assert one.report.verdict is result.report.verdict
        assert one.report.difference.ssim == pytest.approx(result.report.difference.ssim, abs=1e-3)


@pytest.mark.parametrize("name", ["Group-min", "Group-10-min", "Posting-group"])
def test_a_run_on_groups_needs_groups(name: str, mean_color_classifier: Classifier) -> None:
    RUNS[name].check(with_groups().labels)
    with pytest.raises(SettingsError, match=f"^{name} cannot be done: the classes of places365 ha"):
        RUNS[name].check(mean_color_classifier.labels)
    with pytest.raises(SettingsError, match="have no groups: choose a run without groups, or a "):
        protect(Photo(textured_pixels()), mean_color_classifier, RUNS[name])


@pytest.mark.parametrize("name", ["Top5-L1", "Posting", "Posting-group", "Group-min"])
def test_five_others_are_needed_to_be_above_one(name: str) -> None:
    few = with_groups(classes=5, groups=5)
    with pytest.raises(SettingsError, match=f"{name} cannot be done: the classifier has 5 classes"):
        RUNS[name].check(few.labels)
    RUNS[name].check(with_groups(classes=6, groups=6).labels)
    RUNS["Top1-min"].check(few.labels)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for files, and a classifier without groups that is the only one."""
    weights = tmp_path / "mean-color.pth"
    torch.save(MeanColorNetwork().state_dict(), weights)
    spec = mean_color_spec(weights=weights)
    monkeypatch.setattr(classifiers, "CLASSIFIERS", {spec.name: spec, "other": spec})
    monkeypatch.setattr(judge, "versions", dict)
    return tmp_path


def test_the_command_line_refuses_before_it_reads(
    registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, out = registry / "missing.png", registry / "out"
    common = ("--classifier", "mean-color", "--view", "native", "--run", "Group-min")
    assert command.main([str(missing), "-o", str(out), *common]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("cvpire: Group-min cannot be done: the classes of places365 have")
    assert printed.err.count("\n") == 1 and not printed.out and not out.exists()
    assert command.main(["rehearse", str(missing), *common]) == 2
    assert "Group-min cannot be done: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("table1", "--runs", "Top1-L1,Group-min"),
        ("robustness", "--runs", "Group-min"),
        ("transfer", "--runs", "Group-min", "--unseen", "other"),
        ("sweep", "--run", "Group-min", "--magnitudes", "8"),
    ],
    ids=lambda words: str(words[0]),
)
def test_every_evaluation_refuses_before_it_reads(
    registry: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    name, *others = words
    known = ["--images", str(registry / "missing"), "--classifier", "mean-color"]
    out = [] if name == "sweep" else ["--out", str(registry / "out")]
    assert evaluate([name, *known, *out, *others]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("eval: Group-min cannot be done: the classes of places365 have")
    assert printed.err.count("\n") == 1 and not printed.out
    assert not (registry / "out").exists()


def test_the_peers_refuse_too(
    registry: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = dataclasses.replace(
        classifiers.CLASSIFIERS["mean-color"],
        read_labels=lambda: Labels("places365", tuple("abcde"), tuple(range(5))),
    )
    monkeypatch.setattr(classifiers, "CLASSIFIERS", {few.name: few})
    known = ["--images", str(registry / "missing"), "--classifier", "mean-color"]
    assert evaluate(["peers", *known, "--condition", "top5", "--out", str(registry / "out")]) == 2
    printed = capsys.readouterr()
    assert "Top5-min cannot be done: the classifier has 5 classes" in printed.err
    assert printed.err.count("\n") == 1 and not (registry / "out").exists()
