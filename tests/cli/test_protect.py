"""`python -m cvpire`: verdict lines, exit codes, files written and files left alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import protect_helpers
import pytest
from conftest import needs_flip, textured_pixels
from protect_helpers import files, run

from cvpire.cli import main as command
from cvpire.cli import protect as cli_protect
from cvpire.images.photo import Photo, encode_png
from cvpire.images.reading import read_photo

only_a_small_classifier = protect_helpers.only_a_small_classifier
source = protect_helpers.source


def test_a_photo_is_protected(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = source.parent / "new" / "out"
    code = run(source, "-o", out, "--run", "Top1-noL1", "--map", "--report")
    line = capsys.readouterr().out
    assert code == 0, line
    assert line.startswith("photo.png: Protected: mean-color took this photo for class ")
    assert files(out) == {"photo.png", "photo.map.png", "photo.json"}
    report = json.loads((out / "photo.json").read_text())
    assert report["run"] == "Top1-noL1"
    assert not np.array_equal(read_photo(out / "photo.png").pixels, textured_pixels())
    assert read_photo(out / "photo.map.png").pixels.shape == (48, 48, 3)


@needs_flip
def test_the_line_says_how_visible_the_change_is(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = source.parent / "out"
    assert run(source, "-o", out, "--run", "Top1-noL1", "--report") == 0
    line = capsys.readouterr().out
    report = json.loads((out / "photo.json").read_text())
    seen, reference = report["visibility"], report["references"]["JPEG 75"]
    change, alone = report["difference"], reference["difference"]
    assert (
        f" The change: {seen['grade']} (FLIP {change['flip_p99']:.3f}, "
        f"blurred dE00 {change['delta_e_blurred']:.1f}; saving as JPEG 75 alone: "
        f"{reference['visibility']['grade']}, FLIP {alone['flip_p99']:.3f}, "
        f"blurred dE00 {alone['delta_e_blurred']:.1f}). SSIM "
    ) in line


def test_without_flip_the_line_says_so(
    source: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "flip_evaluator", None)
    assert run(source, "-o", source.parent / "out", "--run", "Top1-noL1") == 0
    line = capsys.readouterr().out
    found = re.search(
        r"The change: \w+ \(blurred dE00 [\d.]+; saving as JPEG 75 alone: \w+, "
        r"blurred dE00 [\d.]+\)\. "
        r"FLIP is unavailable: the package flip-evaluator cannot be imported",
        line,
    )
    assert found, line


def test_each_bad_file_has_its_sentence_and_the_others_go_on(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = source.parent
    flat = folder / "flat.png"
    flat.write_bytes(encode_png(Photo(np.full((20, 20, 3), 7, np.uint8))))
    empty, text = folder / "empty.jpg", folder / "text.jpg"
    empty.write_bytes(b"")
    text.write_text("no picture")
    cut = folder / "cut.png"
    cut.write_bytes(source.read_bytes()[:900])
    out = folder / "out"
    code = run(
        flat, empty, text, cut, folder / "missing.jpg", source, "-o", out, "--run", "Top1-noL1"
    )
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert code == 1
    assert [re.split("[: ]", line)[0] for line in lines] == [
        "flat.png",
        "empty.jpg",
        "text.jpg",
        "cut.png",
        "missing.jpg",
        "photo.png",
    ]
    assert "same colour everywhere" in lines[0]
    assert "Traceback" not in printed.out + printed.err
    assert files(out) == {"photo.png"}


def test_nothing_is_overwritten_unasked(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = source.read_bytes()
    assert run(source, "-o", source.parent) == 1
    assert "would overwrite an input" in capsys.readouterr().out
    assert source.read_bytes() == before

    out = source.parent / "out"
    out.mkdir()
    (out / "photo.png").write_bytes(b"mine")
    assert run(source, "-o", out, "--run", "Top1-noL1") == 1
    assert "--overwrite" in capsys.readouterr().out
    assert (out / "photo.png").read_bytes() == b"mine"
    assert run(source, "-o", out, "--run", "Top1-noL1", "--overwrite") == 0
    assert (out / "photo.png").read_bytes() != b"mine"

    for option, name in (("--map", "photo.map.png"), ("--report", "photo.json")):
        (out / "photo.png").unlink()
        (out / name).write_bytes(b"mine")
        assert run(source, "-o", out, "--run", "Top1-noL1", option) == 1
        assert name in capsys.readouterr().out
        assert (out / name).read_bytes() == b"mine"
        assert files(out) == {name}
        (out / name).unlink()
        (out / "photo.png").write_bytes(b"mine")


def test_a_map_is_no_other_photo_s_output(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = source.parent / "photo.map.jpg"
    other.write_bytes(source.read_bytes())
    out = source.parent / "out"
    assert run(source, other, "-o", out, "--run", "Top1-noL1", "--map") == 1
    first, second = capsys.readouterr().out.splitlines()
    assert "Protected" in first and "would both become" in second
    assert files(out) == {"photo.png", "photo.map.png"}


def test_an_older_file_beside_a_failure_is_named(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = source.parent / "out"
    out.mkdir()
    (out / "photo.png").write_bytes(b"mine")
    source.write_bytes(encode_png(Photo(np.full((20, 20, 3), 7, np.uint8))))
    assert run(source, "-o", out, "--overwrite") == 1
    assert "older file and was left as it was" in capsys.readouterr().out
    assert (out / "photo.png").read_bytes() == b"mine"


def test_a_seed_that_torch_cannot_take(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(source, "-o", source.parent / "out", "--seed", 2**70)
    assert "2^63" in capsys.readouterr().err


def test_an_output_that_cannot_be_made(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(source, "-o", source / "below-a-file") == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and "choose another place" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", "Top9"], "the known ones are Top1-L1"),
        (["--classifier", "vgg"], "the known ones are auto, mean-color"),
    ],
)
def test_unknown_names(
    source: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(source), "-o", str(source.parent / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Posting", "Posting-group cannot be done: the classes of places365 have no groups"),
        ("Top1-L1", "The run Top1-L1 has no variant that hides the whole kind of place"),
        ("Top9", "There is no run 'Top9'"),
    ],
)
def test_a_group_that_cannot_be_hidden_gets_one_sentence(
    source: Path, name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = source.parent / "out"
    assert run(source, "-o", out, "--run", name, "--group") == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"cvpire: {message}")
    assert printed.err.count("\n") == 1 and not printed.out and not out.exists()
    assert run("rehearse", source, "--label", "class 1", "--run", name, "--group") == 2
    assert capsys.readouterr().err.startswith(f"cvpire: {message}")


def test_interrupted(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_protect, "protect", interrupt)
    assert run(source, "-o", source.parent / "out") == 130
    assert not files(source.parent / "out")


def test_as_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cvpire", "--version"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.startswith("cvpire ")


def test_a_reader_who_left_gets_no_traceback() -> None:
    words = [sys.executable, "-m", "cvpire", "weights", "list"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141
