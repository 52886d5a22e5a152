"""The runs as the page offers them: first the three that most visitors want, in plain words."""

from __future__ import annotations

from typing import NamedTuple

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.runs import RUNS, has_group_variant


class _Words(NamedTuple):
    """What the page calls a run.

    Attributes:
        title: in the list of runs.
        sentence: what it is good for, ending in a full stop.
    """

    title: str
    sentence: str


_FIRST = {
    "Invisible": _Words(
        "Invisible",
        "The change that the eye sees least; it protects the file as it is, and saving or "
        "shrinking that again may undo it.",
    ),
    "Balanced": _Words(
        "Balanced",
        "Made to hold after what sites do by themselves (other codecs, smaller sizes) and after "
        "screenshots; the change is stronger.",
    ),
    "Posting": _Words(
        "Survives posting",
        "Made to hold after crops, turns and filters as well; of these three, the strongest "
        "change.",
    ),
}


def run_choices() -> list[tuple[str, str]]:
    """What the list of runs shows, and each run's name: ours, the paper's, and the others.

    Variants that hide the whole kind of place are a choice of their own beside the list.
    """
    variants = {RUNS[name].for_group().name for name in RUNS if has_group_variant(name)}
    others = [run for name, run in RUNS.items() if name not in _FIRST and name not in variants]
    of_paper = [run.name for run in others if isinstance(run.search, Algorithm1)]
    return [
        *((words.title, name) for name, words in _FIRST.items()),
        *((f"As in the paper: {name}", name) for name in of_paper),
        *((run.name, run.name) for run in others if run.name not in of_paper),
    ]


def run_sentence(name: str) -> str:
    """What a run does, in one sentence for visitors.

    Raises:
        KeyError: for a name that is not in the registry.
    """
    return _FIRST[name].sentence if name in _FIRST else RUNS[name].summary
