"""What several tests of the evaluation share: some photos, and what is asked about them."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import textured_pixels
from PIL import Image

from cvpire.runs import Run
from eval.looks import LOOKS
from eval.protected_photos import ProtectedOptions


def three_photos(folder: Path) -> Path:
    """A new folder inside this one, with three photos."""
    images = folder / "images"
    images.mkdir()
    for seed in range(3):
        Image.fromarray(textured_pixels(40, 36, seed)).save(images / f"{seed}.png")
    return images


def shrink_photos(images: Path) -> None:
    """Put photos in place of those of the folder that are too small for SSIM and SSIMULACRA2."""
    for seed, path in enumerate(sorted(images.iterdir())):
        Image.fromarray(textured_pixels(7, 20, seed)).save(path)


def table_rows(text: str) -> dict[str, dict[str, str]]:
    """The first Markdown table of a text: by each row's name its cells, by their headings."""
    lines = text[text.index("\n|") + 1 :].split("\n\n")[0].splitlines()
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def without_looks(line: str) -> str:
    """A record's line without what the yardsticks said of its file."""
    record = json.loads(line)
    (record["report"] or {}).pop(LOOKS, None)
    return json.dumps(record)


def protected_options(folder: Path, run: Run) -> ProtectedOptions:
    """Three photos in a folder of their own, to be protected in a run from the fake classifier."""
    return ProtectedOptions(
        images=three_photos(folder),
        labels=None,
        classifier="fake",
        view=None,
        runs=(run,),
        limit=None,
        seed=0,
        out=folder / "out",
    )
