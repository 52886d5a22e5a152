"""The command line: `cvpire protect PHOTO... -o DIR`, `cvpire rehearse FILE` and `cvpire weights`.

Without a subcommand, photos are protected. Exit codes: 0 every photo is protected, 1 at least one
is not, 2 the command was wrong, 70 a fault of the program, 130 it was interrupted, 141 nobody read
on. With the environment variable CVPIRE_DEBUG set, the traceback of a fault is written to standard
error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from cvpire.cli import protect, rehearse, weights
from cvpire.cli.console import complain
from cvpire.errors import CvpireError
from cvpire.failures import exit_code, failure_sentence, show_tracebacks
from cvpire.memory import keep_freed_memory

SUBCOMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "protect": protect.main,
    "rehearse": rehearse.main,
    "weights": weights.main,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    keep_freed_memory()
    show_tracebacks()
    try:
        subcommand = SUBCOMMANDS.get(arguments[0]) if arguments else None
        code = subcommand(arguments[1:]) if subcommand else protect.main(arguments)
        # Flush here, so that a closed pipe raises BrokenPipeError inside this try.
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except CvpireError as error:
        complain(str(error))
        return 2
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        complain("interrupted; finished photos are kept.")
        return 130
    except Exception as error:
        complain(failure_sentence(error))
        return exit_code(error)
