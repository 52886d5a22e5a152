"""Loops that numba compiles, kept on disk for the next process where there is a place for them.

Compiling takes a second a loop. What is kept is numba's to keep apart by processor and version; it
lies beside the module, in `__pycache__`, or in the user's cache folder. numba looks at nothing but
the loop's own file to see whether it changed: so a constant that a loop uses stands in its file,
and who changes the options below clears these folders.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

logger = logging.getLogger(__name__)

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(*, fastmath: bool | set[str] = False) -> Callable[[_Function], _Function]:
    """Decorates a function to be compiled at its first call; it then runs without Python's lock.

    Args:
        fastmath: what LLVM may do to floating point.
    """

    def decorate(function: _Function) -> _Function:
        # A loop that calls another carries it within itself. Otherwise the one that is loaded first
        # counts, its own copy or the other's, and they round differently: the process that compiles
        # would make other bytes than all later ones.
        loop: Any = numba.njit(
            nogil=True, forceinline=True, error_model="numpy", fastmath=fastmath
        )(function)
        with suppress(RuntimeError):  # no folder can be written to: compiled in each process
            loop._cache = _CarefulCache(function)  # type: ignore[no-untyped-call]
        return cast(_Function, loop)

    return decorate


class _CarefulCache(FunctionCache):
    """numba's own, which has no types, and does without what cannot be read or written.

    Nothing is lost but the time to compile: so damaged files and full disks are no user's concern,
    and only logged.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception as error:  # a damaged pickle may raise anything
            logger.info("a compiled loop cannot be read and is compiled anew: %r", error)
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        except Exception as error:  # the damaged file may still be there
            logger.info("a compiled loop cannot be kept: %r", error)
