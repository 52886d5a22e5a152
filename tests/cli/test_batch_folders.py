"""A folder stands for the photos in it."""

from __future__ import annotations

from pathlib import Path

import batch_helpers
import pytest
from batch_helpers import GOOD, Runner, photos
from conftest import textured_pixels
from PIL import Image

from cvpire.images.folder import list_folder, others_sentence
from cvpire.images.suffixes import PHOTO_SUFFIXES, is_photo_name

small_classifier = batch_helpers.small_classifier
run = batch_helpers.run


def test_a_folder_stands_for_the_photos_in_it(run: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    (folder / "inside").mkdir(parents=True)
    for name in ("a.JFIF", "b.dib", "c.HIF", "d.apng", "inside/e.png"):
        (folder / name).write_bytes(GOOD)
    for name in ("notes.txt", "LIST.TXT", "clip.mov", ".DS_Store", "._a.jpg", "Thumbs.db"):
        (folder / name).write_bytes(b"")
    done = run(folder)
    assert done.code == 0
    assert [line.split(": ")[:2] for line in done.lines] == [
        [name, "Protected"] for name in ("a.JFIF", "b.dib", "c.HIF", "d.apng")
    ]
    assert done.err == (
        f"cvpire: {folder}: Left out of the folder: 3 other files (.txt 2, .mov 1).\n"
    )


def test_folders_without_photos_have_their_line(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "README").write_bytes(b"")
    (photo,) = photos(tmp_path, "a.png")
    done = run(tmp_path / "empty", tmp_path / "notes", photo)
    assert done.code == 1
    assert done.lines[:2] == [
        "empty: There are no photos in this folder.",
        "notes: There are no photos in this folder. Left out of the folder: 1 other file "
        "(without a suffix 1).",
    ]
    assert done.lines[2].startswith("a.png: Protected: ")


def test_the_folder_that_is_written_to_is_no_input(run: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(GOOD)
    out = folder / "protected"
    assert run(folder / "a.png", out=out).code == 0
    done = run(*sorted(folder.iterdir()), "--overwrite", out=out)
    assert done.code == 0
    assert len(done.lines) == 1
    assert done.err == f"cvpire: {out} was left out: it is the folder to write to.\n"


def test_no_path_at_all_is_not_the_folder_we_are_in(
    run: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("")
    assert "expected a path, got nothing" in capsys.readouterr().err


def test_which_names_are_photos() -> None:
    names = ["a.hif", "a.heics", "a.heifs", "a.dib", "a.apng", "a.avifs", "a.jpe", "a.jfif"]
    names += ["a.jif", "a.tif", "a.png", "a.jpeg", "a.webp", "a.gif", "a.bmp", "a.avif", "a.heic"]
    for name in names:
        assert is_photo_name(name) and is_photo_name(name.upper())
    for name in ("a.txt", "a.mov", "a.png.bak", "png", "._a.png", ".png", "Thumbs.db", "a.psd"):
        assert not is_photo_name(name)
    assert len(set(PHOTO_SUFFIXES)) == len(PHOTO_SUFFIXES)


def test_the_others_are_counted_by_kind(tmp_path: Path) -> None:
    for name in ("a.png", "b.mov", "c.txt", "d.TXT", "e", "f.doc", "g.xls", "h.raw", "i.cr2"):
        (tmp_path / name).write_bytes(b"")
    contents = list_folder(tmp_path)
    assert [path.name for path in contents.photos] == ["a.png"]
    assert others_sentence(contents.others) == (
        "Left out of the folder: 8 other files (.txt 2, without a suffix 1, .cr2 1, .doc 1, "
        ".mov 1, and 2 more kinds)."
    )
    assert others_sentence({}) == ""


def test_pictures_of_new_suffixes_are_read_by_their_content(run: Runner, tmp_path: Path) -> None:
    for suffix, kind in ((".dib", "BMP"), (".jif", "JPEG"), (".avifs", "AVIF"), (".apng", "PNG")):
        Image.fromarray(textured_pixels()).save(tmp_path / f"{kind}{suffix}", kind)
    done = run(*sorted(tmp_path.glob("*.*if*")), *tmp_path.glob("*.dib"), *tmp_path.glob("*.apng"))
    assert done.code == 0 and len(done.lines) == 4
