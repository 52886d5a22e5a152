"""Compiled loops that are kept on disk for the next process."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.caching import FunctionCache
from numpy.typing import NDArray

from cvpire import compiled

_PROGRAM = """
import numpy as np
from loops import double, total
planes = np.arange(6, dtype=np.float32)
double(planes)
print(total(planes), *(len(loop.stats.cache_hits) for loop in (double, total)))
"""

_MAP_PROGRAM = """
import hashlib
import torch
from cvpire.color import variance_kernel
from cvpire.color.variance import color_variance
image = torch.rand((1, 3, 64, 300), generator=torch.Generator().manual_seed(0))
digest = hashlib.sha256(color_variance(image).numpy().tobytes()).hexdigest()
print(digest, len(variance_kernel._measure_band.stats.cache_hits))
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


def run(folder: Path, program: str = _PROGRAM, cache: Path | None = None) -> list[str]:
    """What a new process prints: the total, and how many forms of each loop came from disk."""
    places = (str(folder), str(Path(__file__).parents[1]))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    environment.pop("NUMBA_CACHE_DIR", None)
    if cache:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    done = subprocess.run(
        [sys.executable, "-c", program],
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


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("left", [0, 40])
def test_a_damaged_file_is_compiled_anew_and_mended(tmp_path: Path, suffix: str, left: int) -> None:
    (tmp_path / "loops.py").write_text(_LOOPS.replace("FACTOR", "2"))
    run(tmp_path)
    damaged = list((tmp_path / "__pycache__").glob(f"*.{suffix}"))
    assert len(damaged) == 2
    for path in damaged:
        path.write_bytes(path.read_bytes()[:left])
    assert run(tmp_path) == ["30.0", "0", "0"]
    assert run(tmp_path) == ["30.0", "1", "1"]


def test_the_process_that_compiles_measures_the_same_map_as_the_next(tmp_path: Path) -> None:
    fresh, first = run(tmp_path, _MAP_PROGRAM, tmp_path / "cache")
    kept, second = run(tmp_path, _MAP_PROGRAM, tmp_path / "cache")
    assert (first, second) == ("0", "1")
    assert fresh == kept


def test_without_a_place_to_keep_it_a_loop_still_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = []

    def refuse(*_: object) -> None:
        refused.append("place")
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(compiled._CarefulCache, "__init__", refuse)

    @compiled.compiled()
    def first(plane: NDArray[np.float32]) -> float:
        return float(plane[0])

    assert first(np.ones(2, np.float32)) == 1.0
    assert refused == ["place"]


def test_a_full_disk_does_not_keep_a_loop_from_running(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FunctionCache, "save_overload", refuse)

    @compiled.compiled()
    def last(plane: NDArray[np.float32]) -> float:
        return float(plane[-1])

    with caplog.at_level(logging.INFO):
        assert last(np.ones(2, np.float32)) == 1.0
    assert "No space left on device" in caplog.text
