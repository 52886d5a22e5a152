"""Photos with transparency are protected on white and on black."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import transparency_helpers
from conftest import textured_pixels
from transparency_helpers import STRONG, bright_or_dark, by_pillow, half, logo, ramp

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.attacks.faint_change.search import FaintChange
from cvpire.classifiers.classifier import Classifier, classify, classify_sights
from cvpire.classifiers.registry import load_classifier
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.images.transparency import BLACK, WHITE, composite, sights
from cvpire.protection import protect
from cvpire.reports.report import Verdict
from cvpire.runs import RUNS, Run

patterns = transparency_helpers.patterns

POSTING = dataclasses.replace(RUNS["Posting"], search=FaintChange(edits="posting", steps=12))
SEARCHES = [STRONG, RUNS["Top1-min"], RUNS["Top5-min"], RUNS["Invisible"], POSTING]
ALPHAS = {"ramp": ramp(), "logo": logo(), "half": half()}


@pytest.mark.parametrize("shape", ALPHAS)
@pytest.mark.parametrize("run", SEARCHES, ids=lambda run: run.name)
def test_it_is_protected_on_both(patterns: Classifier, run: Run, shape: str) -> None:
    photo = Photo(textured_pixels(), ALPHAS[shape])
    protected = protect(photo, patterns, run)
    report = protected.report
    assert report.verdict is Verdict.PROTECTED
    written = read_photo(protected.data)
    assert written.alpha is not None and np.array_equal(written.alpha, ALPHAS[shape])
    white, black = (Photo(by_pillow(written, level)) for level in (255, 0))
    label = int(classify(Photo(by_pillow(photo, 255)), patterns).argmax())
    assert report.label_position == label
    lowest = 1 if "1" in run.name else 5
    if shape == "half":
        assert not any(one.was_met for one in report.backgrounds), "both were recognised before"
    for seen in (white, black):
        logits = classify(seen, patterns)
        assert int((logits > logits[label]).sum()) >= lowest
    hidden = ALPHAS[shape] == 0
    assert np.array_equal(written.pixels[hidden], photo.pixels[hidden])
    assert report.difference.over_bound == 0


@pytest.mark.parametrize("run", SEARCHES, ids=lambda run: run.name)
def test_what_lies_under_clear_pixels_counts_for_nothing(patterns: Classifier, run: Run) -> None:
    alpha = logo()
    shown = textured_pixels(seed=3)
    results = []
    for hidden in (np.zeros_like(shown), np.full_like(shown, 255), textured_pixels(seed=8)):
        pixels = np.where(alpha[..., None] > 0, shown, hidden)
        protected = protect(Photo(pixels, alpha), patterns, run)
        seen = [sight.pixels for sight in sights(read_photo(protected.data))]
        record = protected.report.as_record()
        for own in ("seconds", "pixels_sha256", "file_sha256", "file_bytes"):
            del record[own]
        results.append((record, seen, protected.threshold_map))
        assert np.array_equal(protected.photo.pixels[alpha == 0], pixels[alpha == 0])
        assert not protected.threshold_map[alpha == 0].any()
    for record, seen, relative in results[1:]:
        assert record == results[0][0]
        assert all(map(np.array_equal, seen, results[0][1]))
        assert np.array_equal(relative, results[0][2])


def test_a_kitchen_that_nobody_sees_is_none(scenes_classifier: Classifier) -> None:
    """A logo over a hidden photo is taken for what the logo alone is taken for."""
    kitchen, alpha = textured_pixels(96, 96, seed=4), logo(96)
    shown = np.where(alpha[..., None] > 0, np.uint8(90), kitchen)
    hidden, plain = Photo(shown, alpha), Photo(np.full_like(kitchen, 90), alpha)
    assert torch.equal(
        classify_sights(hidden, scenes_classifier), classify_sights(plain, scenes_classifier)
    )
    own = classify(Photo(kitchen), scenes_classifier)
    assert not torch.equal(classify(hidden, scenes_classifier), own)


@pytest.fixture(scope="module")
def scenes_classifier() -> Classifier:
    return load_classifier("scenes")


@pytest.mark.parametrize(
    ("border", "held", "lost", "sign"),
    # Means: some 170 on white, 115 on black; a bound of 20 levels moves them by a few.
    [("white", "black", "white", 1.0), ("black", "white", "black", -1.0)],
)
def test_one_background_alone_is_no_success(border: str, held: str, lost: str, sign: float) -> None:
    """Bright scenes: black falls out at once and white stays. Dark ones: the other way round."""
    photo = Photo(textured_pixels(), np.full((48, 48), 200, np.uint8))
    means = {b.name: float(composite(photo, b).pixels.mean()) for b in (WHITE, BLACK)}
    classifier = bright_or_dark(means[held] - sign)
    run = dataclasses.replace(STRONG, magnitude=20 / 255, search=Algorithm1(0.0, 60, 1 / 255))
    protected = protect(photo, classifier, run)
    report = protected.report
    position = 0 if sign > 0 else 1
    assert report.label_position == position
    assert report.verdict is Verdict.NOT_PROTECTED and not report.verdict.is_success
    found = {one.background: one for one in report.backgrounds}
    assert found[held].is_met and not found[lost].is_met
    share = found[lost].label_probability_after
    assert (
        f"Not protected: on {held} class {position} is no longer recognised, on {lost} it still is "
        f"(class {position} {share:.1%}) after 60 steps"
    ) in report.sentence()


def test_nothing_to_do_must_hold_on_both() -> None:
    photo = Photo(textured_pixels(), half())
    white, black = (float(composite(photo, b).pixels.mean()) for b in (WHITE, BLACK))
    # Bright on white alone; bright on both; on neither.
    for border, expected in (
        ((white + black) / 2, Verdict.NOT_PROTECTED),
        (black - 40, Verdict.NOT_PROTECTED),
        (white + 5, Verdict.NOT_NEEDED),
    ):
        run = dataclasses.replace(RUNS["Top1-min"], magnitude=1 / 255)
        report = protect(photo, bright_or_dark(border), run, label=0).report
        assert report.verdict is expected
    assert "in this photo as it is, on white or on black; no pixel" in report.sentence()
