"""A lossy file is protected, judged and kept to its size as its reader gets it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from protection_helpers import STRONG, first_guess_in, photo, photo_that_jpeg_moves
from watches import Told

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.classifiers.classifier import Classifier, classify
from cvpire.errors import PhotoError
from cvpire.images.formats import KINDS, FileFormat
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.metrics.difference import ssim
from cvpire.protection import protect, protect_batch
from cvpire.reports.report import Verdict
from cvpire.runs import RUNS, Run

MIN = RUNS["Top1-min"]
POSTING = dataclasses.replace(RUNS["Posting"], condition=MIN.condition)


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


def test_no_file_is_larger_than_was_asked_for(mean_color_classifier: Classifier) -> None:
    for seed in range(6):
        room = len(FileFormat("JPEG", 55).encode(photo(seed)))
        file_format = FileFormat("JPEG", None, room)
        protected = protect(photo(seed), mean_color_classifier, MIN, file_format=file_format)
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
            watch=Told(check=stop),
        )
