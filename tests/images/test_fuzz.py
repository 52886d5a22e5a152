"""A slice of `make fuzz`: damaged files give a photo or a sentence, within time and memory."""

from __future__ import annotations

import random
import sys

import fuzz
import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the limits are those of POSIX")


@pytest.mark.parametrize("kind", fuzz.good_files())
def test_damaged_files_give_a_photo_or_a_sentence(kind: str) -> None:
    assert list(fuzz.fuzz([kind], 60)) == []


def test_the_fuzz_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children that end as a crashed one does, and one that is killed for its time."""
    monkeypatch.setattr(fuzz, "MOST_SECONDS", 0.0)
    for code, words in (("import os; os.abort()", "ended with -6"), ("1/0", "ended with 1")):
        found = list(fuzz.fuzz(["png"], 1, command=[sys.executable, "-c", code]))
        assert len(found) == 1 and words in found[0].what
    waiting = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert "ended with -9" in next(iter(fuzz.fuzz(["png"], 1, command=waiting))).what


def test_damage_is_made_again_from_its_number() -> None:
    files = fuzz.good_files()
    numbers = random.Random(1).sample(range(1000), 20)
    made = [fuzz.damaged("png", number, files) for number in numbers]
    assert made == [fuzz.damaged("png", number, fuzz.good_files()) for number in numbers]
    assert len(set(made)) == len(made) and files["png"] not in made
