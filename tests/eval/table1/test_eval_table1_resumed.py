"""The whole evaluation, killed, stopped or interrupted, ends with the same table."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import table1_helpers
from table1_helpers import arguments, measure, options, records_of, set_up, timeless

from eval import protection
from eval.__main__ import main
from eval.errors import EvaluationError
from eval.progress import Progress
from eval.records import Record, RecordStore

images = table1_helpers.images

TESTS = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(monkeypatch)


def test_killed_in_the_middle_it_ends_with_the_same_table(images: Path) -> None:
    whole = options(images, out=images.parent / "whole")
    measure(whole)
    # The child dies by SIGKILL in the middle of a line: the second of a batch of two.
    code = f"""
import os, signal, sys
sys.path[:0] = [{str(TESTS)!r}, {str(TESTS / "helpers")!r}]
import pytest
from eval import protection, scores, table1
from eval.__main__ import main
from eval.records import RecordStore
from table1_helpers import set_up

set_up(pytest.MonkeyPatch())
append, count = RecordStore.append, 0

def append_or_die(store, record):
    global count
    count += 1
    if count == 11:
        with store._path.open("ab") as file:
            file.write(record.to_line().encode()[:200])
        os.kill(os.getpid(), signal.SIGKILL)
    append(store, record)

RecordStore.append = append_or_die
main({arguments(options(images))!r})
"""
    child = subprocess.run(
        [sys.executable, "-c", code], cwd=TESTS.parent, capture_output=True, check=False
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    out = options(images).out
    assert not (out / "table1.md").exists()
    assert not (out / "records.jsonl").read_bytes().endswith(b"\n")
    assert len((out / "records.jsonl").read_bytes().splitlines()) == 11

    measure(options(images))

    assert timeless(out) == timeless(whole.out)


def test_stopped_at_any_record_it_ends_with_the_same_table(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = options(images, out=images.parent / "whole", limit=3)
    measure(whole)
    append = RecordStore.append

    for stop in range(1, 9):
        some = options(images, out=images.parent / f"out{stop}", limit=3)
        left = iter(range(stop))

        def append_or_stop(store: RecordStore, record: Record) -> None:
            if next(left, None) is None:  # noqa: B023 - used within its own round
                raise KeyboardInterrupt
            append(store, record)

        monkeypatch.setattr(RecordStore, "append", append_or_stop)
        with pytest.raises(KeyboardInterrupt):
            measure(some)
        monkeypatch.setattr(RecordStore, "append", append)
        measure(some)
        assert timeless(some.out) == timeless(whole.out)


def test_only_what_is_missing_is_done_again(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    protect_batch = protection.__dict__["protect_batch"]

    def counted(photos: Sequence[Any], *args: Any, **named: Any) -> Any:
        done.append(len(photos))
        return protect_batch(photos, *args, **named)

    monkeypatch.setattr(protection, "protect_batch", counted)
    measure(options(images))
    out = options(images).out
    before = timeless(out)
    assert done == [2, 2, 2, 1] * 2

    done.clear()
    measure(options(images))
    assert done == []

    # A file that is gone, or not what was recorded, takes its whole batch with it.
    (out / "Top1-L1" / "b.png").unlink()
    (out / "Top5-noL1" / "g.png").write_bytes(b"something else")
    measure(options(images))
    assert sorted(done) == [1, 2]
    assert timeless(out) == before


def test_progress_counts_all_and_starts_where_an_earlier_one_ended(images: Path) -> None:
    steps: list[Progress] = []
    measure(options(images, runs="Top1-L1", limit=4))
    measure(options(images, limit=4), steps.append)
    protecting = [(s.detail, s.done, s.total) for s in steps if s.stage == "Protecting"]
    # a.png and d.png, b.png and c.png; four of eight were there.
    assert protecting == [("Top5-noL1", 4, 8), ("Top5-noL1", 6, 8), ("", 8, 8)]


def test_interrupted_it_says_how_to_go_on(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*args: Any, **named: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(protection, "protect_batch", interrupt)
        assert main(arguments(options(images))) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1] == (
        "eval: interrupted; what is finished is kept, continue with the same command."
    )
    assert main(arguments(options(images))) == 0
    assert capsys.readouterr().out == (options(images).out / "table1.md").read_text()


def test_a_full_disk_leaves_whole_records_only(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_file = Path.replace

    def fail_for_photos(path: Path, target: Path) -> Path:
        if target.name == "c.png":
            raise OSError(28, "No space left on device")
        return replace_file(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail_for_photos)
        assert main(arguments(options(images))) == 2
    assert "c.png could not be written: the disk is full" in capsys.readouterr().err
    out = options(images).out
    assert {record.file for record in records_of(out) if record.report} == {
        "a.png",
        "d.png",
        "b.png",
    }
    assert not list(out.rglob("*.tmp"))


def test_a_file_that_changes_under_our_hands_is_noticed(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "eval.protection.write_bytes", lambda path, data: path.write_bytes(data + b"\0")
    )
    with pytest.raises(EvaluationError, match="does not hold what was written to it"):
        measure(options(images))
