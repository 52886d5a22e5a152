"""The command line of the evaluation: `python -m eval table1 --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    # Importing torch takes seconds, in which an impatient user may well press Ctrl-C.
    try:
        from cvpire.memory import keep_freed_memory
        from eval.commands import make_parser
        from eval.errors import EvaluationError

        options = make_parser().parse_args(arguments)
        # Benchmarks compare with programs that leave memory as it is.
        if not options.is_benchmark:
            keep_freed_memory()
        try:
            code: int = options.command(options)
        except EvaluationError as error:
            print(f"eval: {error}", file=sys.stderr)
            code = 2
        return code
    except KeyboardInterrupt:
        print(
            "eval: interrupted; what is finished is kept, continue with the same command.",
            file=sys.stderr,
        )
        return 130


if __name__ == "__main__":
    sys.exit(main())
