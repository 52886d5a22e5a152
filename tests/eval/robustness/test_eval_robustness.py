"""The evaluation of what survives: what is asked and counted."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import robustness_helpers
from eval_helpers import shrink_photos, table_rows
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image
from robustness_helpers import FEW, RUN, measure, rows
from table1_helpers import fake_classifier

from cvpire.classifiers.classifier import classify
from cvpire.edits.posting import TRANSFORMATIONS
from cvpire.images.formats import FileFormat
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.runs import RUNS
from eval import judge, robustness
from eval.damage import DAMAGES
from eval.errors import EvaluationError
from eval.frontier import draw_frontier
from eval.records import RecordStore
from eval.robustness import RobustnessOptions
from eval.robustness_rows import RobustnessRow
from eval.seen import Seen
from eval.yardsticks import JOD, SSIMULACRA2

options = robustness_helpers.options


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "load_classifier", fake_classifier)
    some = {name: FEW[name] for name in ("jpeg-75", "half")}
    monkeypatch.setattr(robustness, "EDITS", {"all": FEW, "codecs": some})


def test_each_file_is_tried_beside_its_original(options: RobustnessOptions) -> None:
    result = measure(options)
    text = result.markdown
    assert not result.unreadable
    table = rows(text)
    assert (options.out / "robustness.md").read_text() == text
    with Image.open(options.out / "robustness.png") as picture:
        assert min(picture.size) > 200
    with Image.open(options.out / "frontier.png") as picture:
        assert min(picture.size) > 200
    assert (options.out / "Posting" / "0.png").is_file()
    # These photos are small enough already.
    assert TRANSFORMATIONS["resize-720"].title not in table
    assert table["all black"][0] == "3"
    # The same black photo, whatever it was before.
    assert table["all black"][1] == table["all black"][2]
    assert table[TRANSFORMATIONS["half"].title][1] == "0.0%"
    run = table_rows(text)["Posting"]
    assert float(run["SSIM (least)"].split()[0]) <= 1.0
    assert run["over bound"] == "0"
    for share in ("as written", "kept", "kept (codecs, sizes)", "control", "all kept"):
        assert 0.0 <= float(run[share].rstrip("%")) <= 100.0


def test_the_csv_has_the_table_s_figures(options: RobustnessOptions) -> None:
    table = table_rows(measure(options).markdown)
    with (options.out / "robustness.csv").open(encoding="utf-8", newline="") as file:
        lines = {line["name"]: line for line in csv.DictReader(file)}
    assert list(lines) == ["Posting", *(damage.title for damage in DAMAGES.values())]
    for name, line in lines.items():
        assert line["photos"] == "3"
        similarity, least = float(line["ssim"]), float(line["ssim_least"])
        assert f"{similarity:.4f} ({least:.4f})" == table[name]["SSIM (least)"]
        assert f"{float(line['delta_e_blurred']):.2f}" == table[name]["dE00 blurred"]
        assert f"{float(line['as_written']):.1%}" == table[name]["as written"]
    shares = {"kept": "kept", "kept_codecs": "kept (codecs, sizes)", "control": "control"}
    for column, head in shares.items():
        assert f"{float(lines['Posting'][column]):.1%}" == table["Posting"][head]
    for column in (*shares, "over_bound", "steps", "seconds"):
        assert lines["JPEG 75"][column] == ""
        assert lines["Posting"][column] != ""


def test_a_yardstick_that_a_row_lacks_has_no_panel(
    options: RobustnessOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows: list[RobustnessRow] = []
    monkeypatch.setattr(robustness, "draw_frontier", lambda found, path: rows.extend(found))
    measure(options)
    shown: list[str] = []
    monkeypatch.setattr(Axes, "set_xlabel", lambda axes, label: shown.append(label.split(",")[0]))
    known = Seen(1.0, 1.0, 0.05, 90.0, 80.0, 9.9)
    without = known._replace(flip_p99=math.nan, jod=None)
    for first in (known, without):
        mixed = [rows[0]._replace(seen=first), *(row._replace(seen=known) for row in rows[1:])]
        draw_frontier(mixed, tmp_path / "frontier.png")
    assert shown[:4] == [
        "SSIMULACRA2 (100: the same)",
        "ColorVideoVDP",
        "FLIP",
        "largest CIEDE2000 of the blurred change",
    ]
    assert shown[4:] == [shown[0], shown[3]]


def test_lossy_files_are_judged_as_their_readers_get_them(options: RobustnessOptions) -> None:
    text = measure(replace(options, file_format=FileFormat("JPEG", 75))).markdown
    assert "files JPEG 75" in text
    assert read_photo(options.out / "Posting" / "0.jpg").pixels.shape == (40, 36, 3)
    similarity = table_rows(text)["Posting"]["SSIM (least)"].split()[0]
    assert float(similarity) < 1.0, "the codec's own loss counts"
    with pytest.raises(EvaluationError, match="file_format was JPEG 75 and is PNG now"):
        measure(options)


TOP1 = replace(RUN, name="Posting-top1", condition=RUNS["Top1-min"].condition)


def test_each_run_is_judged_by_its_own_condition(options: RobustnessOptions) -> None:
    text = measure(replace(options, runs=(RUN, TOP1))).markdown
    assert (
        "- Judged by: Posting, out of the first five; Posting-top1, no longer the first guess."
    ) in text
    table = rows(text)
    head = table["after"]
    assert head[1:3] == ["control (out of the first five)", "control (no longer the first guess)"]
    assert head[3:] == ["Posting", "Posting-top1"]
    records = RecordStore(options.out / "records.jsonl")
    for run in (RUN, TOP1):
        for file in ("0.png", "1.png", "2.png"):
            record = records.find(run.name, file)
            assert record is not None and record.report is not None
            as_written, control = record.report["rehearsal"]["kept"]["as written"]
            # The verdict and the rehearsal of the file as it is are one.
            assert as_written is record.is_success
            assert control is False
            k = 1 if run is TOP1 else 5
            assert record.report["rehearsal"]["condition"] == f"OutOfTop(k={k})"


def test_one_condition_has_one_control(options: RobustnessOptions) -> None:
    text = measure(replace(options, runs=(RUN, replace(RUN, name="Same")))).markdown
    assert rows(text)["after"][1:] == ["control", "Posting", "Same"]


def test_codecs_and_sizes_are_a_share_of_their_own(options: RobustnessOptions) -> None:
    text = measure(options).markdown
    run, after = table_rows(text)["Posting"], rows(text)
    # Of these edits, each done to all three photos; "black" is no codec and no size.
    by_edit = {
        name: float(after[TRANSFORMATIONS[name].title][-1].rstrip("%"))
        for name in ("jpeg-75", "half")
    }
    black = float(after["all black"][-1].rstrip("%"))
    codecs = sum(by_edit.values())
    assert float(run["kept (codecs, sizes)"].rstrip("%")) == pytest.approx(codecs / 2, abs=0.1)
    assert float(run["kept"].rstrip("%")) == pytest.approx((codecs + black) / 3, abs=0.1)


def test_fewer_edits_are_tried_where_fewer_are_asked(
    options: RobustnessOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = measure(replace(options, edits="codecs")).markdown
    assert "all black" not in rows(few)
    assert table_rows(few)["Posting"]["kept"] == table_rows(few)["Posting"]["kept (codecs, sizes)"]
    whole = measure(options).markdown
    assert rows(whole)["all black"][0] == "3"

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("what was tried is kept")

    monkeypatch.setattr(robustness, "rehearse", fail)
    assert measure(replace(options, edits="codecs")).markdown == few
    assert measure(options).markdown == whole


def test_plain_damage_stands_beside_the_runs(options: RobustnessOptions) -> None:
    text = measure(options).markdown
    table = table_rows(text)
    assert list(table) == ["Posting", *(damage.title for damage in DAMAGES.values())]
    assert "judged by the condition of Posting" in text
    for damage in DAMAGES.values():
        row = table[damage.title]
        assert row["kept"] == row["over bound"] == row["seconds"] == "-"
        pairs = [
            (
                read_photo(options.images / f"{name}.png").pixels,
                read_photo(options.out / damage.name / f"{name}.png").pixels,
            )
            for name in range(3)
        ]
        quality = [SSIMULACRA2.measure(*pair) for pair in pairs]
        assert row["SSIMULACRA2 (least)"] == f"{sum(quality) / 3:.1f} ({min(quality):.0f})"
        jod = [JOD.measure(*pair) for pair in pairs]
        assert row["JOD"] == f"{sum(jod) / 3:.2f}"
        met = [is_out_of_first_five(*pair) for pair in pairs]
        assert row["as written"] == f"{sum(met) / 3:.1%}"


def is_out_of_first_five(clean: NDArray[np.uint8], changed: NDArray[np.uint8]) -> bool:
    classifier = fake_classifier()
    first = int(classify(Photo(clean), classifier).argmax())
    return first not in classify(Photo(changed), classifier).topk(5).indices.tolist()


def test_photos_that_are_too_small_for_a_metric_leave_its_cells_open(
    options: RobustnessOptions,
) -> None:
    shrink_photos(options.images)
    text = measure(replace(options, runs=(TOP1,))).markdown
    for row in table_rows(text).values():
        assert row["SSIM (least)"] == row["SSIMULACRA2 (least)"] == "n/a"
        assert 0.0 < float(row["JOD"]) <= 10.0
    assert "nan" not in text
