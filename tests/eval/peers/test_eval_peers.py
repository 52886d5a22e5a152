"""The comparison with peers: what is counted, judged, kept and drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from eval_helpers import shrink_photos, table_rows, three_photos, without_looks
from peers_helpers import FAKES
from table1_helpers import fake_classifier
from torch import Tensor, nn

from cvpire.images.reading import read_photo
from cvpire.metrics import pyiqa_metrics
from eval import judge, peers
from eval.damage import DAMAGES, Damage, damaged
from eval.errors import EvaluationError
from eval.methods import Method, Task
from eval.output import Measured
from eval.peers import PeersOptions, measure_peers
from eval.progress import Progress


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "load_classifier", fake_classifier)
    monkeypatch.setattr(peers, "methods_for", lambda condition: FAKES)


@pytest.fixture
def options(tmp_path: Path) -> PeersOptions:
    return PeersOptions(
        images=three_photos(tmp_path),
        labels=None,
        classifier="fake",
        view=None,
        condition="top1",
        methods="all",
        limit=None,
        seed=0,
        out=tmp_path / "out",
    )


def measure(options: PeersOptions, progress: Callable[[Progress], None] | None = None) -> Measured:
    return measure_peers(options, progress or (lambda step: None))


def test_every_method_is_judged_by_its_written_file(options: PeersOptions) -> None:
    result = measure(options)
    assert result.missing == ("absent needs no_such_package: run `make peers`.",)
    rows = table_rows(result.markdown)
    ours, inverted, left = (
        rows[name] for name in ("Top1-min, this project", "invert: inverted", "nothing: left alone")
    )
    assert ours["success"] == "100.0%"
    assert float(ours["SSIM"]) > 0.999
    assert ours["over bound"] == "0"
    assert inverted["success"] == "100.0%"
    assert float(inverted["SSIM"]) < 0.5
    assert inverted["over bound"] == "-"
    assert (left["success"], left["SSIM"], left["dE00 mean"]) == ("0.0%", "1.00000", "0.0000")
    # The judge's passes are not counted.
    assert left["forward"] == left["backward"] == "0.0"
    assert float(ours["forward"]) >= float(ours["backward"]) > 5.0
    # What is the same looks the same, and what is inverted does not.
    assert (left["SSIMULACRA2 (least)"], left["JOD"]) == ("100.0 (100)", "10.00")
    assert (left["FLIP p99"], left["dE00 blurred"]) == ("0.000", "0.00")
    assert float(inverted["JOD"]) < 8.0 < 9.5 < float(ours["JOD"])
    for damage in DAMAGES.values():
        row = rows[f"{damage.name}: {_settings(damage)}"]
        assert row["over bound"] == "-"
        assert float(row["SSIMULACRA2 (least)"].split()[0]) < 100.0
        path = options.out / damage.name / "0.png"
        expected = damaged(damage, read_photo(options.images / "0.png")).pixels
        assert np.array_equal(read_photo(path).pixels, expected)
    written = read_photo(options.out / "invert" / "0.png")
    original = read_photo(options.images / "0.png")
    assert bool((written.pixels == 255 - original.pixels).all())
    for name in ("peers.md", "peers.csv", "peers.png"):
        assert (options.out / name).stat().st_size > 100


def _settings(damage: Damage) -> str:
    return f"plain damage, {damage.settings}" if damage.settings else "plain damage"


class MeanDifference(nn.Module):
    """Stands for a metric of pyiqa, and counts how often it is asked."""

    asked = 0

    def forward(self, changed: Tensor, original: Tensor) -> Tensor:
        MeanDifference.asked += 1
        return (changed - original).abs().mean()


def test_metrics_of_pyiqa_are_columns_where_asked_for(
    options: PeersOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(options)
    monkeypatch.setattr(pyiqa_metrics, "build_metric", lambda name, files: MeanDifference())
    monkeypatch.setattr(MeanDifference, "asked", 0)
    with_it = replace(options, perceptual="lpips")
    rows = table_rows(measure(with_it).markdown)
    ours, inverted, left = (
        rows[name] for name in ("Top1-min, this project", "invert: inverted", "nothing: left alone")
    )
    assert left["lpips"] == "0.000000"
    assert 0.0 < float(ours["lpips"]) < 0.01 < float(inverted["lpips"])
    head = (options.out / "peers.csv").read_text().splitlines()[0]
    assert head.endswith("seconds,lpips")
    asked = MeanDifference.asked
    assert asked == (4 + len(DAMAGES)) * 3
    assert table_rows(measure(with_it).markdown) == rows
    assert MeanDifference.asked == asked, "what was looked at is kept"
    with pytest.raises(EvaluationError, match="no metric 'prettiness' that compares two photos"):
        measure(replace(options, perceptual="prettiness"))


def test_missing_weights_of_such_a_metric_are_named(
    options: PeersOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CVPIRE_HOME", str(tmp_path))
    with pytest.raises(EvaluationError, match=r"needs the file .*alex.*\.pth"):
        measure(replace(options, perceptual="lpips"))


def test_what_was_finished_before_a_kill_is_kept(options: PeersOptions) -> None:
    class Killed(BaseException):
        pass

    def kill(step: Progress) -> None:
        if step.stage == "Comparing" and step.done == 5:
            raise Killed

    with pytest.raises(Killed):
        measure(options, kill)
    lines = (options.out / "records.jsonl").read_text().splitlines()
    assert len(lines) == 3 + 5
    measure(options)
    after = (options.out / "records.jsonl").read_text().splitlines()
    # What people see is added to each record of a written file.
    assert {without_looks(line) for line in lines} <= {without_looks(line) for line in after}
    assert len(after) == 3 + (4 + len(DAMAGES)) * 3


def test_what_is_done_once_is_no_photo_s_time(
    options: PeersOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each method's first call, in which it may compile, is for a picture that does not count."""
    seen: list[tuple[int, ...]] = []

    def note(task: Task) -> Tensor:
        seen.append(tuple(task.image.shape))
        return task.image

    monkeypatch.setattr(peers, "methods_for", lambda condition: (Method("note", "", note),))
    measure(options)
    photos = [(1, 3, *read_photo(options.images / f"{n}.png").pixels.shape[:2]) for n in range(3)]
    assert seen[0] == (1, 3, 64, 64)
    assert seen[1:] == photos
    # Nothing is left to be timed.
    measure(options)
    assert len(seen) == 4


def test_what_cannot_be_read_is_said(options: PeersOptions) -> None:
    (options.images / "cut.png").write_bytes((options.images / "0.png").read_bytes()[:200])
    assert list(measure(replace(options, methods="nothing")).unreadable) == ["cut.png"]


def test_the_images_are_never_written_over(options: PeersOptions) -> None:
    images = options.images.rename(options.images.with_name("nothing"))
    with pytest.raises(EvaluationError, match="written over the images"):
        measure(replace(options, images=images, out=images.parent))


def test_other_settings_are_refused_in_the_same_folder(options: PeersOptions) -> None:
    measure(options)
    with pytest.raises(EvaluationError, match=r"condition was top1 and is top5 now"):
        measure(replace(options, condition="top5"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": "invert,other"}, "no method 'other'; the known ones are Top1-min, "),
        ({"methods": "absent"}, "None of the methods can be measured. absent needs"),
        ({"images": Path("nowhere")}, "nowhere"),
    ],
)
def test_bad_options_are_one_sentence(
    options: PeersOptions, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        measure(replace(options, **changes))


def broken(task: Task) -> Tensor:
    if task.image.shape[-1] == 64:
        raise RuntimeError("this fails on the small picture alone")
    return torch.full_like(task.image, float("nan"))


def test_what_is_no_picture_is_a_failure_of_that_photo(
    options: PeersOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_once(task: Task) -> Tensor:
        seen.append(task)
        return broken(task) if len(seen) in (1, 3) else task.image

    seen: list[Task] = []
    monkeypatch.setattr(peers, "methods_for", lambda c: (Method("breaks", "", breaks_once),))
    result = measure(options)
    assert result.unreadable == {
        "1.png": "1.png: What came of it has values that are not numbers: leave this method out. "
        "(by breaks)"
    }
    assert "images 2" in result.markdown.splitlines()[0]


def test_photos_that_are_too_small_for_a_metric_leave_its_cells_open(
    options: PeersOptions,
) -> None:
    shrink_photos(options.images)
    text = measure(replace(options, methods="invert")).markdown
    for row in table_rows(text).values():
        assert row["SSIM"] == row["SSIMULACRA2 (least)"] == "n/a"
        assert 0.0 < float(row["JOD"]) < 10.0
    assert "SSIMULACRA2 without 18 files with a side below 8 pixels." in text
    assert "nan" not in text
    assert "nan" not in (options.out / "peers.csv").read_text()
