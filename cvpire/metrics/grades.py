"""How visible a change is, in a word, by fixed bounds of two yardsticks.

FLIP's 99th percentile tells of many pixels that flicker, the blurred CIEDE2000 of one patch that
has another colour (see `cvpire.metrics.flip` and `cvpire.metrics.blotches`). The worse of the two
counts. Where FLIP is unavailable the other decides alone, and the result says so.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import NamedTuple

from cvpire.metrics.difference import Difference
from cvpire.metrics.flip import NO_FLIP


class Grade(Enum):
    """How visible a change is; from the least on."""

    NONE = "none"
    FAINT = "faint"
    VISIBLE = "visible"

    @property
    def meaning(self) -> str:
        """In a few words."""
        return _MEANINGS[self]


_MEANINGS = {
    Grade.NONE: "hard to find even by flipping",
    Grade.FAINT: "found by flipping at 100%",
    Grade.VISIBLE: "may be seen without flipping",
}


class Yardstick(NamedTuple):
    """A figure of `cvpire.metrics.difference.Difference`, and what it says of a change.

    Attributes:
        figure: the figure's name there.
        title: in words.
        decimals: that are worth printing.
        none_to: the largest value of a change that is hard to find.
        faint_to: the largest value of one that is found by flipping only.
    """

    figure: str
    title: str
    decimals: int
    none_to: float
    faint_to: float

    def grade(self, value: float) -> Grade:
        """What this value says of a change, 0 or more."""
        if value <= self.none_to:
            return Grade.NONE
        return Grade.FAINT if value <= self.faint_to else Grade.VISIBLE


# FLIP: of what people found in protected photos, 0.05 is hard to find, 0.1 can be found and 0.2 is
# seen. Blurred dE00: 4.2 was found by nobody at 300%, 19 was plain to see at 100%; "visible" begins
# between the two, nearer to the first.
YARDSTICKS = (
    Yardstick("flip_p99", "FLIP", 3, none_to=0.05, faint_to=0.1),
    Yardstick("delta_e_blurred", "blurred dE00", 1, none_to=2.5, faint_to=6.0),
)


class Visibility(NamedTuple):
    """How visible a change is, and by which yardsticks.

    Attributes:
        grade: the worst of those below.
        by: what each yardstick at hand says, by the name of its figure.
        values: their figures, by the same names.
        unavailable: why a yardstick is missing, in a sentence; "" where none is.
    """

    grade: Grade
    by: dict[str, Grade]
    values: dict[str, float]
    unavailable: str

    def as_record(self) -> dict[str, object]:
        """As JSON has it; null for what is missing."""
        return {
            "grade": self.grade.value,
            "by": {
                y.figure: self.by[y.figure].value if y.figure in self.by else None
                for y in YARDSTICKS
            },
            "unavailable": self.unavailable or None,
        }

    def figures(self) -> str:
        """The yardsticks' figures: "FLIP 0.043, blurred dE00 3.1"."""
        return ", ".join(
            f"{y.title} {self.values[y.figure]:.{y.decimals}f}"
            for y in YARDSTICKS
            if y.figure in self.values
        )


def grade_difference(difference: Difference) -> Visibility:
    """How visible a difference is; equal photos have 0 by both yardsticks, and so *none*.

    Args:
        difference: whose `flip_p99` is NaN where FLIP is unavailable.
    """
    figures = {y.figure: getattr(difference, y.figure) for y in YARDSTICKS}
    values = {name: value for name, value in figures.items() if not math.isnan(value)}
    by = {y.figure: y.grade(values[y.figure]) for y in YARDSTICKS if y.figure in values}
    missing = "" if "flip_p99" in values else NO_FLIP
    return Visibility(max(by.values(), key=list(Grade).index), by, values, missing)
