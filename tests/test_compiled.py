"""Compiled loops that are kept on disk for the next process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from cvpire import compiled

_PROGRAM = """
import numpy as np
from loops import double, total
planes = np.arange(6, dtype=np.float32)
double(planes)
print(total(planes), *(len(loop.stats.cache_hits) for loop in (double, total)))
"""

_LOOPS = """
from cvpire.compiled import compiled

@compiled()
def double(planes):
    for i in range(len(planes)):
        planes[i] *= FACTOR

@compiled(fastmath={"contract"})
def total(planes):
    found = 0.0
    for i in range(len(planes)):
        found += planes[i]
    return found
"""


def run(folder: Path) -> list[str]:
    """The total, and how many forms of each loop came from disk."""
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{Path(__file__).parents[1]}"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_the_next_process_need_not_compile(tmp_path: Path) -> None:
    loops = tmp_path / "loops.py"
    loops.write_text(_LOOPS.replace("FACTOR", "2"))
    assert run(tmp_path) == ["30.0", "0", "0"]
    assert run(tmp_path) == ["30.0", "1", "1"]
    # What changed is compiled anew.
    loops.write_text(_LOOPS.replace("FACTOR", "30"))
    assert run(tmp_path) == ["450.0", "0", "0"]


def test_without_a_place_to_keep_it_a_loop_still_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def njit(*, cache: bool, **_options: object) -> object:
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(numba, "njit", njit)

    @compiled.compiled()
    def first(plane: np.ndarray) -> float:
        return float(plane[0])

    assert first(np.ones(2)) == 1.0
    assert asked == [True, False]
