"""One photo's trouble in one sentence, whatever it was, so that the photos after it are done.

Tracebacks of faults go to the logger "cvpire.failures" and no further, unless the program asks for
logs (`show_tracebacks`).
"""

from __future__ import annotations

import logging
import os

from cvpire.errors import CvpireError, internal_error, reason
from cvpire.memory import whose_memory

DEBUG_VARIABLE = "CVPIRE_DEBUG"

logger = logging.getLogger(__name__)
# Else logging's last resort would put the traceback among the sentences on the terminal.
logger.addHandler(logging.NullHandler())


def failure_sentence(error: Exception) -> str:
    """What to say of an exception that ended one photo, and of no other.

    Args:
        error: its own sentence where it has one. Lack of memory and trouble with a disk are said as
            such; all else is a fault of the program, whose traceback is logged.
    """
    if isinstance(error, CvpireError):
        return str(error)
    if (where := whose_memory(error)) is not None:
        return (
            f"This needs more memory than {where} has free: make the photo smaller and try again."
        )
    if isinstance(error, OSError):
        return f"A file could not be read or written: {reason(error)}."
    logger.error("%s", internal_error(error), exc_info=error)
    return internal_error(error)


def exit_code(error: Exception) -> int:
    """Of a command that ended early: 2 for trouble outside the program, 70 for a fault of it."""
    is_outside = isinstance(error, CvpireError | OSError) or whose_memory(error) is not None
    return 2 if is_outside else 70


def show_tracebacks() -> None:
    """Have logs written to standard error if the environment variable CVPIRE_DEBUG is set."""
    if os.environ.get(DEBUG_VARIABLE):
        logging.basicConfig()
