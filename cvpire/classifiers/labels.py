"""The classes of a classifier, in the order of its logits."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from cvpire import data


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


@dataclass(frozen=True)
class Scene:
    """One of the 365 classes of Places365, of `data/places365_classes.csv`.

    Index, name and setting are those of Zhou et al. 2017, the sensitive classes MediaEval's; the
    groups are our own.

    Attributes:
        index: in Places365, 0 to 364.
        name: as Places365 spells it, "/t/temple/asia".
        group: the kind of place, "worship".
        is_outdoor: whether Places365 calls it outdoors.
        is_sensitive: whether MediaEval calls it privacy-sensitive.
        is_embedded: whether the embedded classifier knows it.
    """

    index: int
    name: str
    group: str
    is_outdoor: bool
    is_sensitive: bool
    is_embedded: bool

    @property
    def title(self) -> str:
        """The name as people read it: "temple, asia", "airplane cabin"."""
        return self.name[3:].replace("/", ", ").replace("_", " ")


@cache
def read_scenes() -> tuple[Scene, ...]:
    """All classes of Places365, in the order of their indices."""
    with (data.FOLDER / "places365_classes.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(
            Scene(
                index=int(row["index"]),
                name=row["name"],
                group=row["group"],
                is_outdoor=row["setting"] == "outdoor",
                is_sensitive=row["mediaeval_sensitive"] == "1",
                is_embedded=row["embedded"] == "1",
            )
            for row in csv.DictReader(lines)
        )


def places365_labels(*, only_embedded: bool = False) -> Labels:
    """All 365 scenes, or those that the embedded classifier knows."""
    scenes = [scene for scene in read_scenes() if scene.is_embedded or not only_embedded]
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
