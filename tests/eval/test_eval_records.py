"""JSON lines that survive a kill."""

from __future__ import annotations

import copy
import os
from dataclasses import replace
from pathlib import Path

import pytest

from eval.errors import EvaluationError
from eval.output import sole_user
from eval.records import Record, RecordStore, Score

CLEAN = Record(
    run="Original",
    file="straße.png",
    settings={"classifier": "x", "versions": {"torch": "2"}},
    size=(4, 5),
    label=101,
    label_position=1,
    label_name="class 1",
    label_is_given=True,
    top1=True,
    top5=True,
)
PROTECTED = replace(
    CLEAN,
    run="Top1-L1",
    batch=("a.png", "straße.png"),
    aesthetics=Score("m", 0.1),
    report={
        "verdict": "protected",
        "steps": 3,
        "seconds": 1 / 3,
        "file_sha256": "0",
        "difference": {
            "ssim": None,
            "delta_e_mean": 0.1,
            "delta_e_p95": 0.2,
            "delta_e_max": 0.3,
            "delta_e_p999": 0.28,
            "delta_e_blurred": 0.2,
            "flip_p99": 0.01,
            "linf": 4,
            "changed": 0.5,
            "over_bound": 0,
        },
    },
)


@pytest.mark.parametrize("record", [CLEAN, PROTECTED])
def test_a_record_survives_its_line(record: Record) -> None:
    assert Record.from_line(record.to_line()) == record
    assert "\n" not in record.to_line()


def test_missing_figures_are_nan() -> None:
    assert PROTECTED.difference.ssim != PROTECTED.difference.ssim
    assert PROTECTED.difference.linf == 4


def test_the_last_line_counts(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    store = RecordStore(path)
    store.append(PROTECTED)
    store.append(CLEAN)
    newer = replace(PROTECTED, top1=False)
    store.append(newer)

    assert len(path.read_bytes().splitlines()) == 3
    store = RecordStore(path)
    assert store.find("Top1-L1", "straße.png") == newer
    assert store.find("Original", "straße.png") == CLEAN
    assert store.find("Top1-L1", "other.png") is None
    store.tidy()
    assert path.read_text("utf-8") == f"{CLEAN.to_line()}\n{newer.to_line()}\n"


@pytest.mark.parametrize("cut", [1, 40, len(PROTECTED.to_line().encode())])
def test_a_torn_last_line_is_dropped(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "records.jsonl"
    whole = CLEAN.to_line().encode() + b"\n"
    path.write_bytes(whole + PROTECTED.to_line().encode()[:cut])

    store = RecordStore(path)

    assert store.find("Original", "straße.png") == CLEAN
    assert store.find("Top1-L1", "straße.png") is None
    assert path.read_bytes() == whole
    store.append(PROTECTED)
    assert RecordStore(path).find("Top1-L1", "straße.png") == PROTECTED


@pytest.mark.parametrize(
    "line", ["", "{}", "3", "[]", "not json", '{"run": "Original"}', "\udcff"], ids=repr
)
def test_a_line_of_something_else_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "records.jsonl"
    content = f"{CLEAN.to_line()}\n{line}\n".encode(errors="surrogateescape")
    path.write_bytes(content)
    with pytest.raises(EvaluationError, match=r"Line 2 of .* is not a record of this evaluation"):
        RecordStore(path)
    assert path.read_bytes() == content


def test_a_protected_record_needs_its_report() -> None:
    with pytest.raises(ValueError, match="no report"):
        Record.from_line(replace(PROTECTED, report=None).to_line())
    with pytest.raises(ValueError, match="not a record"):
        Record.from_line(replace(PROTECTED, report={"verdict": "protected"}).to_line())


def test_a_record_of_before_flip_is_refused() -> None:
    older = copy.deepcopy(PROTECTED)
    assert older.report is not None
    del older.report["difference"]["flip_p99"]
    with pytest.raises(ValueError, match=r"not a record: .*flip_p99"):
        Record.from_line(older.to_line())


def test_every_record_is_on_the_disk_before_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "records.jsonl"
    seen: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(path.read_bytes()))
    RecordStore(path).append(CLEAN)
    assert seen == [CLEAN.to_line().encode() + b"\n"]


def test_a_folder_has_one_user(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with (
        sole_user(out, ["A"]),
        pytest.raises(EvaluationError, match="Another evaluation is writing to"),
        sole_user(out, ["A"]),
    ):
        pass
    with sole_user(out, ["A"]):
        assert (out / "A").is_dir()


def test_leftovers_of_a_kill_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    leftovers = [tmp_path / ".0123456789abcdef.tmp", tmp_path / "A" / ".fedcba9876543210.tmp"]
    others = [tmp_path / "A" / "photo.png", tmp_path / ".other.tmp"]
    for path in (*leftovers, *others):
        path.write_bytes(b"x")
    with sole_user(tmp_path, ["A"]):
        assert not any(path.exists() for path in leftovers)
        assert all(path.exists() for path in others)


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        with (
            pytest.raises(EvaluationError, match=r"cannot be written \(.*\): choose another --out"),
            sole_user(out, []),
        ):
            pass
    (tmp_path / "records.jsonl").mkdir()
    with pytest.raises(EvaluationError, match=r"cannot be read \(Is a directory\)"):
        RecordStore(tmp_path / "records.jsonl")
