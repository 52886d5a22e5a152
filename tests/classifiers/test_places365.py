"""The table of Places365's classes, and the groups that people understand."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from cvpire import data
from cvpire.classifiers.labels import read_scenes

GROUPS = {
    "home",
    "hotel and stay",
    "worship",
    "health",
    "school and children",
    "work",
    "industry and building",
    "shop",
    "eat and drink",
    "transport",
    "sport and swimming",
    "culture",
    "street and city",
    "water and coast",
    "mountain and forest",
    "farm and garden",
    "government, military and security",
}


def test_each_class_is_in_exactly_one_group() -> None:
    with (data.FOLDER / "places365_classes.csv").open(encoding="utf-8", newline="") as lines:
        names = [row["name"] for row in csv.DictReader(lines)]
    assert len(names) == len(set(names)) == 365
    groups = Counter(scene.group for scene in read_scenes())
    assert set(groups) == GROUPS
    assert min(groups.values()) > 1


def test_indices_are_positions() -> None:
    assert [scene.index for scene in read_scenes()] == list(range(365))


def test_what_people_would_expect() -> None:
    group = {scene.name: scene.group for scene in read_scenes()}
    assert group["/b/bedroom"] == "home"
    assert group["/h/hotel_room"] == "hotel and stay"
    assert group["/t/temple/asia"] == "worship"
    assert group["/h/hospital_room"] == "health"
    assert group["/k/kindergarden_classroom"] == "school and children"
    assert group["/s/supermarket"] == "shop"
    assert group["/a/airport_terminal"] == "transport"
    assert group["/s/swimming_pool/indoor"] == "sport and swimming"
    assert group["/c/coast"] == "water and coast"
    assert group["/a/army_base"] == "government, military and security"


def test_titles_are_readable() -> None:
    titles = {scene.index: scene.title for scene in read_scenes()}
    assert (titles[1], titles[330], titles[364]) == ("airplane cabin", "temple, asia", "zen garden")


def test_the_table_agrees_with_the_published_one(shared: Path) -> None:
    with (shared / "reference/places365_classes.csv").open(newline="") as lines:
        published = list(csv.DictReader(lines))
    for scene, row in zip(read_scenes(), published, strict=True):
        assert (str(scene.index), scene.name) == (row["index"], row["name"])
        assert scene.is_outdoor == (row["setting"] == "outdoor")
        assert scene.is_sensitive == (row["mediaeval_sensitive"] == "1")


def test_the_embedded_classes_are_those_of_the_training_photos(shared: Path) -> None:
    with (shared / "data/miniplaces-classes.csv").open(newline="") as lines:
        trained = {int(row["places365_index"]) for row in csv.DictReader(lines)}
    assert {scene.index for scene in read_scenes() if scene.is_embedded} == trained
    assert len(trained) == 97
