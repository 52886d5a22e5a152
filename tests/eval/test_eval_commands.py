"""The evaluation's command line, but for `table1`, which has its own tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval import benchmarks
from eval.__main__ import main
from eval.ways import WAYS


def test_speed_prints_its_tables_and_draws(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(benchmarks, "SIZES", (0.0004, 0.0009))
    monkeypatch.setattr(benchmarks, "KERNELS", (3,))
    plot = tmp_path / "new" / "speed.png"
    words = ["speed", "--megapixels", "0.0004", "--kernel-size", "3", "--plot", str(plot)]
    assert main(words) == 0
    out = capsys.readouterr().out
    names = [line.split(" | ")[0] for line in out.splitlines() if line.startswith("| ")]
    ours = "| cvpire.color.variance"
    assert [name for name in names if name != "| way"] == [
        *(f"| {way.name}" for way in WAYS),
        *(ours, ours, ours),
    ]
    assert "the seconds grow as the pixels to the power of" in out
    assert plot.stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kernel-size", "4"], "expected an odd kernel_size of 3 or more, got 4"),
        (["--megapixels", "0"], "expected --megapixels above 0 and up to 100, got 0"),
        (["--megapixels", "1,1e9"], "expected --megapixels above 0 and up to 100, got 1, 1e+09"),
    ],
)
def test_what_cannot_be_timed_is_one_sentence(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["speed", "--megapixels", "0.0004", *words]) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"eval: {message}.")


def test_without_a_command_it_asks_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert capsys.readouterr().err == (
        "eval: the following arguments are required: COMMAND (--help explains).\n"
    )


def test_a_format_that_cannot_be_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["robustness", "--images", "x", "--classifier", "scenes", "--format", "gif-9"]
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "argument --format: expected a file format such as PNG" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "command", "is_kept"),
    [
        (["gradients"], "eval.benchmarks._gradients", False),
        (["speed"], "eval.benchmarks._speed", False),
        (["table1", "--images", "photos", "--classifier", "scenes"], "eval.commands._table1", True),
    ],
)
def test_only_benchmarks_leave_memory_as_it_is(
    words: list[str], command: str, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def carry_out(_: object) -> int:
        calls.append("command")
        return 0

    monkeypatch.setattr("cvpire.memory.keep_freed_memory", lambda: calls.append("keep"))
    monkeypatch.setattr(command, carry_out)
    assert main(words) == 0
    assert calls == (["keep", "command"] if is_kept else ["command"])
