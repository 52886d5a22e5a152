"""Keeping freed memory, so that a training step does not wait for the system's pages."""

from __future__ import annotations

import ctypes
import platform

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed_memory() -> None:
    """Have glibc keep freed blocks for the next step rather than return them to the system.

    Each step takes and frees the same gigabytes; getting them from the system page by page costs
    more than the convolutions. Elsewhere than with glibc it does nothing: only time depends on it.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, -1)
