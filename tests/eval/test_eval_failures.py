"""One photo's trouble in the evaluation: it is listed, and the others are measured and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import eval_failures_helpers
import numpy as np
import pytest
from conftest import textured_pixels
from eval_helpers import protected_options
from table1_helpers import arguments, measure, options, records_of, set_up, timeless

from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.protection import protect_batch
from cvpire.rehearsal import rehearse
from cvpire.runs import RUNS
from eval import judge, originals, protection, robustness, scores
from eval.__main__ import main
from eval.robustness import RobustnessOptions, measure_robustness
from eval.table1 import measure_table1

images = eval_failures_helpers.images


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(monkeypatch)


def failing_for(real: Callable[..., Any], seed: int, error: Exception) -> Callable[..., Any]:
    """A function of photos (or of a path) that fails where that picture is among them."""
    odd = textured_pixels(32, 32, seed=seed)

    def fail(first: Any, *words: Any, **settings: Any) -> Any:
        photos = [read_photo(first)] if isinstance(first, Path) else first
        photos = photos if isinstance(photos, Sequence) else [photos]
        if any(isinstance(p, Photo) and np.array_equal(p.pixels, odd) for p in photos):
            raise error
        return real(first, *words, **settings)

    return fail


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (TypeError("planted"), "b.png: Internal error, TypeError: planted. This is a fault of"),
        (ValueError("planted"), "b.png: Internal error, ValueError: planted. This is a fault of"),
        (MemoryError(), "b.png: This needs more memory than this machine has free"),
        (OSError(5, "Input/output error"), "b.png: A file could not be read or written: the sys"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize(
    ("module", "name"),
    [(originals, "classify_sights"), (protection, "read_photo"), (protection, "protect_batch")],
    ids=["clean", "reading", "protecting"],
)
def test_one_photo_fails_and_the_table_is_of_the_others(
    module: Any,
    name: str,
    error: Exception,
    sentence: str,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module, name, failing_for(getattr(module, name), 1, error))
    asked = options(images, runs="Top1-L1", batch_size=4)
    assert main(arguments(asked)) == 1
    printed = capsys.readouterr()
    assert "5 images of `images`" in printed.out
    assert f"could not be looked at: 1 image. {sentence}" in printed.out
    assert f"eval: 1 of the photos could not be looked at and are not in the table: {sentence}" in (
        printed.err
    )
    assert "Traceback" not in printed.err
    done = {r.file: r.batch for r in records_of(asked.out) if r.run == "Top1-L1"}
    assert set(done) == {"a.png", "c.png", "d.png", "e.png", "f.png"}
    together = ("a.png", "c.png", "d.png")
    if name == "classify_sights":
        assert done["a.png"] == ("a.png", "c.png", "d.png", "e.png")
    elif name == "read_photo":
        assert [done[file] for file in together] == [together] * 3
        assert done["e.png"] == ("e.png", "f.png")
    else:
        assert [done[file] for file in together] == [(file,) for file in together]
        assert done["e.png"] == ("e.png", "f.png")


def test_the_others_are_what_they_are_without_the_one_that_fails(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = options(images, batch_size=4, out=images.parent / "whole")
    measure(whole)
    failing = failing_for(protect_batch, 1, TypeError("planted"))
    monkeypatch.setattr(protection, "protect_batch", failing)
    part = options(images, batch_size=4, out=images.parent / "part")
    measure(part)
    for run in part.runs:
        assert not (part.out / run.name / "b.png").exists()
        for name in "acdef":
            one, other = (out / run.name / f"{name}.png" for out in (part.out, whole.out))
            assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", ["read_photo", "protect_batch"])
def test_what_is_done_beside_a_failure_is_not_done_again(
    name: str, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = options(images, runs="Top1-L1", batch_size=4)
    real = protect_batch
    calls: list[int] = []

    def counted(photos: Sequence[Photo], *words: Any, **settings: Any) -> Any:
        results = real(photos, *words, **settings)
        calls.append(len(photos))
        return results

    with monkeypatch.context() as patch:
        patch.setattr(protection, "protect_batch", counted)
        fail = failing_for(getattr(protection, name), 1, TypeError("planted"))
        patch.setattr(protection, name, fail)
        measure(asked)
        assert sorted(calls) == ([2, 3] if name == "read_photo" else [1, 1, 1, 2])
        first = timeless(asked.out)
        calls.clear()
        measure(asked)
        assert calls == []
        assert timeless(asked.out) == first
    # Once it works again, it is as if nothing had ever failed.
    measure(asked)
    other = replace(asked, out=images.parent / "other")
    measure(other)
    assert timeless(asked.out) == timeless(other.out)


def test_where_all_fail_the_first_reason_is_given(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TypeError("planted")

    monkeypatch.setattr(protection, "protect_batch", fail)
    assert main(arguments(options(images, runs="Top1-L1"))) == 2
    assert "None of the 6 images could be measured; the first: a.png: Internal error" in (
        capsys.readouterr().err
    )


def test_a_score_that_fails_is_told_of(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake:
        title = "fake (0-1)"

        def score(self, pixels: Any) -> float:
            if np.array_equal(pixels, textured_pixels(32, 32, seed=2)):
                raise ZeroDivisionError("planted")
            return 0.5

    monkeypatch.setattr(scores, "load_scorer", lambda *_, **__: Fake())
    result = measure_table1(options(images, runs="Top1-L1", aesthetics="auto"), lambda step: None)
    assert result.missing == (
        "Without an aesthetic score in Original: c.png: Internal error, ZeroDivisionError: "
        "planted. This is a fault of CV-PIRE, not of your photo: please report it.",
    )
    assert not result.unreadable
    rows = [line for line in result.markdown.splitlines() if line.startswith("| ")]
    assert "| - |" in rows[1] and "| 0.50 |" in rows[2]


def test_a_rehearsal_of_one_photo_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = rehearse, []

    def fail_second(*words: Any, **settings: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("planted")
        return real(*words, **settings)

    monkeypatch.setattr(robustness, "rehearse", fail_second)
    asked = RobustnessOptions(**vars(protected_options(tmp_path, RUNS["Top1-L1"])))
    result = measure_robustness(asked, lambda step: None)
    assert list(result.unreadable) == ["1.png"]
    assert "images 2" in result.markdown.splitlines()[0]


def test_a_fault_of_the_evaluation_is_shown_as_one(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("eval.table1.markdown", fail)
    assert main(arguments(options(images, runs="Top1-L1"))) == 70
    assert capsys.readouterr().err.splitlines()[-1] == (
        "eval: Internal error, RuntimeError: planted. This is a fault of CV-PIRE, not of your "
        "photo: please report it."
    )
    monkeypatch.setattr(judge, "load_classifier", fail)
    with pytest.raises(RuntimeError, match="planted"):
        measure(options(images))
