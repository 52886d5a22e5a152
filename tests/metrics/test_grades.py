"""How visible a change is, in a word: the bounds, the worse of two, and what is missing."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from conftest import textured_pixels

from cvpire.metrics.difference import Difference, compare
from cvpire.metrics.grades import Grade, grade_difference

SAME = Difference(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0.0, 0)


@pytest.mark.parametrize(
    ("flip", "blurred", "grade", "by_flip", "by_blotch"),
    [
        # FLIP's readings: 0.05 is hard to find, 0.1 findable, 0.2 seen.
        (0.0, 0.0, "none", "none", "none"),
        (0.05, 2.5, "none", "none", "none"),
        (0.051, 0.0, "faint", "faint", "none"),
        (0.1, 6.0, "faint", "faint", "faint"),
        (0.2, 1.0, "visible", "visible", "none"),
        # A blotch counts however little else there is: 4.2 nobody found, 19 was plain to see.
        (0.01, 4.2, "faint", "none", "faint"),
        (0.01, 19.0, "visible", "none", "visible"),
        (0.07, 6.1, "visible", "faint", "visible"),
    ],
)
def test_the_worse_of_two_yardsticks(
    flip: float, blurred: float, grade: str, by_flip: str, by_blotch: str
) -> None:
    seen = grade_difference(SAME._replace(flip_p99=flip, delta_e_blurred=blurred))
    assert seen.grade is Grade(grade)
    assert seen.as_record() == {
        "grade": grade,
        "by": {"flip_p99": by_flip, "delta_e_blurred": by_blotch},
        "unavailable": None,
    }
    assert seen.figures() == f"FLIP {flip:.3f}, blurred dE00 {blurred:.1f}"


@pytest.mark.parametrize(("blurred", "grade"), [(0.0, "none"), (3.0, "faint"), (7.0, "visible")])
def test_without_flip_the_blotch_decides_and_it_is_said(blurred: float, grade: str) -> None:
    seen = grade_difference(SAME._replace(flip_p99=math.nan, delta_e_blurred=blurred))
    record = seen.as_record()
    assert record["grade"] == grade
    assert record["by"] == {"flip_p99": None, "delta_e_blurred": grade}
    assert str(record["unavailable"]).startswith("FLIP is unavailable: the package flip-evaluator")
    assert seen.figures() == f"blurred dE00 {blurred:.1f}"


@pytest.mark.parametrize("has_flip", [True, False])
def test_equal_photos_have_no_change_to_see(
    has_flip: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_flip:
        monkeypatch.setitem(sys.modules, "flip_evaluator", None)
    pixels = textured_pixels()
    assert grade_difference(compare(pixels, pixels, np.zeros((48, 48)))).grade is Grade.NONE


def test_what_people_see_is_called_visible() -> None:
    """A red patch in a grey one, of 10 x 10 pixels: nobody overlooks it. One level: nobody sees."""
    grey = np.full((60, 60, 3), 128, np.uint8)
    patch, one = grey.copy(), grey.copy()
    patch[20:30, 20:30, 0] = 200
    one[20:30, 20:30, 0] += 1
    bound = np.ones((60, 60))
    assert grade_difference(compare(grey, patch, bound)).grade is Grade.VISIBLE
    assert grade_difference(compare(grey, one, bound)).grade is Grade.NONE
