"""The classes of a classifier, in the order of its logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cvpire.classifiers.places365 import Scene, read_scenes


class Labels(NamedTuple):
    """The classes of a classifier, in the order of its logits.

    Attributes:
        taxonomy: what the indices count in: "imagenet" (ILSVRC-2012, 0-999) or "places365".
        names: one for each logit, as people read them.
        indices: one for each logit, in the taxonomy.
        groups: one for each logit, what people would call its kind of place; empty where the
            taxonomy has none.
        sensitive: indices of the classes that MediaEval calls privacy-sensitive.

    Example:
        >>> Labels("rooms", names=("bedroom", "kitchen"), indices=(0, 1)).names[1]
        'kitchen'
    """

    taxonomy: str
    names: tuple[str, ...]
    indices: tuple[int, ...]
    groups: tuple[str, ...] = ()
    sensitive: frozenset[int] = frozenset()


def places365_labels() -> Labels:
    """All 365 scenes."""
    return _scene_labels(read_scenes())


def embedded_labels() -> Labels:
    """The scenes that the embedded classifier knows."""
    return _scene_labels([scene for scene in read_scenes() if scene.is_embedded])


def _scene_labels(scenes: Sequence[Scene]) -> Labels:
    return Labels(
        "places365",
        names=tuple(scene.title for scene in scenes),
        indices=tuple(scene.index for scene in scenes),
        groups=tuple(scene.group for scene in scenes),
        sensitive=frozenset(scene.index for scene in scenes if scene.is_sensitive),
    )


def imagenet_labels() -> Labels:
    """The 1,000 classes of ILSVRC-2012."""
    # Imported late: torchvision takes a second. Only the names are taken, no weights.
    from torchvision.models import ResNet50_Weights

    names = tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])
    return Labels("imagenet", names, tuple(range(len(names))))
