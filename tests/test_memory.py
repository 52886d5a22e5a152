"""That what is freed is kept, as the system counts the pages it hands out."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from cvpire.memory import keep_freed_memory

ROOT = Path(__file__).parents[1]

# Five blocks of 20 MB are taken, touched and freed, ten times over.
_CHURN = """
import resource
import numpy as np
from cvpire.memory import keep_freed_memory
{call}
for _ in range(10):
    blocks = [np.ones(5_000_000, np.float32) for _ in range(5)]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def page_faults(call: str) -> int:
    code = _CHURN.format(call=call)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc can be told")
@pytest.mark.parametrize("call", ["keep_freed_memory()", "keep_freed_memory(without_limit=True)"])
def test_memory_that_is_freed_is_not_fetched_anew(call: str) -> None:
    # numpy's import takes some pages, too.
    assert page_faults(call) < 0.5 * page_faults("")


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", lambda _: pytest.fail("no such library there"))
    keep_freed_memory()
