"""Tables as pure functions of records, held against files that were checked by hand."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from eval_helpers import table_rows

from cvpire.runs import RUNS
from eval.looks import LOOKS
from eval.paper import PAPER_TABLE1
from eval.records import Record, Score
from eval.table import Summary, make_rows, markdown, to_csv

GOLDEN = Path(__file__).parents[1] / "golden"

SUMMARY = Summary(
    folder="photos",
    classifier="lite0-imagenet",
    view="native",
    weights_sha256="0123456789abcdef" * 4,
    labels_file="labels.csv",
    seed=7,
    batch_size=4,
    includes_misclassified=False,
    misclassified=("m.png", "n.png"),
    unlabelled=("u.png",),
    foreign=("x.png",),
    absent=("v.png",),
    unreadable={"w.png": "w.png is empty (0 bytes): export or download it again."},
    metric="NIMA (AVA, 1-10)",
    aesthetics_cell="-",
    aesthetics_note="Aesthetics: NIMA (AVA, 1-10), of the files on disk.",
    versions={"cvpire": "0.1.0", "torch": "2.14.1"},
    damage_judged_by="Top1-L1",
)


def clean(file: str, score: float | None = None) -> Record:
    return Record(
        run="Original",
        file=file,
        settings={},
        size=(64, 64),
        label=1,
        label_position=1,
        label_name="one",
        label_is_given=True,
        top1=True,
        top5=True,
        aesthetics=None if score is None else Score("NIMA (AVA, 1-10)", score),
    )


def protected(
    run: str,
    file: str,
    *,
    top1: bool = False,
    top5: bool = True,
    ssim: float | None = 0.99,
    scale: int = 1,
    score: float | None = None,
) -> Record:
    report = {
        "verdict": "not protected" if top1 else "protected",
        "steps": 10 * scale,
        "seconds": 0.5 * scale,
        "file_sha256": "0",
        "difference": {
            "ssim": ssim,
            "delta_e_mean": 0.1 * scale,
            "delta_e_p95": 0.5 * scale,
            "delta_e_max": 1.0 * scale,
            "delta_e_p999": 0.9 * scale,
            "delta_e_blurred": 0.4 * scale,
            "flip_p99": 0.02 * scale,
            "linf": 3 * scale,
            "changed": 0.125 * scale,
            "over_bound": 0,
        },
        LOOKS: {
            "SSIMULACRA2": {
                "package": "ssimulacra2",
                "version": "0.3.0",
                # None for a photo that is too small for SSIM here, and so for this.
                "value": None if ssim is None else 90.0 - scale,
            },
            "JOD": {"package": "cvvdp", "version": "0.5.7", "value": 10.0 - 0.1 * scale},
        },
    }
    return replace(clean(file, score), run=run, top1=top1, top5=top5, report=report)


RECORDS = [
    *(clean("a.png", 5.0), clean("b.png", 5.5)),
    *(
        protected("Top1-L1", "a.png", ssim=0.9999, score=4.9),
        protected("Top1-L1", "b.png", ssim=0.9991, scale=3, score=5.3),
    ),
    *(
        protected("Top5-noL1", "a.png", top5=False, ssim=None),
        protected("Top5-noL1", "b.png", top1=True, ssim=0.9, scale=2, score=5.0),
    ),
    *(protected("Own", "a.png", score=1.0), protected("Own", "b.png", score=2.0)),
    *(
        protected("blur", "a.png", scale=4, score=4.0),
        protected("blur", "b.png", top1=True, scale=2, score=5.0),
    ),
]


def test_the_table_is_the_golden_one() -> None:
    assert markdown(RECORDS, SUMMARY) == (GOLDEN / "table1.md").read_text("utf-8")
    assert to_csv(RECORDS, SUMMARY) == (GOLDEN / "table1.csv").read_text("utf-8")


def test_rows_are_means_that_can_be_done_by_hand() -> None:
    original, top1, top5, _, blur = make_rows(RECORDS, metric="NIMA (AVA, 1-10)")

    assert (original.top1, original.top5, original.ssim) == (1.0, 1.0, 1.0)
    assert (original.success, original.steps, original.over_bound) == (None, None, None)
    assert original.aesthetics == pytest.approx(5.25)
    assert (top1.top1, top1.top5, top1.success) == (0.0, 1.0, 1.0)
    assert top1.ssim == pytest.approx(0.9995)
    assert top1.delta_e_mean == pytest.approx(0.2)
    assert top1.delta_e_p95 == pytest.approx(1.0)
    assert (top1.linf_mean, top1.linf_max, top1.changed) == (6.0, 9, 0.25)
    assert (top1.steps, top1.seconds) == (20.0, 1.0)
    # A photo that could not be protected counts like any other.
    assert (top5.top1, top5.top5, top5.success) == (0.5, 0.5, 0.5)
    assert (original.flip_p99, original.ssimulacra2, original.jod) == (None, None, None)
    assert top1.delta_e_p999 == pytest.approx((0.9 + 2.7) / 2)
    assert top1.delta_e_blurred == pytest.approx((0.4 + 1.2) / 2)
    assert top1.flip_p99 == pytest.approx(0.04)
    assert (top1.ssimulacra2, top1.ssimulacra2_least) == (88.0, 87.0)
    assert top1.jod == pytest.approx(9.8)
    # What is too small for a yardstick is left out of its mean, and of no other.
    assert (top5.ssimulacra2, top5.ssimulacra2_least) == (88.0, 88.0)
    assert top5.jod == pytest.approx(9.85)
    # Damage knows no bound, no steps and no seconds.
    assert (blur.run, blur.success) == ("blur, sigma 1 pixel", 0.5)
    assert (blur.ssimulacra2, blur.over_bound, blur.steps, blur.seconds) == (87.0, None, None, None)


def test_photos_without_ssim_are_said() -> None:
    assert make_rows(RECORDS, metric=None)[2].ssim == pytest.approx(0.9)
    assert "SSIM without 1 file with a side below 11 pixels." in markdown(RECORDS, SUMMARY)


def lacking(records: list[Record], name: str) -> list[Record]:
    """The same records, but for what one yardstick says of the second photo."""
    for record in records:
        if record.file == "b.png" and record.report is not None:
            del record.report[LOOKS][name]
    return records


def test_a_yardstick_that_was_not_asked_says_what_to_install() -> None:
    records = lacking([protected("Own", "a.png"), protected("Own", "b.png")], "JOD")
    (row,) = make_rows(records, metric=None)
    # Nor does the mean of some stand for the mean of all.
    assert (row.jod, row.ssimulacra2) == (None, 89.0)
    text = markdown(records, SUMMARY)
    assert table_rows(text)["Own"]["JOD"] == "unavailable"
    assert (
        "JOD is unavailable: the package cvvdp was not installed (`pip install -r "
        "requirements-eval.txt`)."
    ) in text
    (cells,) = csv.DictReader(to_csv(records, SUMMARY).splitlines())
    assert (cells["jod"], cells["ssimulacra2"]) == ("", "89")


def test_photos_that_are_all_too_small_have_no_value() -> None:
    records = [protected("Own", name, ssim=None) for name in ("a.png", "b.png")]
    for record in records:
        assert record.report is not None
        record.report["difference"]["flip_p99"] = None
    text = markdown(records, SUMMARY)
    assert table_rows(text)["Own"]["SSIMULACRA2 (least)"] == "n/a"
    assert table_rows(text)["Own"]["FLIP p99"] == "n/a"
    assert "SSIMULACRA2 without 2 files with a side below 8 pixels." in text
    assert "FLIP without 2 files: the package flip-evaluator was not installed." in text
    assert "nan" not in text
    (cells,) = csv.DictReader(to_csv(records, SUMMARY).splitlines())
    assert (cells["ssimulacra2"], cells["flip_p99"], cells["ssim"]) == ("", "", "")


def test_pixels_over_their_bound_are_a_sum() -> None:
    records = [protected("Top1-L1", name) for name in "abc"]
    for record, number in zip(records, (2, 0, 1), strict=True):
        assert record.report is not None
        record.report["difference"]["over_bound"] = number
    assert make_rows(records, metric=None)[0].over_bound == 3


def test_the_order_of_images_changes_no_digit() -> None:
    records = [protected("Top1-L1", f"{n}.png", ssim=1 / (n + 3)) for n in range(40)]
    assert make_rows(records, metric=None) == make_rows(records[::-1], metric=None)


def test_scores_of_another_metric_are_never_mixed_in() -> None:
    other = replace(RECORDS[0], aesthetics=Score("beauty, OASIS 1-7", 6.0))
    rows = make_rows([other, *RECORDS[1:]], metric="NIMA (AVA, 1-10)")
    assert rows[0].aesthetics is None
    assert rows[1].aesthetics == pytest.approx(5.1)
    # Nor does the mean of some stand for the mean of all.
    assert rows[2].aesthetics is None


def test_unavailable_scores_say_so_in_every_row() -> None:
    summary = replace(
        SUMMARY,
        metric=None,
        aesthetics_cell="unavailable",
        aesthetics_note="The aesthetic score is unavailable: no network.",
    )
    text = markdown(RECORDS, summary)
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert [row.split("|")[4].strip() for row in rows] == ["unavailable"] * 5
    assert "unavailable: no network." in text


def test_own_guesses_as_labels_are_said() -> None:
    assert "own first guess" not in markdown(RECORDS, SUMMARY)
    assert "own first guess" in markdown(RECORDS, replace(SUMMARY, labels_file=None))


def test_included_misclassified_images_are_said() -> None:
    text = markdown(RECORDS, replace(SUMMARY, includes_misclassified=True))
    assert "Included, although the classifier gets it wrong when clean: 2 images (m.png" in text


def test_the_paper_stands_beside_its_runs() -> None:
    assert PAPER_TABLE1.keys() - {"Original"} <= RUNS.keys()
    rows = {row["run"]: row for row in csv.DictReader(to_csv(RECORDS, SUMMARY).splitlines())}
    assert rows["Top5-noL1"]["paper_aesthetics"] == "4.81"
    assert rows["Top5-noL1"]["paper_ssim"] == "0.8955"
    assert rows["Own"]["paper_top1"] == ""
