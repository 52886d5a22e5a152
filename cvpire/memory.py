"""Memory: kept when it is freed, and said in a sentence where there is too little.

A pass through a network takes and frees the same hundreds of megabytes each time. glibc returns
them to the system and waits for fresh pages, which costs a tenth and more of the pass. numpy, torch
and its libraries report failed allocations in a dozen ways.
"""

from __future__ import annotations

import ctypes
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cvpire.errors import OutOfMemoryError

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_MMAP_MAX = -4

# The highest that glibc takes: what is larger, such as the planes of a large photo, is returned.
_LARGEST_KEPT_BLOCK = 32 << 20
_KEPT_BYTES = 256 << 20

# What torch's RuntimeErrors say of the machine's own memory: on Linux, then elsewhere.
_OF_MACHINE = re.compile("allocate memory|not enough memory|bad_alloc")

# Of an accelerator's: the caching allocators of CUDA, HIP, MPS and XPU ("CUDA out of memory"), the
# drivers ("CUDA error: out of memory"), and libraries that allocate by themselves, such as cuBLAS.
# CUBLAS_STATUS_NOT_INITIALIZED and its like may have other causes: they count with these words.
_OF_ACCELERATOR = re.compile("(?i:out of memory)|CU[A-Z_]+_ALLOC(ATION)?_FAILED")


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


@contextmanager
def memory_errors() -> Iterator[None]:
    """Say what a user can do about a failed allocation; other errors pass through untouched.

    Raises:
        OutOfMemoryError: in place of the error that a failed allocation raised.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if (where := whose_memory(error)) is None:
            raise
        raise OutOfMemoryError(
            f"This photo needs more memory than {where} has free: make it smaller and try again."
        ) from error


def whose_memory(error: BaseException) -> str | None:
    """Whose memory is too little, in words; None where the error says nothing of memory."""
    if isinstance(error, MemoryError):
        return "this machine"
    if not isinstance(error, RuntimeError):
        return None
    is_of_accelerator = isinstance(error, torch.OutOfMemoryError)
    if _OF_MACHINE.search(str(error)) and not is_of_accelerator:
        return "this machine"
    if is_of_accelerator or _OF_ACCELERATOR.search(str(error)):
        return "this machine's accelerator"
    return None
