"""A rehearsal: what is left of a protected photo's protection after each thing that may happen.

Each transformation is done to the protected photo and, as a *control*, to the original: where the
classifier loses the original too, the transformation did it, not the protection. Classifiers that
the photo was not made for are asked as well, and named so. All are judged by the condition of the
run that made the photo; where it has transparency, on each background that it is seen on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch

from cvpire.attacks.conditions import Condition
from cvpire.classifiers.classifier import Classifier, Prediction, classify, classify_sights
from cvpire.classifiers.registry import CLASSIFIERS, shared_classifier
from cvpire.edits.posting import TRANSFORMATIONS, Transformation
from cvpire.errors import OutOfMemoryError, PhotoError, SettingsError
from cvpire.goals import OUT_OF_TOP5, ConditionMaker
from cvpire.images.photo import Photo
from cvpire.images.transparency import BACKGROUNDS
from cvpire.memory import memory_errors
from cvpire.runs import Run
from cvpire.task import TOP_K
from cvpire.watch import UNWATCHED, Watch


class Recognition(NamedTuple):
    """What a classifier sees in one version of a photo.

    Attributes:
        top: its five highest classes, best first.
        is_lost: whether the condition holds, so that the scene counts as not recognised.
        probability: of the class in question.
        background: "white" or "black" where the photo has transparency, the one on which the
            condition holds the least; else "".
    """

    top: tuple[Prediction, ...]
    is_lost: bool
    probability: float
    background: str = ""


@dataclass(frozen=True)
class Scene:
    """The scene of one photo for one classifier.

    Attributes:
        classifier: that is asked.
        position: among its logits, of the class that the photo is protected from.
        is_attacked: whether the photo was made against this classifier.
        make_condition: what counts as not recognised.
        is_without_groups: whether that is another condition than the run's, whose groups these
            classes do not have.
    """

    classifier: Classifier
    position: int
    is_attacked: bool = True
    make_condition: ConditionMaker = OUT_OF_TOP5
    is_without_groups: bool = False

    @property
    def words(self) -> str:
        """What counts as not recognised, for people."""
        why = ", since its classes have no groups" if self.is_without_groups else ""
        return f"{self.condition.words}{why}"

    @cached_property
    def condition(self) -> Condition:
        """To be met by the logits (1, classes) of a sight."""
        return self.make_condition(torch.tensor([self.position]), self.classifier.labels)

    @property
    def label(self) -> str:
        """The name of the class."""
        return self.classifier.labels.names[self.position]


class Outcome(NamedTuple):
    """One transformation before one classifier.

    Attributes:
        transformation: what was done, or None for the file as it is.
        classifier: its name.
        label: the name of the class in question.
        is_attacked: see `Scene`.
        condition: what counts as not recognised, in words.
        protected: what is seen in the protected photo.
        control: what is seen in the original after the same; None without one.
    """

    transformation: Transformation | None
    classifier: str
    label: str
    is_attacked: bool
    condition: str
    protected: Recognition
    control: Recognition | None


def find_scene(
    classifier: Classifier,
    original: Photo | None,
    label: str | None,
    *,
    run: Run | None = None,
    is_attacked: bool = True,
) -> Scene:
    """Which class the photo is protected from.

    Args:
        classifier: that is asked.
        original: the photo before it was protected; the first guess for it is the class.
        label: the class's name instead, or its index in the classifier's taxonomy.
        run: that made the photo: its condition counts. By default the class is to be out of the
            first five.
        is_attacked: whether the photo was made against this classifier.

    Raises:
        ValueError: if neither is given, the classifier knows no such class, or the run cannot be
            done with its classes.

    Example:
        >>> from cvpire import load_classifier
        >>> find_scene(load_classifier("scenes"), None, "kitchen").label
        'kitchen'
    """
    if run is not None:
        run.check(classifier.labels)
    if label is not None:
        position = _position(classifier, label)
    elif original is not None:
        position = int(classify(original, classifier).argmax())
    else:
        raise SettingsError(
            "Say which class the photo is protected from, or give the original photo."
        )
    make_condition = OUT_OF_TOP5 if run is None else run.condition
    return Scene(classifier, position, is_attacked, make_condition)


def _position(classifier: Classifier, label: str) -> int:
    """Of a class among the logits, by its name or its index."""
    labels = classifier.labels
    found = [position for position, name in enumerate(labels.names) if name == label]
    if len(found) > 1:
        indices = " or ".join(str(labels.indices[position]) for position in found)
        raise SettingsError(
            f"{classifier.spec.name} has {len(found)} classes {label!r}: give the index, {indices}."
        )
    if found:
        return found[0]
    if label.isascii() and label.isdigit() and int(label) in labels.indices:
        return labels.indices.index(int(label))
    raise SettingsError(f"{classifier.spec.name} has no class {label!r}.")


def find_scenes(scene: Scene, others: Sequence[Classifier], original: Photo | None) -> list[Scene]:
    """The scene for the classifier that the photo was made against, and for others that were not.

    Another that knows the same class, by its index in the same taxonomy, is asked for that; else
    for its own first guess for the original, and left out where there is no original. It is judged
    by the same condition; where its classes have no groups and the condition needs them, by whether
    the class is out of the first five.

    Args:
        scene: for the classifier that the photo was made against.
        others: that it was not made against.
        original: the photo before it was protected, or None.

    Raises:
        ValueError: for an original that is too large for a classifier's view.
    """
    scenes = [scene]
    own = scene.classifier.labels
    for other in others:
        labels = other.labels
        index = own.indices[scene.position]
        if labels.taxonomy == own.taxonomy and index in labels.indices:
            position = labels.indices.index(index)
        elif original is not None:
            position = int(classify(original, other).argmax())
        else:
            continue
        same = replace(scene, classifier=other, position=position, is_attacked=False)
        try:
            _ = same.condition
        except SettingsError:
            same = replace(same, make_condition=OUT_OF_TOP5, is_without_groups=True)
        scenes.append(same)
    return scenes


def other_classifiers(classifier: Classifier) -> list[Classifier]:
    """All others whose weights are on this machine, with the same view."""
    return [
        shared_classifier(spec.name, view=classifier.view)
        for spec in CLASSIFIERS.values()
        if spec.is_ready and spec.name != classifier.spec.name
    ]


def rehearse(
    photo: Photo,
    original: Photo | None,
    scenes: Sequence[Scene],
    *,
    transformations: Sequence[Transformation] = tuple(TRANSFORMATIONS.values()),
    watch: Watch = UNWATCHED,
) -> list[Outcome]:
    """Ask every classifier after every transformation that does something to this photo.

    Args:
        photo: the protected one, as read from its file.
        original: the photo before, as a control, or None.
        scenes: the classifiers to ask, with their class.
        transformations: to try. Those that leave the photo as it is are left out, and codecs whose
            files cannot be as wide or high.
        watch: told after each transformation how many are done, and of how many.

    Returns:
        The file as it is first, then each transformation; for each, one outcome a classifier.

    Raises:
        ValueError: for an original of another size, or a photo too large for a classifier's view.

    Example:
        >>> import numpy as np
        >>> from cvpire import Photo, load_classifier
        >>> photo = Photo(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
        >>> scene = find_scene(load_classifier("scenes"), photo, None)
        >>> rehearse(photo, None, [scene], transformations=())[0].protected.is_lost
        False
    """
    if original is not None and original.pixels.shape != photo.pixels.shape:
        raise PhotoError(
            f"The original has {original.width} x {original.height} pixels and the protected photo "
            f"{photo.width} x {photo.height}: they are not the same photo."
        )
    outcomes = []
    steps: list[Transformation | None] = [None, *transformations]
    for done, step in enumerate(steps, start=1):
        with memory_errors():
            changed = _applied(step, photo)
            if changed is not None and (step is None or changed is not photo):
                control = None if original is None else _applied(step, original)
                outcomes += [_outcome(step, scene, changed, control) for scene in scenes]
        watch.advance(done, len(steps))
    return outcomes


def _applied(step: Transformation | None, photo: Photo) -> Photo | None:
    """The photo after a step; None where this cannot happen to such a photo."""
    try:
        return photo if step is None else step.apply(photo)
    except OutOfMemoryError:
        raise
    except PhotoError:
        return None


def _outcome(
    step: Transformation | None, scene: Scene, changed: Photo, control: Photo | None
) -> Outcome:
    return Outcome(
        step,
        scene.classifier.spec.name,
        scene.label,
        scene.is_attacked,
        scene.words,
        _look(changed, scene),
        None if control is None else _look(control, scene),
    )


def _look(photo: Photo, scene: Scene) -> Recognition:
    logits = classify_sights(photo, scene.classifier)
    every = torch.zeros(len(logits), dtype=torch.int64)
    slack = scene.condition.select(every).slack(logits)
    worst = int(slack.argmin())
    return Recognition(
        scene.classifier.predictions(logits[worst], TOP_K),
        bool((slack > 0.0).all()),
        float(logits[worst].softmax(0)[scene.position]),
        "" if photo.alpha is None else BACKGROUNDS[worst].name,
    )
