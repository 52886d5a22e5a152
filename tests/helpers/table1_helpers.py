"""What the tests of the whole evaluation share: small pictures and a small linear classifier."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import mean_color_spec, textured_pixels
from PIL import Image
from torch import Tensor, nn

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.classifiers.classifier import Classifier, classify
from cvpire.images.reading import read_photo
from cvpire.runs import RUNS, Run
from eval import judge
from eval.arguments import runs as runs_named
from eval.progress import Progress
from eval.records import Record
from eval.table1 import Table1Options, measure_table1

CLASSES = 60


class GridNetwork(nn.Module):
    """Logits that are linear in the mean colours of a 4x4 grid: another class is never far."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.register_buffer("weight", 8.0 * torch.randn((CLASSES, 48), generator=generator))

    def forward(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images, 4).flatten(1) @ self.weight.T


def fake_classifier(name: str = "fake", view: str | None = None) -> Classifier:
    """The classifier of these tests, whatever name is asked for."""
    spec = mean_color_spec(classes=CLASSES)
    return Classifier(spec, GridNetwork(), view or "native").eval()


def set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the fake classifier, and short runs of large steps.

    With these, most photos can be protected from top 1, and none from top 5.
    """
    monkeypatch.setattr(judge, "load_classifier", fake_classifier)
    for name, run in RUNS.items():
        if not isinstance(run.search, Algorithm1):
            continue
        l1_weight = 3.0 if run.search.l1_weight else 0.0
        short = replace(run, magnitude=32 / 255, search=Algorithm1(l1_weight, 12, 1 / 255))
        monkeypatch.setitem(dict_of_runs(), name, short)


def dict_of_runs() -> dict[str, Run]:
    """The registry, as what it is inside."""
    assert isinstance(RUNS, dict)
    return RUNS


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Seven pictures of two sizes, one of them a JPEG, one with transparency."""
    folder = tmp_path / "images"
    folder.mkdir()
    for index, name in enumerate(["c.png", "a.png", "e.jpg", "b.png", "d.png", "f.png", "g.webp"]):
        height, width = (40, 28) if index % 3 == 1 else (32, 32)
        pixels = textured_pixels(height, width, seed=index).astype(np.float64)
        pixels[..., index % 3] *= 0.5
        image = Image.fromarray(pixels.astype(np.uint8))
        if name == "f.png":
            image.putalpha(120)
        image.save(folder / name)
    return folder


def options(images: Path, *, runs: str = "Top1-L1,Top5-noL1", **changes: Any) -> Table1Options:
    defaults = Table1Options(
        images=images,
        labels=None,
        classifier="fake",
        view=None,
        runs=runs_named(runs),
        limit=None,
        batch_size=2,
        seed=0,
        aesthetics="no",
        aesthetics_files=(),
        include_misclassified=False,
        out=images.parent / "out",
    )
    return replace(defaults, **changes)


def measure(options: Table1Options, progress: Callable[[Progress], None] | None = None) -> str:
    return measure_table1(options, progress or (lambda step: None)).markdown


def labels_csv(images: Path, wrong: Sequence[str] = ()) -> Path:
    """Labels of all images, right but for those to be wrong."""
    classifier = fake_classifier()
    lines = ["file,places365_index"]
    for path in sorted(images.iterdir()):
        right = int(classify(read_photo(path), classifier).argmax())
        label = (right + 1) % CLASSES if path.name in wrong else right
        lines.append(f"{path.name},{100 + label}")
    target = images.parent / "labels.csv"
    target.write_text("\n".join(lines))
    return target


def records_of(out: Path) -> list[Record]:
    return [Record.from_line(line) for line in (out / "records.jsonl").read_text().splitlines()]


def timeless(out: Path) -> dict[str, object]:
    """All that an evaluation wrote, without the seconds."""
    files = {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.png"))}
    records = []
    for record in records_of(out):
        report = None if record.report is None else {**record.report, "seconds": 0}
        records.append(replace(record, report=report).to_line())
    markdown = [
        line.rsplit("|", 2)[0] if line.startswith("|") else line
        for line in (out / "table1.md").read_text().splitlines()
    ]
    rows = list(csv.DictReader((out / "table1.csv").read_text().splitlines()))
    table = [{name: row[name] for name in row if name != "seconds"} for row in rows]
    return {**files, "records": records, "table1.md": markdown, "table1.csv": table}


def arguments(options: Table1Options, *more: str) -> list[str]:
    words = ["table1", "--images", str(options.images), "--classifier", "fake"]
    words += [
        "--runs",
        ",".join(run.name for run in options.runs),
        "--batch-size",
        str(options.batch_size),
    ]
    return [*words, "--aesthetics", "no", "--out", str(options.out), *more]
