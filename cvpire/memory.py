"""Keeping freed memory for the next step, rather than getting it from the system page by page.

A pass through a network takes and frees the same hundreds of megabytes each time. glibc returns
them to the system and waits for fresh pages, which costs a tenth and more of the pass.
"""

from __future__ import annotations

import ctypes
import platform

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_MMAP_MAX = -4

# The highest that glibc takes: what is larger, such as the planes of a large photo, is returned.
_LARGEST_KEPT_BLOCK = 32 << 20
_KEPT_BYTES = 256 << 20


def keep_freed_memory(*, without_limit: bool = False) -> None:
    """Have this process keep the memory that it frees, in blocks of up to 32 MiB and up to 256 MiB.

    For a program to call as it starts. Elsewhere than with glibc it does nothing: only time depends
    on it.

    Args:
        without_limit: keep blocks of any size, and all of them.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    if without_limit:
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, -1)
    else:
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BLOCK)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
