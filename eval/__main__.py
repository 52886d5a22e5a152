"""The command line of the evaluation: `python -m eval table1 --help`.

One photo's trouble is listed, and the others are measured. Exit codes: 0 all is measured, 1 all but
some photos, 2 the command was wrong or could not be carried out, 70 a fault of the program, 130 it
was interrupted. With the environment variable CVPIRE_DEBUG set, the traceback of a fault is written
to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    # Importing torch takes seconds, in which an impatient user may well press Ctrl-C.
    try:
        from cvpire.errors import CvpireError
        from cvpire.failures import exit_code, failure_sentence, show_tracebacks
        from cvpire.memory import keep_freed_memory
        from eval.arguments import complain
        from eval.commands import make_parser

        show_tracebacks()
        options = make_parser().parse_args(arguments)
        # Benchmarks compare with programs that leave memory as it is.
        if not options.is_benchmark:
            keep_freed_memory()
        try:
            code: int = options.command(options)
        except CvpireError as error:
            complain(str(error))
            code = 2
        except Exception as error:
            complain(failure_sentence(error))
            code = exit_code(error)
        return code
    except KeyboardInterrupt:
        print(
            "eval: interrupted; what is finished is kept, continue with the same command.",
            file=sys.stderr,
        )
        return 130


if __name__ == "__main__":
    sys.exit(main())
