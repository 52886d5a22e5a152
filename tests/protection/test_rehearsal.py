"""What is said of a photo that goes through what may happen to it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import rehearsal_helpers
import torch
from conftest import mean_color_spec, textured_pixels
from rehearsal_helpers import noise
from watches import Told

from cvpire.classifiers.classifier import Classifier
from cvpire.classifiers.labels import Labels
from cvpire.classifiers.registry import load_classifier
from cvpire.edits.posting import TRANSFORMATIONS
from cvpire.errors import SettingsError, Stopped
from cvpire.images.photo import Photo
from cvpire.protection import protect
from cvpire.rehearsal import find_scene, find_scenes, rehearse
from cvpire.reports.report import Verdict
from cvpire.runs import RUNS

classifier = rehearsal_helpers.classifier


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

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 3:
            raise Stopped("Enough.")

    photo = noise()
    with pytest.raises(Stopped):
        rehearse(photo, None, [find_scene(classifier, photo, None)], watch=Told(advance=stop))
    assert seen == [(n, len(TRANSFORMATIONS) + 1) for n in (1, 2, 3)]


def test_what_cannot_be_rehearsed_is_said(classifier: Classifier) -> None:
    with pytest.raises(ValueError, match="give the original photo"):
        find_scene(classifier, None, None)
    with pytest.raises(ValueError, match="no class 'moon base'"):
        find_scene(classifier, None, "moon base")
    scene = find_scene(classifier, None, "kitchen")
    with pytest.raises(ValueError, match="not the same photo"):
        rehearse(noise(), Photo(np.zeros((5, 5, 3), np.uint8)), [scene])


def test_what_cannot_happen_to_a_photo_is_left_out(classifier: Classifier) -> None:
    """No WebP is as wide."""
    wide = Photo(textured_pixels(16, 17_000))
    outcomes = rehearse(wide, None, [find_scene(classifier, wide, None)])
    names = {o.transformation.name for o in outcomes if o.transformation}
    assert "webp-80" not in names
    assert "jpeg-75" in names


ASKED = ["Top1-min", "Group-min"]


@pytest.mark.parametrize("name", ASKED)
def test_what_is_protected_is_so_in_its_rehearsal(classifier: Classifier, name: str) -> None:
    photo, run = noise(3), RUNS[name]
    protected = protect(photo, classifier, run)
    assert protected.report.verdict is Verdict.PROTECTED
    scene = find_scene(classifier, photo, None, run=run)
    (outcome,) = rehearse(protected.photo, photo, [scene], transformations=[])
    assert outcome.protected.is_lost
    assert outcome.control is not None and not outcome.control.is_lost
    assert outcome.condition == run.condition(torch.tensor([0]), classifier.labels).words
    # A Top1 run leaves the class among the first five, where a stricter judge finds it.
    strict = find_scene(classifier, photo, None, run=RUNS["Group-10-min"])
    (other,) = rehearse(protected.photo, photo, [strict], transformations=[])
    assert other.protected.is_lost is False


def test_others_are_judged_by_the_same_where_they_can(classifier: Classifier) -> None:
    photo = noise()
    imagenet = load_classifier("lite0-imagenet", view="resize")
    for name, words, is_fallback in (
        ("Top1-min", "no longer the first guess", False),
        ("Top5-min", "out of the first five", False),
        ("Group-min", "out of the first five, since its classes have no groups", True),
    ):
        scene = find_scene(classifier, photo, None, run=RUNS[name])
        own, other = find_scenes(scene, [imagenet], photo)
        assert own is scene and not own.is_without_groups
        assert not other.is_attacked
        assert (other.words, other.is_without_groups) == (words, is_fallback)
    # The same taxonomy has the same class; another is left out where no original tells its own.
    again = find_scenes(scene, [classifier, imagenet], None)
    assert [s.position for s in again] == [scene.position] * 2


def test_a_class_by_name_or_index(classifier: Classifier) -> None:
    by_name = find_scene(classifier, None, "kitchen")
    index = classifier.labels.indices[by_name.position]
    assert find_scene(classifier, None, str(index)).position == by_name.position
    # A bird and a machine, as in some lists of ImageNet's names.
    names = ("cat", "crane", "dog", "crane")
    spec = dataclasses.replace(
        mean_color_spec(classes=4),
        read_labels=lambda: Labels("imagenet", names, (7, 134, 8, 517)),
    )
    birds = Classifier(spec, spec.build(), "native")
    run = RUNS["Top1-min"]
    with pytest.raises(SettingsError, match="has 2 classes 'crane': give the index, 134 or 517"):
        find_scene(birds, None, "crane", run=run)
    assert find_scene(birds, None, "517", run=run).position == 3
    with pytest.raises(SettingsError, match="no class '1000'"):
        find_scene(birds, None, "1000", run=run)
