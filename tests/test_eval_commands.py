"""The evaluation's command line, but for `table1`, which has its own tests."""

from __future__ import annotations

import pytest

from eval.__main__ import main


def test_speed_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed", "--side", "24", "--kernel-size", "3", "--repetitions", "1"]) == 0
    names = [line.split(" | ")[0] for line in capsys.readouterr().out.splitlines()]
    assert names[2:] == ["| cvpire.threshold", "| scikit-image, one call a neighbour"]


def test_a_kernel_that_the_map_refuses_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed", "--side", "24", "--kernel-size", "4"]) == 2
    assert capsys.readouterr().err == "eval: expected an odd kernel_size of 3 or more, got 4\n"


def test_without_a_command_it_asks_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert capsys.readouterr().err == (
        "eval: the following arguments are required: COMMAND (--help explains).\n"
    )
