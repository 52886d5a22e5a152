"""What is said of a photo that goes through what may happen to it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import textured_pixels

from cvpire.__main__ import main
from cvpire.classifiers import Classifier, load_classifier
from cvpire.images.photo import Photo, encode_png
from cvpire.rehearsal import find_scene, rehearse
from cvpire.transformations import TRANSFORMATIONS


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier("scenes")


def noise(seed: int = 0) -> Photo:
    return Photo(textured_pixels(120, 160, seed=seed))


def test_the_file_first_then_what_changes_it(classifier: Classifier) -> None:
    photo = noise()
    scene = find_scene(classifier, photo, None)
    outcomes = rehearse(photo, photo, [scene])
    names = [o.transformation.name if o.transformation else None for o in outcomes]
    assert names[0] is None
    assert set(names[1:]) == set(TRANSFORMATIONS) - {
        "resize-2048",
        "resize-1600",
        "resize-1080",
        "resize-720",
    }
    # The same photo twice: what becomes of one becomes of the other.
    for outcome in outcomes:
        assert outcome.control == outcome.protected
        assert len(outcome.protected.top) == 5
        is_seen = scene.classifier.labels.names[scene.position] in {
            prediction.name for prediction in outcome.protected.top
        }
        assert outcome.protected.is_lost is not is_seen
    assert not outcomes[0].protected.is_lost


def test_it_stops_when_asked(classifier: Classifier) -> None:
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> bool:
        seen.append((done, total))
        return done == 3

    photo = noise()
    rehearse(photo, None, [find_scene(classifier, photo, None)], on_outcome=stop)
    assert seen == [(n, len(TRANSFORMATIONS) + 1) for n in (1, 2, 3)]


def test_what_cannot_be_rehearsed_is_said(classifier: Classifier) -> None:
    with pytest.raises(ValueError, match="give the original photo"):
        find_scene(classifier, None, None)
    with pytest.raises(ValueError, match="no class 'moon base'"):
        find_scene(classifier, None, "moon base")
    scene = find_scene(classifier, None, "kitchen")
    with pytest.raises(ValueError, match="not the same photo"):
        rehearse(noise(), Photo(np.zeros((5, 5, 3), np.uint8)), [scene])


def test_as_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = tmp_path / "before.png", tmp_path / "after.png"
    before.write_bytes(encode_png(noise(1)))
    after.write_bytes(encode_png(noise(2)))
    # The class of a photo that nothing was done to is still there.
    assert main(["rehearse", str(before), "--original", str(before)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("scenes: ")
    assert lines[1].startswith("  the file as it is: RECOGNISED, ")
    assert "; the original so: recognised, " in lines[1]
    assert any(line.startswith("lite0-imagenet, not attacked: ") for line in lines)
    code = main(["rehearse", str(after), "--label", "kitchen"])
    lines = capsys.readouterr().out.splitlines()
    counted = re.fullmatch(
        r"scenes: kitchen: out of the first five \(run Robust\) in (\d+) of (\d+)\.", lines[0]
    )
    assert counted is not None
    assert code == (0 if counted[1] == counted[2] else 1)
    out = [line for line in lines[1 : 1 + int(counted[2])] if ": not recognised; first " in line]
    assert len(out) == int(counted[1])
    assert "the original" not in lines[1]
    assert main(["rehearse", str(after)]) == 2
    assert "give the original photo" in capsys.readouterr().err


def test_what_cannot_happen_to_a_photo_is_left_out(classifier: Classifier) -> None:
    """No WebP is as wide."""
    wide = Photo(textured_pixels(16, 17_000))
    outcomes = rehearse(wide, None, [find_scene(classifier, wide, None)])
    names = {o.transformation.name for o in outcomes if o.transformation}
    assert "webp-80" not in names
    assert "jpeg-75" in names
