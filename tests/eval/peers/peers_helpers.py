"""What the tests of the comparison with peers share: methods of which the outcome is certain."""

from __future__ import annotations

from torch import Tensor

from eval.methods import Method, Task, methods_for


def invert(task: Task) -> Tensor:
    """Certain to be something else, and to be seen."""
    return 1.0 - task.image


def nothing(task: Task) -> Tensor:
    return task.image


FAKES = (
    *(method for method in methods_for("top1") if method.is_ours),
    Method("invert", "inverted", invert),
    Method("nothing", "left alone", nothing),
    Method("absent", "not there", nothing, package="no_such_package"),
)
