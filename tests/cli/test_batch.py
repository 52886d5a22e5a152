"""One photo's trouble is its own: odd contents and faults end no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import batch_helpers
import numpy as np
import pytest
from batch_helpers import GOOD, Runner, photos

from cvpire.cli import protect as cli_protect
from cvpire.images.photo import Photo, encode_png
from cvpire.images.reading import read_photo

small_classifier = batch_helpers.small_classifier
run = batch_helpers.run

ROOT = Path(__file__).parents[2]
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
