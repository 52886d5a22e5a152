"""The whole way: what a report says is true of the bytes that are handed out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys

import numpy as np
import pytest
import torch
from conftest import needs_flip, textured_pixels
from protection_helpers import FLAT, STRONG, photo
from watches import Told

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.attacks.base import AttackResult, SearchInput
from cvpire.classifiers.classifier import Classifier, classify
from cvpire.color.variance import threshold_map
from cvpire.errors import PhotoError, Stopped
from cvpire.images import reading as photo_module
from cvpire.images.formats import FileFormat
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.metrics.blotches import strongest_blotch
from cvpire.metrics.difference import compare, ssim
from cvpire.metrics.flip import NO_FLIP
from cvpire.metrics.grades import grade_difference
from cvpire.protection import protect, protect_batch
from cvpire.reports.report import Verdict
from cvpire.runs import RUNS
from cvpire.watch import AttackStep


def test_the_report_is_true_of_the_bytes(mean_color_classifier: Classifier) -> None:
    original = photo()
    protected = protect(original, mean_color_classifier, STRONG, seed=4)
    report = protected.report
    assert report.verdict is Verdict.PROTECTED

    written = read_photo(protected.data)
    assert hashlib.sha256(protected.data).hexdigest() == report.file_sha256
    assert np.array_equal(written.pixels, protected.photo.pixels)
    logits = classify(written, mean_color_classifier)
    names = mean_color_classifier.labels.names
    before = int(classify(original, mean_color_classifier).argmax())
    assert report.label.name == names[before]
    assert report.label.class_index == 100 + before
    assert not report.label_is_given
    assert report.after[0].name == names[int(logits.argmax())] != report.label.name
    assert report.label_probability_after == pytest.approx(float(logits.softmax(0)[before]))
    assert report.before[0].name == report.label.name

    change = np.abs(written.pixels.astype(int) - original.pixels).max(axis=2)
    image = torch.from_numpy(original.pixels).permute(2, 0, 1)[None].double() / 255.0
    bound = threshold_map(image)[0, 0].numpy() * STRONG.magnitude * 255.0
    assert (change <= bound).all()
    assert report.difference.over_bound == 0
    assert report.difference.linf == change.max() > 0
    assert report.difference.ssim == pytest.approx(ssim(original.pixels, written.pixels))
    assert np.abs(protected.threshold_map - bound / (STRONG.magnitude * 255.0)).max() < 1e-5


def test_the_report_is_json_and_knows_its_settings(mean_color_classifier: Classifier) -> None:
    report = protect(photo(size=9), mean_color_classifier, STRONG, seed=7).report
    record = json.loads(json.dumps(report.as_record(), allow_nan=False))
    assert record["verdict"] == report.verdict.value
    assert record["seed"] == 7
    assert record["settings"] == {
        "magnitude": 0.19,
        "l1_weight": 0.0,
        "max_steps": 80,
        "learning_rate": 2 / 255,
        "kernel_size": 5,
        "sigma": 1.0,
    }
    assert (record["run"], record["classifier"], record["view"]) == (
        "Top1-noL1",
        "mean-color",
        "native",
    )
    assert record["condition"] == "OutOfTop(k=1)"
    assert record["difference"]["ssim"] is None, "a photo of 9x9 has no SSIM"
    assert set(record["versions"]) >= {"cvpire", "torch", "numpy", "pillow", "python"}
    assert len(record["after"]) == 5


@needs_flip
def test_the_report_says_how_visible_the_change_is(mean_color_classifier: Classifier) -> None:
    original = photo()
    protected = protect(original, mean_color_classifier, STRONG)
    record = json.loads(json.dumps(protected.report.as_record(), allow_nan=False))
    difference = compare(original.pixels, protected.photo.pixels, np.ones((48, 48)))
    for name in ("delta_e_p999", "delta_e_blurred", "flip_p99"):
        assert record["difference"][name] == pytest.approx(getattr(difference, name))
    assert record["visibility"] == grade_difference(difference).as_record()
    place = record["strongest"]
    assert place["delta_e"] == record["difference"]["delta_e_blurred"] > 0.0
    blotch = strongest_blotch(original.pixels, protected.photo.pixels)
    assert blotch is not None and (place["x"], place["y"]) == (blotch.x, blotch.y)

    assert list(record["references"]) == ["JPEG 75", "JPEG 90"]
    for name, figures in record["references"].items():
        saved = FileFormat.parse(name).read_back(original)[1]
        assert figures["difference"]["ssim"] == pytest.approx(ssim(original.pixels, saved.pixels))
        assert figures["visibility"]["grade"] in ("none", "faint", "visible")
        assert (figures["columns"], figures["is_whole"]) == ([0, 48], True)


def test_a_report_without_flip(
    mean_color_classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "flip_evaluator", None)
    report = protect(photo(), mean_color_classifier, STRONG).report
    record = json.loads(json.dumps(report.as_record(), allow_nan=False))
    for figures in (record, *record["references"].values()):
        assert figures["difference"]["flip_p99"] is None
        assert figures["visibility"]["by"]["flip_p99"] is None
        assert figures["visibility"]["unavailable"] == NO_FLIP


@needs_flip
def test_a_photo_without_a_change_has_no_strongest_place(
    mean_color_classifier: Classifier,
) -> None:
    record = protect(FLAT, mean_color_classifier, STRONG).report.as_record()
    assert record["strongest"] is None
    assert record["visibility"] == {
        "grade": "none",
        "by": {"flip_p99": "none", "delta_e_blurred": "none"},
        "unavailable": None,
    }


def test_a_photo_wider_than_any_jpeg_has_no_references(mean_color_classifier: Classifier) -> None:
    wide = Photo(np.zeros((1, 65_501, 3), np.uint8))
    assert protect(wide, mean_color_classifier, STRONG).report.as_record()["references"] is None


def test_a_given_label_that_is_not_the_first_guess_is_not_called_one(
    mean_color_classifier: Classifier,
) -> None:
    search = Algorithm1(0.0, 200, 0.25 / 255)
    top5 = dataclasses.replace(RUNS["Top5-noL1"], magnitude=0.19, search=search)
    second = int(classify(photo(), mean_color_classifier).topk(3).indices[2])
    report = protect(photo(), mean_color_classifier, top5, label=second).report
    assert report.verdict is Verdict.PROTECTED
    assert f"gave {report.label.name}" in report.sentence()
    assert "took this photo for" not in report.sentence()


def test_a_photo_of_any_accepted_size_is_read_back(
    mean_color_classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits are for what comes in: a file that we wrote may exceed them."""
    seen: list[dict[str, int]] = []

    def read(source: bytes, **limits: int) -> Photo:
        seen.append(limits)
        return read_photo(source, **limits)

    monkeypatch.setattr(photo_module, "read_photo", read)
    protected = protect(photo(), mean_color_classifier, STRONG)
    # The protected file, then the JPEGs that its change is held against.
    assert seen[0] == {"max_pixels": 48 * 48, "max_bytes": len(protected.data)}
    assert [limits["max_pixels"] for limits in seen] == [48 * 48] * 3


def test_too_little_memory_is_said(
    mean_color_classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starve(*_: object, **__: object) -> AttackResult:
        torch.empty(1 << 60)
        raise AssertionError("there was enough")

    monkeypatch.setattr(Algorithm1, "find", starve)
    with pytest.raises(PhotoError, match="more memory"):
        protect(photo(), mean_color_classifier, STRONG)


def test_one_seed_gives_one_file(mean_color_classifier: Classifier) -> None:
    first, second = (protect(photo(), mean_color_classifier, STRONG).data for _ in range(2))
    assert first == second


def test_a_batch_gives_what_each_photo_gives_alone(mean_color_classifier: Classifier) -> None:
    photos = [photo(seed) for seed in range(3)]
    together = protect_batch(photos, mean_color_classifier, STRONG)
    for one, result in zip(photos, together, strict=True):
        alone = protect(one, mean_color_classifier, STRONG).report
        assert alone.verdict is result.report.verdict
        assert alone.steps == result.report.steps
        assert alone.pixels_sha256 == result.report.pixels_sha256
        assert alone.difference.ssim == pytest.approx(result.report.difference.ssim, abs=1e-3)


def test_a_flat_photo_cannot_be_protected_and_it_says_so(mean_color_classifier: Classifier) -> None:
    protected = protect(FLAT, mean_color_classifier, STRONG)
    assert protected.report.verdict is Verdict.FLAT
    assert not protected.report.verdict.is_success
    assert "same colour everywhere" in protected.report.sentence()
    assert np.array_equal(protected.photo.pixels, FLAT.pixels)


def test_a_label_that_is_not_seen_needs_no_change(mean_color_classifier: Classifier) -> None:
    wrong = int(classify(photo(), mean_color_classifier).argmin())
    report = protect(photo(), mean_color_classifier, STRONG, label=wrong).report
    assert report.verdict is Verdict.NOT_NEEDED
    assert report.label_is_given
    assert report.difference.linf == 0 and report.steps == 0
    assert "no pixel was changed" in report.sentence()


def test_a_failure_is_called_one(mean_color_classifier: Classifier) -> None:
    assert isinstance(STRONG.search, Algorithm1)
    search = dataclasses.replace(STRONG.search, max_steps=5)
    weak = dataclasses.replace(STRONG, magnitude=1.5 / 255, search=search)
    report = protect(photo(), mean_color_classifier, weak).report
    assert report.verdict is Verdict.NOT_PROTECTED
    assert report.sentence().startswith("Not protected")
    assert report.steps == 5


def test_what_a_callback_raises_ends_the_work(mean_color_classifier: Classifier) -> None:
    steps = []

    def stop(step: AttackStep) -> None:
        steps.append(step.step)
        raise Stopped("Enough.")

    with pytest.raises(Stopped, match="Enough"):
        protect(photo(), mean_color_classifier, STRONG, watch=Told(stop))
    assert steps == [0]


def test_what_the_attack_claims_is_not_believed(
    mean_color_classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict comes from the file: an attack that lies is found out."""

    def liar(_: Algorithm1, given: SearchInput) -> AttackResult:
        ones = torch.ones(len(given.images), dtype=torch.int64)
        return AttackResult(given.images, ones.bool(), ones)

    monkeypatch.setattr(Algorithm1, "find", liar)
    report = protect(photo(), mean_color_classifier, STRONG).report
    assert report.verdict is Verdict.NOT_PROTECTED


def test_alpha_is_kept_and_left_alone(mean_color_classifier: Classifier) -> None:
    alpha = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    protected = protect(Photo(textured_pixels(), alpha), mean_color_classifier, STRONG)
    kept = read_photo(protected.data).alpha
    assert kept is not None and np.array_equal(kept, alpha)


def test_the_door(mean_color_classifier: Classifier) -> None:
    with pytest.raises(ValueError, match="one size"):
        protect_batch([photo(), photo(size=40)], mean_color_classifier, STRONG)
    with pytest.raises(ValueError, match="labels from 0 to 11"):
        protect(photo(), mean_color_classifier, STRONG, label=12)
    with pytest.raises(ValueError, match="1 labels"):
        protect_batch([photo()], mean_color_classifier, STRONG, labels=[1, 2])
