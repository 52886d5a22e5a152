"""A rehearsal: what is left of a protected photo's protection after each thing that may happen.

Each transformation is done to the protected photo and, as a *control*, to the original: where the
classifier loses the original too, the transformation did it, not the protection. Classifiers that
the photo was not made for are asked as well, and named so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from cvpire.classifiers import Classifier, Prediction, classify
from cvpire.errors import PhotoError, SettingsError
from cvpire.images.photo import Photo
from cvpire.transformations import TRANSFORMATIONS, Transformation

# Protected means that the class is not among so many highest, as in the paper's Top5.
TOP_K = 5


class Sight(NamedTuple):
    """What a classifier sees in one version of a photo.

    Attributes:
        top: its five highest classes, best first.
        is_lost: whether the class in question is not among them.
        probability: of that class.
    """

    top: tuple[Prediction, ...]
    is_lost: bool
    probability: float


@dataclass(frozen=True)
class Scene:
    """The scene of one photo for one classifier.

    Attributes:
        classifier: that is asked.
        position: among its logits, of the class that the photo is protected from.
        is_attacked: whether the photo was made against this classifier.
    """

    classifier: Classifier
    position: int
    is_attacked: bool


class Outcome(NamedTuple):
    """One transformation before one classifier.

    Attributes:
        transformation: what was done, or None for the file as it is.
        classifier: its name.
        label: the name of the class in question.
        is_attacked: see `Scene`.
        protected: what is seen in the protected photo.
        control: what is seen in the original after the same; None without one.
    """

    transformation: Transformation | None
    classifier: str
    label: str
    is_attacked: bool
    protected: Sight
    control: Sight | None


def find_scene(
    classifier: Classifier, original: Photo | None, label: str | None, *, is_attacked: bool = True
) -> Scene:
    """Which class the photo is protected from.

    Args:
        classifier: that is asked.
        original: the photo before it was protected; the first guess for it is the class.
        label: the class's name instead.
        is_attacked: whether the photo was made against this classifier.

    Raises:
        ValueError: if neither is given, or the classifier knows no such class.
    """
    if label is not None:
        names = classifier.labels.names
        if label not in names:
            raise SettingsError(f"{classifier.spec.name} has no class {label!r}.")
        return Scene(classifier, names.index(label), is_attacked)
    if original is None:
        raise SettingsError(
            "Say which class the photo is protected from, or give the original photo."
        )
    return Scene(classifier, int(classify(original, classifier).argmax()), is_attacked)


def find_scenes(
    classifier: Classifier, others: Sequence[Classifier], original: Photo | None, label: str | None
) -> list[Scene]:
    """The scene for the classifier that the photo was made against, and for others that were not.

    Another that knows no such class is asked for its own first guess for the original, and left out
    where there is no original.

    Args:
        classifier: that the photo was made against.
        others: that it was not made against.
        original: see `find_scene`.
        label: see `find_scene`.

    Raises:
        ValueError: see `find_scene`.
    """
    scenes = [find_scene(classifier, original, label)]
    for other in others:
        known = label if label in other.labels.names else None
        if known is not None or original is not None:
            scenes.append(find_scene(other, original, known, is_attacked=False))
    return scenes


def rehearse(
    photo: Photo,
    original: Photo | None,
    scenes: Sequence[Scene],
    *,
    transformations: Sequence[Transformation] = tuple(TRANSFORMATIONS.values()),
    on_outcome: Callable[[int, int], object] | None = None,
) -> list[Outcome]:
    """Ask every classifier after every transformation that does something to this photo.

    Args:
        photo: the protected one, as read from its file.
        original: the photo before, as a control, or None.
        scenes: the classifiers to ask, with their class.
        transformations: to try. Those that leave the photo as it is are left out, and codecs whose
            files cannot be as wide or high.
        on_outcome: told after each transformation how many are done, and of how many; an answer
            that is true stops the rehearsal.

    Returns:
        The file as it is first, then each transformation; for each, one outcome a classifier.

    Raises:
        ValueError: for an original of another size, or a photo too large for a classifier's view.
    """
    if original is not None and original.pixels.shape != photo.pixels.shape:
        raise PhotoError(
            f"The original has {original.width} x {original.height} pixels and the protected photo "
            f"{photo.width} x {photo.height}: they are not the same photo."
        )
    outcomes = []
    steps: list[Transformation | None] = [None, *transformations]
    for done, step in enumerate(steps, start=1):
        changed = _applied(step, photo)
        if changed is not None and (step is None or changed is not photo):
            control = None if original is None else _applied(step, original)
            outcomes += [_outcome(step, scene, changed, control) for scene in scenes]
        if on_outcome is not None and on_outcome(done, len(steps)):
            break
    return outcomes


def _applied(step: Transformation | None, photo: Photo) -> Photo | None:
    """The photo after a step; None where this cannot happen to such a photo."""
    try:
        return photo if step is None else step.apply(photo)
    except PhotoError:
        return None


def _outcome(
    step: Transformation | None, scene: Scene, changed: Photo, control: Photo | None
) -> Outcome:
    return Outcome(
        step,
        scene.classifier.spec.name,
        scene.classifier.labels.names[scene.position],
        scene.is_attacked,
        _look(changed, scene),
        None if control is None else _look(control, scene),
    )


def _look(photo: Photo, scene: Scene) -> Sight:
    logits: Tensor = classify(photo, scene.classifier)
    above = int((logits > logits[scene.position]).sum())
    return Sight(
        scene.classifier.predictions(logits, TOP_K),
        above >= TOP_K,
        float(logits.softmax(0)[scene.position]),
    )
