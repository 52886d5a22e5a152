"""Failed allocations, which numpy, torch and its libraries report in a dozen ways, as one error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cvpire.errors import OutOfMemoryError

# What torch's RuntimeErrors say of the machine's own memory: on Linux, then elsewhere.
_OF_MACHINE = ("allocate memory", "not enough memory", "bad_alloc")

# Of an accelerator's: the caching allocators of CUDA, HIP, MPS and XPU ("CUDA out of memory"), the
# drivers ("CUDA error: out of memory"), and libraries that allocate by themselves.
_OF_ACCELERATOR = (
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "CUFFT_ALLOC_FAILED",
)


@contextmanager
def memory_errors() -> Iterator[None]:
    """Say what a user can do about a failed allocation; other errors pass through untouched.

    Raises:
        OutOfMemoryError: in place of the error that a failed allocation raised.
    """
    try:
        yield
    except OutOfMemoryError:
        raise
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
    text = str(error)
    is_of_machine = any(sign in text for sign in _OF_MACHINE)
    if is_of_machine and not isinstance(error, torch.OutOfMemoryError):
        return "this machine"
    # CUBLAS_STATUS_NOT_INITIALIZED and its like may have other causes: they count with these words.
    is_out = isinstance(error, torch.OutOfMemoryError) or "out of memory" in text.lower()
    if is_out or any(sign in text for sign in _OF_ACCELERATOR):
        return "this machine's accelerator"
    return None
