"""Loops that numba compiles, kept on disk for the next process where there is a place for them.

Compiling takes a second a loop. What is kept is numba's to keep apart by processor and version; it
lies beside the module, in `__pycache__`, or in the user's cache folder. numba looks at nothing but
the loop's own file to see whether it changed: so a constant that a loop uses stands in its file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(*, fastmath: bool | set[str] = False) -> Callable[[_Function], _Function]:
    """Decorates a function to be compiled at its first call; it then runs without Python's lock.

    Args:
        fastmath: what LLVM may do to floating point.
    """

    def decorate(function: _Function) -> _Function:
        def as_loop(*, cache: bool) -> Any:
            make = numba.njit(nogil=True, error_model="numpy", fastmath=fastmath, cache=cache)
            return make(function)

        try:
            return cast(_Function, as_loop(cache=True))
        except RuntimeError:  # no folder can be written to: it is compiled in each process
            return cast(_Function, as_loop(cache=False))

    return decorate
