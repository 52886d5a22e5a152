"""Photos with transparency: protected, judged and measured as they are seen, on white and black."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import mean_color_spec, textured_pixels
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from cvpire.attacks.searches import Algorithm1, FaintChange
from cvpire.classifiers.classifier import Classifier, classify, classify_sights
from cvpire.classifiers.registry import load_classifier
from cvpire.color.variance import threshold_map
from cvpire.edits.posting import TRANSFORMATIONS
from cvpire.images.formats import KINDS, PNG, FileFormat
from cvpire.images.photo import Photo, encode_png, write_bytes
from cvpire.images.reading import read_photo
from cvpire.images.tensors import to_image, to_photo
from cvpire.images.transparency import (
    BLACK,
    WHITE,
    composite,
    composite_images,
    seen_images,
    sights,
)
from cvpire.images.transparency import to_alpha as alpha_of
from cvpire.metrics.blotches import strongest_blotch
from cvpire.metrics.difference import compare, ssim
from cvpire.metrics.grades import grade_difference
from cvpire.protection import protect, protect_batch
from cvpire.rehearsal import Scene, rehearse
from cvpire.reports.report import Verdict
from cvpire.runs import RUNS, Run
from eval.dataset import Item
from eval.judge import judge_written
from eval.originals import _judge

STRONG = dataclasses.replace(
    RUNS["Top1-noL1"], magnitude=0.19, search=Algorithm1(0.0, 300, 0.5 / 255)
)
POSTING = dataclasses.replace(RUNS["Posting"], search=FaintChange(edits="posting", steps=12))
SEARCHES = [STRONG, RUNS["Top1-min"], RUNS["Top5-min"], RUNS["Invisible"], POSTING]


class Brightness(nn.Module):
    """Two classes: "bright" gains with the mean level, "dark" has a fixed one to compare with.

    Args:
        border: the mean level, 0 to 255, where both have the same logit.
    """

    def __init__(self, border: float) -> None:
        super().__init__()
        self.border = border

    def forward(self, images: Tensor) -> Tensor:
        # Normalisation takes 0.5 away.
        level = 255.0 * (images.mean(dim=(1, 2, 3)) + 0.5)
        return torch.stack((level - self.border, torch.zeros_like(level)), dim=1)


class Patterns(nn.Module):
    """Twelve classes, each a coarse random pattern without a mean: an even page behind a photo that
    is as clear everywhere changes nothing, and codecs and edits little.
    """

    patterns: Tensor

    def __init__(self) -> None:
        super().__init__()
        drawn = torch.randn((12, 3, 8, 8), generator=torch.Generator().manual_seed(0))
        drawn -= drawn.mean(dim=(2, 3), keepdim=True)
        self.register_buffer("patterns", drawn)

    def forward(self, images: Tensor) -> Tensor:
        cells = nn.functional.adaptive_avg_pool2d(images, 8)
        return torch.einsum("nchw,kchw->nk", cells, self.patterns)


@pytest.fixture
def patterns() -> Classifier:
    return Classifier(mean_color_spec(), Patterns(), "native").eval()


def bright_or_dark(border: float) -> Classifier:
    return Classifier(mean_color_spec(classes=2), Brightness(border), "native").eval()


def ramp(size: int = 48) -> NDArray[np.uint8]:
    """Clear on the left, opaque on the right, and all between."""
    levels = np.linspace(-80, 340, size).clip(0, 255).round().astype(np.uint8)
    return np.broadcast_to(levels, (size, size)).copy()


def logo(size: int = 48) -> NDArray[np.uint8]:
    """An opaque disc with a soft edge on clear ground."""
    y, x = np.mgrid[:size, :size] - size / 2
    levels: NDArray[np.uint8] = (255 * (0.4 * size - np.hypot(y, x)).clip(0, 1)).astype(np.uint8)
    return levels


def half(size: int = 48) -> NDArray[np.uint8]:
    return np.full((size, size), 128, np.uint8)


ALPHAS = {"ramp": ramp(), "logo": logo(), "half": half()}


def by_pillow(photo: Photo, level: int) -> NDArray[np.uint8]:
    """The same on a grey page, by Pillow's own blending."""
    assert photo.alpha is not None
    page = Image.new("RGBA", (photo.width, photo.height), (level, level, level, 255))
    page.alpha_composite(Image.fromarray(np.dstack([photo.pixels, photo.alpha])))
    return np.array(page)[..., :3]


def test_levels_worked_out_by_hand() -> None:
    pixels = np.array([[[100, 0, 255], [7, 8, 9], [7, 8, 9]]], np.uint8)
    photo = Photo(pixels, np.array([[128, 255, 0]], np.uint8))
    # 100 * 128/255 = 50.2; 255 * 127/255 = 127.
    assert composite(photo, WHITE).pixels[0, 0].tolist() == [177, 127, 255]
    assert composite(photo, BLACK).pixels[0, 0].tolist() == [50, 0, 128]
    assert composite(photo, WHITE).pixels[0, 1:].tolist() == [[7, 8, 9], [255, 255, 255]]
    assert composite(photo, BLACK).pixels[0, 1:].tolist() == [[7, 8, 9], [0, 0, 0]]
    opaque = Photo(pixels)
    assert composite(opaque, BLACK) is opaque and sights(opaque) == (opaque,)


def test_it_is_what_others_blend() -> None:
    random = np.random.default_rng(0)
    photo = Photo(
        random.integers(0, 256, (64, 64, 3), np.uint8), random.integers(0, 256, (64, 64), np.uint8)
    )
    for background in (WHITE, BLACK):
        off = composite(photo, background).pixels.astype(int) - by_pillow(photo, background.level)
        assert np.abs(off).max() <= 1


def test_a_search_sees_what_the_judge_sees() -> None:
    random = np.random.default_rng(1)
    photo = Photo(
        random.integers(0, 256, (64, 64, 3), np.uint8), random.integers(0, 256, (64, 64), np.uint8)
    )
    images, alpha = to_image(photo.pixels).requires_grad_(), alpha_of(photo)
    seen = seen_images(images, alpha)
    for one, sight in zip(seen, sights(photo), strict=True):
        assert np.array_equal(to_photo(one[None]).pixels, sight.pixels)
    (gradient,) = torch.autograd.grad(seen.sum(), images)
    assert torch.allclose(gradient, 2.0 * alpha.expand_as(gradient))
    assert seen_images(images, None) is images
    mixed = composite_images(images.detach(), alpha, WHITE)
    assert float((mixed - seen[:1].detach()).abs().max()) < 0.5 / 255 + 1e-6


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


@pytest.mark.parametrize("name", ["blur", "sharpen", "median", "half", "rotate", "crop"])
def test_hidden_colours_do_not_bleed_into_an_edit(name: str) -> None:
    alpha = logo()
    first, second = (
        Photo(np.where(alpha[..., None] > 0, textured_pixels(), hidden), alpha)
        for hidden in (np.uint8(0), np.uint8(255))
    )
    edited = [sights(TRANSFORMATIONS[name].apply(photo)) for photo in (first, second)]
    for one, other in zip(*edited, strict=True):
        assert np.array_equal(one.pixels, other.pixels)


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
