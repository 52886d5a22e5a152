"""The names of the files that are written: clashes, lengths and spellings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import batch_helpers
import pytest
from batch_helpers import GOOD, Runner, photos

from cvpire.images.names import fitting_stem, normal
from cvpire.images.photo import write_bytes

small_classifier = batch_helpers.small_classifier
run = batch_helpers.run


@pytest.mark.parametrize(
    "names",
    [
        ("photo.png", "photo.jpg"),
        ("photo.png", "photo.png"),
        ("café.png", "cafe\u0301.png"),
        ("Å.webp", "\u212b.png"),
    ],
    ids=["suffix", "folder", "NFC and NFD", "Angstrom"],
)
def test_of_two_that_become_one_file_the_second_is_refused(
    names: tuple[str, str], run: Runner, tmp_path: Path
) -> None:
    first, second, last = photos(tmp_path, *names, "last.png")
    done = run(first, second, last)
    assert done.code == 1
    assert "Protected" in done.lines[0] and "Protected" in done.lines[2]
    assert done.lines[1].startswith(f"{second.name}: {first} and {second} would both become ")
    assert done.files == {Path(names[0]).stem + ".png", "last.png"}


def test_a_name_is_taken_by_a_photo_that_could_be_protected(run: Runner, tmp_path: Path) -> None:
    first, second = photos(tmp_path, "photo.png", "photo.jpg")
    first.write_bytes(GOOD[:500])
    done = run(first, second)
    assert (done.code, done.files) == (1, {"photo.png"})
    assert done.lines[1].startswith("photo.jpg: Protected: ")


def test_only_the_input_that_would_be_overwritten_is_refused(run: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    own, other, linked = folder / "own.png", folder / "other.jpg", folder / "linked.png"
    for path in (own, other):
        path.write_bytes(GOOD)
    linked.symlink_to(other)
    done = run(own, other, linked, "--overwrite", out=folder)
    assert done.code == 1
    assert done.lines[0] == (
        f"own.png: {own} would overwrite an input photo: choose another folder."
    )
    assert done.lines[1].startswith("other.jpg: Protected: ")
    assert done.lines[2].startswith(f"linked.png: {linked} would overwrite an input photo")
    assert own.read_bytes() == other.read_bytes() == GOOD


def test_a_file_system_that_takes_two_names_for_one(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows and macOS do with Photo.png and photo.png."""
    first, second = photos(tmp_path, "Photo.png", "photo.jpg")
    stat = Path.stat

    def in_any_case(path: Path, **settings: Any) -> Any:
        try:
            names = [one.name for one in path.parent.iterdir()]
        except OSError:
            names = []
        same = [name for name in names if name.lower() == path.name.lower()]
        return stat(path.parent / same[0] if same else path, **settings)

    monkeypatch.setattr(Path, "stat", in_any_case)
    done = run(first, second, "--overwrite")
    assert done.code == 1
    assert "would both become" in done.lines[1]
    assert done.files == {"Photo.png"}


@pytest.mark.parametrize(
    "stem", ["n" * 251, "é" * 125 + "x", "日" * 83, "e\u0301" * 83, "😀" * 62], ids=len
)
def test_a_name_that_would_become_too_long_is_shortened(
    stem: str, run: Runner, tmp_path: Path
) -> None:
    (photo,) = photos(tmp_path, f"{stem}.png")
    twin = photo.with_name(f"{stem[:-1]}~.png") if len(os.fsencode(stem)) < 251 else None
    done = run(photo, "--report", "--map", "--format", "webp")
    assert done.code == 0, done.lines
    assert len(done.files) == 3
    assert all(len(os.fsencode(name)) <= 255 for name in done.files)
    assert done.lines[0].startswith(f"{stem}.png: Protected: ")
    assert "The name was shortened to fit." in done.lines[0]
    again = run(photo, "--report", "--map", "--format", "webp")
    assert "is already there" in again.lines[0]
    assert twin is None or fitting_stem(twin.stem, (".map.png",)) not in str(done.files)


def test_shortened_names_are_told_apart_and_whole() -> None:
    names = {fitting_stem("n" * 250 + end, (".map.png",)) for end in ("a", "b", "ab", "")}
    assert len(names) == 4
    assert all(len(name) == 247 for name in names)
    torn = os.fsdecode("日本".encode() * 60)
    for room in range(5):
        stem = fitting_stem(torn, ("." + "s" * room,))
        assert os.fsencode(stem).decode().startswith("日本")
        assert len(os.fsencode(stem)) + room + 1 <= 255
    accents = fitting_stem("e\u0301" * 100, (".png",))
    assert accents.split("~")[0].endswith("\u0301")
    assert fitting_stem("e" + "\u0301" * 300, (".png",)).startswith("~")
    latin = fitting_stem(os.fsdecode(b"\xe9" * 300), (".png",))
    assert len(os.fsencode(latin)) == 251
    assert fitting_stem("n" * 251, (".png",)) == "n" * 251


def test_what_is_written_may_have_the_longest_name(tmp_path: Path) -> None:
    longest = tmp_path / ("n" * 251 + ".png")
    write_bytes(longest, b"data")
    assert longest.read_bytes() == b"data"
    for name, message in (("n" * 256, "name or path is too long"), ("a\0b", "cannot be a file's")):
        with pytest.raises(ValueError, match=message):
            write_bytes(tmp_path / name, b"data")
    assert [path.name for path in tmp_path.iterdir()] == [longest.name]


def test_one_name_in_two_spellings() -> None:
    assert normal("cafe\u0301.png") == "café.png" == normal("café.png")
    assert normal("\u212b") == "Å"
