"""The 365 scene classes of Places365: what each is called, and what kind of place people see in it.

The table is plain data, `data/places365_classes.csv`: Places365's index and name, whether the place
is indoors, whether it is one of the 60 classes that MediaEval's Pixel Privacy task calls sensitive
(both from Zhou et al. 2017 and the task), and our own group.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache

from cvpire import data

_TABLE = data.FOLDER / "places365_classes.csv"


@dataclass(frozen=True)
class Scene:
    """One class.

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
    """All classes, in the order of their indices."""
    with _TABLE.open(encoding="utf-8", newline="") as lines:
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
