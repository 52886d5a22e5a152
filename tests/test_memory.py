"""That what is freed is kept, as the system counts the pages it hands out."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from cvpire.memory import keep_freed_memory

ROOT = Path(__file__).parents[1]

# Five blocks of 20 MB are taken, filled and freed, ten times over, after a first time.
_CHURN = """
import resource
from cvpire.memory import keep_freed_memory
{call}

def churn(size):
    blocks = [bytes([value]) * size for value in range(1, 6)]

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

churn(20_000_000)
before = faults()
for _ in range(10):
    churn(20_000_000)
print(faults() - before)
"""


def page_faults(call: str) -> int:
    """Of the ten times, in a process that nothing else told how to treat memory."""
    tuned = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(tuned)}
    done = subprocess.run(
        [sys.executable, "-c", _CHURN.format(call=call)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc can be told")
@pytest.mark.parametrize("call", ["keep_freed_memory()", "keep_freed_memory(without_limit=True)"])
def test_memory_that_is_freed_is_not_fetched_anew(call: str) -> None:
    assert page_faults(call) < 0.1 * page_faults("")


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", lambda _: pytest.fail("no such library there"))
    keep_freed_memory()
