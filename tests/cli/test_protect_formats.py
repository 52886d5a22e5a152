"""The command's formats: kinds, qualities and sizes of the files that it writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import protect_helpers
import pytest
from protect_helpers import files, run

from cvpire.images.formats import FileFormat
from cvpire.images.reading import read_photo

only_a_small_classifier = protect_helpers.only_a_small_classifier
source = protect_helpers.source


def test_a_lossy_file_of_a_size_under_a_neutral_name(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = source.parent / "out"
    room = len(FileFormat("JPEG", 60).encode(read_photo(source)))
    common = (source, "-o", out, "--run", "Top1-noL1", "--format", "jpeg", "--neutral-names")
    assert run(*common, "--max-bytes", room, "--report") == 0
    line = capsys.readouterr().out
    assert line.startswith("photo.png: Protected: ")
    assert re.search(r"[\d,]+ bytes as JPEG \d+: .*photo-1\.jpg", line)
    assert files(out) == {"photo-1.jpg", "photo-1.json"}
    data = (out / "photo-1.jpg").read_bytes()
    assert len(data) <= room and data[:3] == b"\xff\xd8\xff"
    assert json.loads((out / "photo-1.json").read_text())["file_bytes"] == len(data)
    assert run(*common, "--quality", 80, "--overwrite") == 0
    assert "as JPEG 80" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--quality", 80), "PNG loses nothing: it has neither quality nor size to choose"),
        (("--format", "webp", "--quality", 0), "expected a quality of 1 to 100, got 0"),
        (("--format", "jpeg", "--max-bytes", -1), "expected a size of 1 byte or more"),
    ],
)
def test_formats_that_cannot_be_are_refused_at_once(
    source: Path, capsys: pytest.CaptureFixture[str], options: tuple[object, ...], message: str
) -> None:
    out = source.parent / "out"
    assert run(source, "-o", out, *options) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_size_that_nothing_fits_is_the_photos_own_error(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = source.parent / "out"
    assert run(source, "-o", out, "--format", "webp", "--max-bytes", 20) == 1
    assert "does not fit into 20 bytes as WebP" in capsys.readouterr().out
    assert files(out) == set()
