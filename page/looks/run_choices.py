"""The runs as the page offers them: three in plain words, and all others for researchers."""

from __future__ import annotations

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.runs import RUNS, has_group_variant

# What most visitors want, from the strongest on: title and sentence.
_PLAIN = {
    "Posting": (
        "Survives posting",
        "Made to hold after crops, turns and filters, and after all that sites do; its change is "
        "the strongest of these three, and may be faintly visible.",
    ),
    "Balanced": (
        "Balanced",
        "Made to hold after what sites do by themselves (other codecs, smaller sizes) and after "
        "screenshots.",
    ),
    "Invisible": (
        "Invisible",
        "The change that the eye sees least. It protects the file as it is: saving or shrinking "
        "that again may undo it.",
    ),
}

# In the list for researchers: the choice in plain words counts.
AS_ABOVE = ""


def plain_choices() -> list[tuple[str, str]]:
    """The three plain choices, and each one's run."""
    return [(title, name) for name, (title, _) in _PLAIN.items()]


def other_choices() -> list[tuple[str, str]]:
    """All other runs, the paper's first; variants for the whole kind of place are a tick."""
    variants = {RUNS[name].for_group().name for name in RUNS if has_group_variant(name)}
    others = [run for name, run in RUNS.items() if name not in _PLAIN and name not in variants]
    of_paper = [run.name for run in others if isinstance(run.search, Algorithm1)]
    return [
        ("As chosen above", AS_ABOVE),
        *((f"As in the paper: {name}", name) for name in of_paper),
        *((run.name, run.name) for run in others if run.name not in of_paper),
    ]


def run_sentence(name: str) -> str:
    """What a run does, in a sentence or two for visitors.

    Raises:
        KeyError: for a name that is not in the registry.
    """
    return _PLAIN[name][1] if name in _PLAIN else RUNS[name].summary
