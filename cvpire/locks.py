"""A lock on an open file, which the system frees even when its process is killed."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_lock(descriptor: int) -> bool:
    """Lock an open file for this process, without waiting.

    Args:
        descriptor: of a file that is open for writing.

    Returns:
        False if another process holds it.

    Raises:
        OSError: if the file system has no locks, or ran out of them.
    """
    try:
        _lock(descriptor)
    except (BlockingIOError, PermissionError):
        return False
    return True
