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

from cvpire.attacks import searches as searches_module
from cvpire.attacks.base import AttackResult
from cvpire.attacks.searches import Algorithm1, LeastChange
from cvpire.classifiers.classifier import Classifier, classify
from cvpire.classifiers.registry import find_spec
from cvpire.color.variance import threshold_map
from cvpire.errors import PhotoError
from cvpire.images import reading as photo_module
from cvpire.images.formats import KINDS, FileFormat
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.metrics.blotches import strongest_blotch
from cvpire.metrics.difference import compare, ssim
from cvpire.metrics.flip import NO_FLIP
from cvpire.metrics.grades import grade_difference
from cvpire.protection import protect, protect_batch
from cvpire.reports.report import Verdict
from cvpire.runs import RUNS, Run, find_run, has_group_variant

STRONG = dataclasses.replace(RUNS["Top1-noL1"], magnitude=0.19, search=Algorithm1(0.0, 80, 2 / 255))
MIN = RUNS["Top1-min"]
POSTING = dataclasses.replace(RUNS["Posting"], condition=MIN.condition)
FLAT = Photo(np.full((32, 32, 3), (200, 90, 40), np.uint8))


def photo(seed: int = 0, *, size: int = 48) -> Photo:
    return Photo(textured_pixels(size, size, seed))


def first_guess_in(file_format: FileFormat, plain: Photo, classifier: Classifier) -> int:
    return int(classify(file_format.read_back(plain)[1], classifier).argmax())


def photo_that_jpeg_moves(classifier: Classifier, quality: int) -> Photo:
    """A photo of another class after a JPEG, though not after a PNG: nearly grey in the mean."""
    for seed in range(200):
        pixels = textured_pixels(48, 48, seed).astype(float)
        tint = np.random.default_rng(seed).uniform(-6.0, 6.0, 3)
        grey = np.clip(pixels - pixels.mean(axis=(0, 1)) + 127.5 + tint, 0, 255)
        plain = Photo(grey.astype(np.uint8))
        label = int(classify(plain, classifier).argmax())
        if first_guess_in(FileFormat("JPEG", quality), plain, classifier) != label:
            return plain
    raise AssertionError(f"JPEG {quality} moved none of 200 photos to another class")


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

    monkeypatch.setattr(searches_module, "perturb", starve)
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


def test_a_stop_is_not_a_success(mean_color_classifier: Classifier) -> None:
    protected = protect(photo(), mean_color_classifier, STRONG, on_step=lambda step: step.step == 0)
    assert protected.report.verdict is Verdict.STOPPED
    assert protected.report.steps == 0


def test_what_the_attack_claims_is_not_believed(
    mean_color_classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict comes from the file: an attack that lies is found out."""

    def liar(model: object, images: torch.Tensor, *_: object, **__: object) -> AttackResult:
        ones = torch.ones(len(images), dtype=torch.int64)
        return AttackResult(images, ones.bool(), ones, False)

    monkeypatch.setattr(searches_module, "perturb", liar)
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


def test_the_five_runs_are_the_paper_s() -> None:
    papers = {name: run for name, run in RUNS.items() if isinstance(run.search, Algorithm1)}
    label, classes = torch.tensor([0]), find_spec("scenes").read_labels()
    conditions = {name: repr(run.condition(label, classes)) for name, run in papers.items()}
    assert conditions == {
        "Top1-L1": "OutOfTop(k=1)",
        "Top1-L1-50": "OutOfTop(k=1, share=0.5)",
        "Top1-noL1": "OutOfTop(k=1)",
        "Top5-L1": "OutOfTop(k=5)",
        "Top5-noL1": "OutOfTop(k=5)",
    }
    for name, run in papers.items():
        assert (run.settings["l1_weight"] == 0.0) is ("noL1" in name)
        assert (run.kernel_size, run.sigma) == (5, 1.0)
    with pytest.raises(ValueError, match="the known ones are Top1-L1, "):
        find_run("top1")


def test_our_runs_have_the_papers_conditions() -> None:
    label, classes = torch.tensor([0]), find_spec("scenes").read_labels()
    for ours, theirs in (
        ("Top1-min", "Top1-L1"),
        ("Top1-50-min", "Top1-L1-50"),
        ("Top5-min", "Top5-L1"),
    ):
        assert isinstance(RUNS[ours].search, LeastChange)
        own, papers = (RUNS[name].condition(label, classes) for name in (ours, theirs))
        assert repr(own) == repr(papers)


def test_a_group_s_run_needs_groups() -> None:
    label = torch.tensor([0])
    condition = RUNS["Group-min"].condition(label, find_spec("scenes").read_labels())
    assert repr(condition) == "GroupOutOfTop(k=5)"
    condition = RUNS["Group-10-min"].condition(label, find_spec("scenes").read_labels())
    assert repr(condition) == "GroupOutOfTop(k=5) & GroupBelow(share=0.1)"
    with pytest.raises(ValueError, match="classes of imagenet have no groups"):
        RUNS["Group-min"].condition(label, find_spec("lite0-imagenet").read_labels())


def test_a_run_s_settings_are_all_its_numbers_and_those_of_its_search() -> None:
    for run in RUNS.values():
        numbers = {name: n for name, n in vars(run).items() if isinstance(n, int | float)}
        expected = {**numbers, **vars(run.search)}
        expected.pop("besides", None)
        settings = {name: value for name, value in run.settings.items() if name != "besides"}
        assert settings == expected


def test_a_group_s_variant_is_the_same_search_for_the_whole_kind_of_place() -> None:
    label, classes = torch.tensor([0]), find_spec("scenes").read_labels()
    for name in ("Invisible", "Balanced", "Posting"):
        plain, variant = find_run(name), find_run(name, group=True)
        assert variant is RUNS[f"{name}-group"] and variant.name == f"{name}-group"
        assert repr(plain.condition(label, classes)) == "OutOfTop(k=5)"
        assert repr(variant.condition(label, classes)) == "GroupOutOfTop(k=5)"
        assert variant.settings == plain.settings
        assert variant.against("scenes").name == variant.name
    assert [name for name in RUNS if has_group_variant(name)] == [
        "Invisible",
        "Balanced",
        "Posting",
    ]
    for name in ("Top1-L1", "Group-min", "Posting-group", "Robust"):
        with pytest.raises(
            ValueError, match=f"^The run {name} has no variant that hides the whole"
        ):
            find_run(name, group=True)
    with pytest.raises(ValueError, match="the known ones are Top1-L1, "):
        find_run("top1", group=True)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "PNG"])
def test_a_lossy_file_is_protected_as_its_reader_gets_it(
    mean_color_classifier: Classifier, kind: str
) -> None:
    original, file_format = photo(), FileFormat(kind, 60)
    protected = protect(original, mean_color_classifier, STRONG, file_format=file_format)
    report = protected.report
    assert report.verdict is Verdict.PROTECTED
    assert (report.file_format, report.file_bytes) == (f"{kind} 60", len(protected.data))
    written = read_photo(protected.data)
    assert np.array_equal(written.pixels, protected.photo.pixels)
    logits = classify(written, mean_color_classifier)
    assert mean_color_classifier.labels.names[int(logits.argmax())] != report.label.name
    assert report.difference.ssim == pytest.approx(ssim(original.pixels, written.pixels))
    assert report.difference.over_bound == 0, "what the codec adds is not counted"
    alone = file_format.read_back(original)[1]
    assert report.encoding is not None
    assert report.encoding.ssim == pytest.approx(ssim(original.pixels, alone.pixels))
    assert not report.would_pass


def test_a_lossy_file_fits_the_size_that_was_asked_for(mean_color_classifier: Classifier) -> None:
    room = len(FileFormat("JPEG", 55).encode(photo()))
    protected = protect(
        photo(), mean_color_classifier, STRONG, file_format=FileFormat("JPEG", max_bytes=room)
    )
    assert protected.report.verdict is Verdict.PROTECTED
    assert len(protected.data) <= room
    assert protected.file_format.quality is not None
    with pytest.raises(PhotoError, match="does not fit into 200 bytes"):
        protect(photo(), mean_color_classifier, STRONG, file_format=FileFormat("JPEG", None, 200))


def test_what_fails_in_a_lossy_file_says_which_would_pass(
    mean_color_classifier: Classifier,
) -> None:
    """No step at all on a photo that JPEG 1 pushes to another class, and JPEG 75 does not."""
    still = dataclasses.replace(STRONG, search=Algorithm1(0.0, 0, 1 / 255))
    plain = photo_that_jpeg_moves(mean_color_classifier, 1)
    label = first_guess_in(FileFormat("JPEG", 1), plain, mean_color_classifier)
    if first_guess_in(FileFormat("JPEG", 75), plain, mean_color_classifier) == label:
        pytest.fail("JPEG 75 moved the photo as JPEG 1 did")
    report = protect(
        plain, mean_color_classifier, still, label=label, file_format=FileFormat("JPEG", 1)
    ).report
    assert report.verdict is Verdict.NOT_PROTECTED
    assert report.would_pass == "JPEG 75"
    assert report.file_format == "JPEG 1"
    assert report.sentence().startswith("Not protected as JPEG 1: ")
    assert report.sentence().endswith("as JPEG 75, in a larger file, it would be protected.")


@pytest.mark.parametrize("run", [MIN, STRONG, POSTING], ids=lambda run: run.name)
def test_a_codec_that_loses_the_scene_by_itself_is_not_credited_to_us(
    mean_color_classifier: Classifier, run: Run
) -> None:
    plain = photo_that_jpeg_moves(mean_color_classifier, 1)
    report = protect(plain, mean_color_classifier, run, file_format=FileFormat("JPEG", 1)).report
    assert report.verdict is Verdict.NOT_NEEDED
    assert "in this photo saved as JPEG 1; no pixel was changed" in report.sentence()


def test_transparency_that_a_file_cannot_hold_is_refused_and_kept_by_others(
    mean_color_classifier: Classifier,
) -> None:
    alpha = np.full((48, 48), 255, np.uint8)
    alpha[:9] = 40
    clear = Photo(photo().pixels, alpha)
    with pytest.raises(PhotoError, match="JPEG cannot hold transparency"):
        protect(clear, mean_color_classifier, STRONG, file_format=FileFormat("JPEG", 90))
    protected = protect(clear, mean_color_classifier, STRONG, file_format=FileFormat("WebP", 90))
    assert protected.report.verdict is Verdict.PROTECTED
    kept = read_photo(protected.data).alpha
    assert kept is not None and np.array_equal(kept, alpha)


def test_lossy_files_of_a_batch_are_those_of_each_alone(mean_color_classifier: Classifier) -> None:
    photos, file_format = [photo(1), photo(2)], FileFormat("JPEG", 80)
    together = protect_batch(photos, mean_color_classifier, STRONG, file_format=file_format)
    for each, one in zip(photos, together, strict=True):
        alone = protect(each, mean_color_classifier, STRONG, file_format=file_format)
        assert alone.data == one.data


def test_a_stopped_search_never_leaves_a_file_larger_than_was_asked_for(
    mean_color_classifier: Classifier,
) -> None:
    for seed in range(6):
        room = len(FileFormat("JPEG", 55).encode(photo(seed)))
        protected = protect(
            photo(seed),
            mean_color_classifier,
            MIN,
            file_format=FileFormat("JPEG", None, room),
            on_step=lambda step: bool(step.success.any()),
        )
        assert len(protected.data) <= room


def test_encodings_can_be_stopped(mean_color_classifier: Classifier) -> None:
    class EnoughError(Exception):
        pass

    def stop() -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        protect(
            photo(),
            mean_color_classifier,
            STRONG,
            file_format=FileFormat("JPEG", None, 3000),
            check=stop,
        )
