"""One photo's trouble is its own: odd names and contents, faults, clashes, folders, consoles."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import MeanColorNetwork, mean_color_spec, textured_pixels
from PIL import Image

from cvpire.classifiers import registry as classifiers
from cvpire.cli import main as command
from cvpire.cli import protect as cli_protect
from cvpire.cli.console import printable, say
from cvpire.images.folder import list_folder, others_sentence
from cvpire.images.names import fitting_stem, normal
from cvpire.images.photo import Photo, encode_png, write_bytes
from cvpire.images.reading import read_photo
from cvpire.images.suffixes import PHOTO_SUFFIXES, is_photo_name

ROOT = Path(__file__).parents[2]
GOOD = encode_png(Photo(textured_pixels(48, 48)))
FLAT = encode_png(Photo(np.full((20, 20, 3), 7, np.uint8)))

# What a terminal would act on, or show the other way round.
RAW = {*map(chr, range(32)), *map(chr, range(127, 160)), *"\u202a\u202b\u202d\u202e\u2066\u2067"}


def twelve_odd_ones(folder: Path) -> list[bytes]:
    """Twelve odd photos, by name or by content; the names of those that can be protected."""
    fine = [
        b"caf\xe9.png",  # latin-1, no UTF-8
        "\u202egnp.exe.png".encode(),
        b"esc\x1b[31mred.png",
        b"two\nlines\r.png",
        "日本語 😀.png".encode(),
        b"n" * 251 + b".png",
    ]
    broken = {
        b"empty.jpg": b"",
        b"text.jpg": b"Dear sir,",
        b"cut.png": GOOD[:900],
        b"flat.png": FLAT,
        b"A": b"no suffix, no picture",
    }
    (folder / "folder.jpg").mkdir()
    for name, data in {**dict.fromkeys(fine, GOOD), **broken}.items():
        (folder / os.fsdecode(name)).write_bytes(data)
    return fine


@pytest.mark.parametrize(
    "settings",
    [
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C.utf8", "PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["ascii", "cp1252", "a C locale without UTF-8"],
)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse some of these names")
def test_a_good_photo_among_twelve_odd_ones(tmp_path: Path, settings: dict[str, str]) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    fine = [b"good.png", *twelve_odd_ones(folder)]
    (folder / "good.png").write_bytes(GOOD)
    names = sorted(os.fsencode(path.name) for path in folder.iterdir())
    assert len(names) == 13
    words: list[str | bytes] = [sys.executable, "-m", "cvpire"]
    words += [os.fsencode(folder / os.fsdecode(name)) for name in names]
    words += ["-o", str(out), "--run", "Top1-min", "--classifier", "scenes", "--report"]
    done = subprocess.run(
        words, capture_output=True, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", **settings}
    )
    encoding = settings.get("PYTHONIOENCODING", "ascii")
    lines = done.stdout.decode(encoding).split("\n")
    assert done.returncode == 1
    assert lines.pop() == ""
    assert len(lines) == 13, done.stdout
    assert not RAW & set("".join(lines))
    assert done.stderr == b""
    assert sum(": Protected: " in line for line in lines) == len(fine)
    assert sum("The name was shortened to fit." in line for line in lines) == 1
    verdicts = dict(zip(names, lines, strict=True))
    assert verdicts[b"A"].startswith("A is not a picture")
    assert verdicts[b"empty.jpg"].startswith("empty.jpg is empty (0 bytes)")
    assert verdicts[b"folder.jpg"] == "folder.jpg: There are no photos in this folder."
    assert verdicts[b"caf\xe9.png"].startswith("caf\\xe9.png: Protected")
    assert verdicts[b"esc\x1b[31mred.png"].startswith("esc\\x1b[31mred.png: ")
    written = [os.fsencode(path.name) for path in out.iterdir()]
    assert len(written) == 2 * len(fine)
    assert {name.replace(b".json", b".png") for name in written if name.endswith(b".json")} == {
        name for name in written if name.endswith(b".png")
    }
    assert all(len(name) <= 255 for name in written)
    assert set(fine[:-1]) < set(written)
    for name in written:
        data = (out / os.fsdecode(name)).read_bytes()
        if name.endswith(b".json"):
            assert json.loads(data.decode())["verdict"] == "protected"
        else:
            assert read_photo(data).pixels.shape == (48, 48, 3)


@pytest.fixture
def small_classifier(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = tmp_path / "mean-color.pth"
    torch.save(MeanColorNetwork().state_dict(), weights)
    spec = mean_color_spec(weights=weights)
    monkeypatch.setattr(classifiers, "CLASSIFIERS", {spec.name: spec})


class Done:
    """What one command printed and wrote."""

    def __init__(self, code: int, printed: Any, out: Path) -> None:
        self.code, self.err, self.out = code, printed.err, out
        self.lines = printed.out.splitlines()

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.out.iterdir()} if self.out.is_dir() else set()


Runner = Callable[..., Done]


@pytest.fixture
def run(small_classifier: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Runner:
    def run_command(*words: object, out: Path = tmp_path / "out") -> Done:
        common = ("--run", "Top1-noL1", "--classifier", "mean-color", "--view", "native")
        code = command.main([*map(str, words), "-o", str(out), *common])
        return Done(code, capsys.readouterr(), out)

    return run_command


def photos(folder: Path, *names: str) -> list[Path]:
    """Good photos of these names, each in a folder of its own if they are the same."""
    paths = []
    for number, name in enumerate(names):
        path = folder / f"in-{number}" / name
        path.parent.mkdir()
        path.write_bytes(GOOD)
        paths.append(path)
    return paths


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (TypeError("unhashable type"), "Internal error, TypeError: unhashable type. This is a fau"),
        (ValueError("two\nlines"), "Internal error, ValueError: two lines. This is a fault of CV-"),
        (RecursionError("too deep"), "Internal error, RecursionError: too deep. This is a fault"),
        (AssertionError(), "Internal error, AssertionError. This is a fault of CV-PIRE, not of"),
        (MemoryError(), "This needs more memory than this machine has free: make the photo"),
        (RuntimeError("[enforce fail] can't allocate memory"), "This needs more memory than"),
        (OSError(5, "Input/output error"), "A file could not be read or written: the system sa"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize("place", ["protect", "read_photo", "write_bytes"])
def test_no_exception_of_one_photo_ends_the_others(
    place: str,
    error: Exception,
    sentence: str,
    run: Runner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, third = photos(tmp_path, "a.png", "b.png", "c.png")
    real, calls = getattr(cli_protect, place), []

    def fail_second(*words: Any, **settings: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise error
        return real(*words, **settings)

    monkeypatch.setattr(cli_protect, place, fail_second)
    done = run(first, second, third)
    assert done.code == 1
    assert done.lines[1].startswith(f"b.png: {sentence}")
    assert [line.split(": ")[:2] for line in (done.lines[0], done.lines[2])] == [
        ["a.png", "Protected"],
        ["c.png", "Protected"],
    ]
    assert len(done.lines) == 3
    assert done.err == ""
    assert done.files == {"a.png", "c.png"}


@pytest.mark.parametrize("is_debug", [False, True])
def test_a_fault_of_the_program_is_shown_as_one(tmp_path: Path, is_debug: bool) -> None:
    """In a process of its own, since logging and the switch belong to the process."""
    code = (
        "import sys; from cvpire.cli import main as m, weights\n"
        "def broken(*_, **__): raise {error}('planted')\n"
        "weights.{place} = broken\n"
        "sys.exit(m.main(['weights', 'list']))"
    )
    for error, place in (
        ("TypeError", "_weights_files"),
        ("ValueError", "find_weights"),
        ("ZeroDivisionError", "_parser"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code.format(error=error, place=place)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "CVPIRE_DEBUG": "1" if is_debug else ""},
        )
        assert done.returncode == 70
        assert done.stdout == ""
        *log, line = done.stderr.splitlines()
        assert line == (
            f"cvpire: Internal error, {error}: planted. This is a fault of CV-PIRE, not of your "
            "photo: please report it."
        )
        assert ("Traceback (most recent call last):" in log) == is_debug
        assert bool(log) == is_debug


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


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain é 日本 😀.png", "plain é 日本 😀.png"),
        ("\x1b[2J\x07.png", "\\x1b[2J\\x07.png"),
        ("a\r\nb\tc\x85d", "a\\r\\nb\\tc\\x85d"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066x\u2069\u200f\ufeff", "\\u2066x\\u2069\\u200f\\ufeff"),
        ("a\u2028b\u2029", "a\\u2028b\\u2029"),
        ("caf\udce9 \ud800", "caf\\xe9 \\ud800"),
        ("👩\u200d🚀 \u0645\u06cc\u200c\u062e", "👩\u200d🚀 \u0645\u06cc\u200c\u062e"),
        ("C:\\photos\\a.png", "C:\\photos\\a.png"),
    ],
)
def test_nothing_in_a_name_steers_the_terminal(name: str, shown: str) -> None:
    assert printable(name) == shown


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", b"caf\\xe9 \\u65e5"),
        ("cp1252", b"caf\xe9 \\u65e5"),
        ("latin-1", b"caf\xe9 \\u65e5"),
        ("utf-8", "café 日".encode()),
    ],
)
def test_a_console_shows_what_it_can(encoding: str, expected: bytes) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding, newline="")
    say("café 日", stream, end="")
    assert raw.getvalue() == expected


def test_consoles_without_an_encoding_take_everything() -> None:
    class Unknown(io.StringIO):
        encoding = "no-such-codec"

    text, unknown = io.StringIO(), Unknown()
    assert text.encoding is None
    for stream in (text, unknown, None):
        say("café", stream)
    assert (text.getvalue(), unknown.getvalue()) == ("café\n", "caf\\xe9\n")


def test_a_message_about_the_command_is_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(["a.png", "-o", "out", "--view", "\x1b[31m\u202e"])
    err = capsys.readouterr().err
    assert "\x1b" not in err and "\u202e" not in err
    assert command.main(["a.png", "-o", "out", "--run", "x\x1b]0;\x07"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_one_name_in_two_spellings() -> None:
    assert normal("cafe\u0301.png") == "café.png" == normal("café.png")
    assert normal("\u212b") == "Å"


def test_pictures_of_new_suffixes_are_read_by_their_content(run: Runner, tmp_path: Path) -> None:
    for suffix, kind in ((".dib", "BMP"), (".jif", "JPEG"), (".avifs", "AVIF"), (".apng", "PNG")):
        Image.fromarray(textured_pixels()).save(tmp_path / f"{kind}{suffix}", kind)
    done = run(*sorted(tmp_path.glob("*.*if*")), *tmp_path.glob("*.dib"), *tmp_path.glob("*.apng"))
    assert done.code == 0 and len(done.lines) == 4
