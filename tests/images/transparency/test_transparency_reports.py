"""Photos with transparency: judged, measured and rehearsed as they are seen."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import transparency_helpers
from conftest import textured_pixels
from transparency_helpers import STRONG, bright_or_dark, half, logo, ramp

from cvpire.classifiers.classifier import Classifier, classify
from cvpire.color.variance import threshold_map
from cvpire.edits.posting import TRANSFORMATIONS
from cvpire.images.formats import KINDS, PNG, FileFormat
from cvpire.images.photo import Photo, encode_png, write_bytes
from cvpire.images.reading import read_photo
from cvpire.images.tensors import to_image
from cvpire.images.transparency import BLACK, WHITE, composite, sights
from cvpire.metrics.blotches import strongest_blotch
from cvpire.metrics.difference import compare, ssim
from cvpire.metrics.grades import grade_difference
from cvpire.protection import protect, protect_batch
from cvpire.rehearsal import Scene, rehearse
from cvpire.reports.report import Verdict
from cvpire.runs import RUNS
from eval.dataset import Item
from eval.judge import judge_written
from eval.originals import _judge

patterns = transparency_helpers.patterns


def test_a_report_has_both_backgrounds(patterns: Classifier) -> None:
    opaque = protect(Photo(textured_pixels()), patterns, STRONG).report
    assert opaque.as_record()["backgrounds"] is None
    photo = Photo(textured_pixels(), ramp())
    protected = protect(photo, patterns, STRONG)
    report = protected.report
    record = json.loads(json.dumps(report.as_record(), allow_nan=False))
    assert list(record["backgrounds"]) == ["white", "black"]
    similarities, blotches = [], []
    for background in (WHITE, BLACK):
        figures = record["backgrounds"][background.name]
        before, after = (composite(each, background) for each in (photo, protected.photo))
        logits = classify(after, patterns)
        assert figures["is_met"] is True
        assert figures["after"][0]["name"] == f"class {int(logits.argmax())}"
        chance = float(logits.softmax(0)[report.label_position])
        assert figures["label_probability_after"] == pytest.approx(chance)
        expected = ssim(before.pixels, after.pixels)
        assert figures["difference"]["ssim"] == pytest.approx(expected)
        blotch = strongest_blotch(before.pixels, after.pixels)
        assert blotch is not None and figures["strongest"] == blotch._asdict()
        difference = compare(before.pixels, after.pixels, np.ones((48, 48)))
        assert figures["visibility"] == grade_difference(difference).as_record()
        blotches.append(blotch)
        similarities.append(expected)
    assert similarities[0] != similarities[1]
    stronger = max(blotches, key=lambda blotch: blotch.delta_e)
    assert record["strongest"] == stronger._asdict()
    assert record["difference"]["delta_e_blurred"] == stronger.delta_e
    on_white = composite(photo, WHITE)
    for name, reference in record["references"].items():
        saved = FileFormat.parse(name).read_back(on_white)[1]
        expected = ssim(on_white.pixels, saved.pixels)
        assert reference["difference"]["ssim"] == pytest.approx(expected)
    assert record["difference"]["ssim"] == pytest.approx(min(similarities))
    most = max(figures["difference"]["linf"] for figures in record["backgrounds"].values())
    assert record["difference"]["linf"] == most
    assert " on white and " in report.sentence() and report.sentence().endswith(" on black.")
    assert record["before"] == record["backgrounds"]["white"]["before"]


def test_the_map_is_what_stays_unseen_on_both(patterns: Classifier) -> None:
    photo = Photo(textured_pixels(), ramp())
    found = protect(photo, patterns, STRONG).threshold_map
    maps = [threshold_map(to_image(sight.pixels))[0, 0].numpy() for sight in sights(photo)]
    expected = np.where(ramp() > 0, np.minimum(*maps), 0.0)
    assert np.abs(found - expected).max() < 1e-6
    assert (found > 0.0).any()


def test_where_there_is_nothing_to_see_it_is_said(mean_color_classifier: Classifier) -> None:
    clear = Photo(textured_pixels(), np.zeros((48, 48), np.uint8))
    for file_format in (PNG, FileFormat("WebP", 80)):
        report = protect(clear, mean_color_classifier, STRONG, file_format=file_format).report
        assert report.verdict is Verdict.CLEAR and not report.verdict.is_success
        assert "every pixel of this photo is clear" in report.sentence()
    # White shapes are seen on black, but there is no place on white for a change to hide.
    shapes = Photo(np.full((48, 48, 3), 255, np.uint8), logo())
    report = protect(shapes, mean_color_classifier, STRONG).report
    assert report.verdict is Verdict.FLAT
    assert "the same colour everywhere on white or on black, so" in report.sentence()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("PNG", "JPEG")])
def test_a_lossy_file_is_judged_with_its_own_transparency(patterns: Classifier, kind: str) -> None:
    photo = Photo(textured_pixels(), ramp())
    protected = protect(photo, patterns, STRONG, file_format=FileFormat(kind, 60))
    report = protected.report
    assert report.verdict is Verdict.PROTECTED
    written = read_photo(protected.data)
    assert written.alpha is not None
    if kind == "AVIF":
        assert not np.array_equal(written.alpha, ramp()), "it blurs"
    for background, one in zip((WHITE, BLACK), report.backgrounds, strict=True):
        before, after = composite(photo, background).pixels, composite(written, background).pixels
        logits = classify(Photo(after), patterns)
        assert int(logits.argmax()) != report.label_position
        bound = np.ones(before.shape[:2])
        expected = compare(before, after, bound)._replace(over_bound=0)
        assert one.difference == expected and one.encoding is not None


def test_a_codec_that_makes_it_opaque(patterns: Classifier) -> None:
    """A file without transparency is the same on each background."""
    alpha = np.full((48, 48), 255, np.uint8)
    alpha[20, 20] = 254
    photo = Photo(textured_pixels(), alpha)
    file_format = FileFormat("AVIF", 10) if "AVIF" in KINDS else FileFormat("WebP", 10)
    protected = protect(photo, patterns, STRONG, file_format=file_format)
    assert len(protected.report.backgrounds) == 2
    assert protected.report.verdict is Verdict.PROTECTED


def test_beside_opaque_photos(patterns: Classifier) -> None:
    plain = [Photo(textured_pixels(seed=seed)) for seed in range(3)]
    mixed = [plain[0], Photo(textured_pixels(seed=9), ramp()), plain[1], plain[2]]
    results = protect_batch(mixed, patterns, STRONG)
    together = protect_batch(plain, patterns, STRONG)
    assert [r.data for r in (results[0], *results[2:])] == [r.data for r in together]
    assert results[1].data == protect(mixed[1], patterns, STRONG).data


def test_a_rehearsal_looks_at_both() -> None:
    photo = Photo(textured_pixels(), half())
    white, black = (float(composite(photo, b).pixels.mean()) for b in (WHITE, BLACK))
    run = RUNS["Top1-min"]
    for border, position, is_lost, background in (
        ((white + black) / 2, 0, False, "white"),  # bright on white
        ((white + black) / 2, 1, False, "black"),  # dark on black
        (white + 5, 0, True, "white"),
        (black - 5, 1, True, "black"),
    ):
        scene = Scene(
            bright_or_dark(border), position, is_attacked=True, make_condition=run.condition
        )
        first, *others = rehearse(
            photo, photo, [scene], transformations=[TRANSFORMATIONS["jpeg-75"]]
        )
        assert (first.protected.is_lost, first.protected.background) == (is_lost, background)
        assert first.control == first.protected
        # A JPEG has no transparency: what it shows is what was seen on white.
        (jpeg,) = others
        assert jpeg.protected.background == ""
        is_bright = white > border
        assert jpeg.protected.is_lost is ((position == 1) is is_bright)


def test_an_evaluation_judges_both(tmp_path: Path) -> None:
    photo = Photo(textured_pixels(), half())
    white, black = (float(composite(photo, b).pixels.mean()) for b in (WHITE, BLACK))
    path = tmp_path / "photo.png"
    data = encode_png(photo)
    write_bytes(path, data)
    digest = hashlib.sha256(data).hexdigest()
    middle = bright_or_dark((white + black) / 2)
    # Bright on white, dark on black: both are found.
    assert [judge_written(path, digest, middle, label).top1 for label in (0, 1)] == [True, True]
    bright = bright_or_dark(black - 5)
    assert [judge_written(path, digest, bright, label).top1 for label in (0, 1)] == [True, False]
    record = _judge(Item(path, None), middle, {})
    assert record.label_position == 0 and record.top1
