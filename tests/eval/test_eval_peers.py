"""The comparison with peers: what is counted, judged, kept and drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import textured_pixels
from eval_helpers import shrink_photos, table_rows, three_photos, without_looks
from table1_helpers import fake_classifier
from torch import Tensor, nn

from cvpire.color.variance import threshold_map
from cvpire.images.reading import read_photo
from cvpire.metrics import pyiqa_metrics
from eval import judge, peers
from eval.damage import DAMAGES, Damage, damaged
from eval.errors import EvaluationError
from eval.methods import CONDITIONS, Method, Rounding, Task, methods_for
from eval.output import Measured
from eval.passes import CountedClassifier
from eval.peers import PeersOptions, measure_peers
from eval.progress import Progress

CLASSIFIER = fake_classifier()


def invert(task: Task) -> Tensor:
    """Certain to be something else, and to be seen."""
    return 1.0 - task.image


def nothing(task: Task) -> Tensor:
    return task.image


FAKES = (
    *(method for method in methods_for("top1") if method.is_ours),
    Method("invert", "inverted", invert),
    Method("nothing", "left alone", nothing),
    Method("absent", "not there", nothing, package="no_such_package"),
)


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


def test_what_knows_no_grey_levels_is_shown_what_is_written() -> None:
    images = torch.tensor([0.1004, 0.5]).view(2, 1, 1, 1).expand(2, 3, 4, 4).clone()
    images.requires_grad_(True)
    rounding = Rounding(nn.Identity())
    shown = rounding(images)
    assert torch.allclose(shown * 255.0, (images * 255.0).round(), atol=1e-4)
    (gradient,) = torch.autograd.grad(shown.sum(), images)
    assert torch.equal(gradient, torch.ones_like(images))


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


def test_passes_are_counted_both_ways() -> None:
    counted = CountedClassifier(CLASSIFIER)
    images = torch.rand(3, 3, 32, 32, requires_grad=True)
    with torch.no_grad():
        counted(images)
    logits = counted.differentiable(images)
    torch.autograd.grad(logits.sum(), images)
    assert (counted.forwards, counted.backwards) == (6, 3)
    assert torch.allclose(logits, CLASSIFIER(images), atol=0.05)


def task(condition: str) -> Task:
    image = torch.from_numpy(textured_pixels(40, 36, 1)).permute(2, 0, 1)[None].float() / 255.0
    label = CLASSIFIER(image).argmax(dim=1)
    return Task(
        CountedClassifier(CLASSIFIER).eval(),
        image,
        label,
        CONDITIONS[condition](label, CLASSIFIER.labels),
        threshold_map(image) * (32 / 255),
        seed=0,
    )


@pytest.mark.parametrize("condition", CONDITIONS)
def test_peers_get_every_condition_as_a_class_to_leave(condition: str) -> None:
    given = task(condition)
    model, label = given.as_classes()
    for strength in (0.0, 0.05, 0.3, 1.0):
        noise = torch.rand(given.image.shape, generator=torch.Generator().manual_seed(0))
        images = given.image.lerp(noise, strength)
        is_met = bool(given.condition.is_met(CLASSIFIER(images)))
        assert (int(model(images).argmax()) != int(label)) is is_met
    assert (model is given.classifier) is (condition == "top1")


# What peers are warned of is their own business.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", methods_for("top1"), ids=lambda method: method.name)
def test_the_real_methods_give_photos(method: Method) -> None:
    if not method.is_installed:
        pytest.skip(f"{method.package} is not installed: run `make peers`")
    given = task("top1")
    changed = method.change(given)
    assert changed.shape == given.image.shape
    assert float(changed.detach().min()) >= -1e-6
    assert float(changed.detach().max()) <= 1.0 + 1e-6
    assert given.classifier.backwards > 0


def test_superdeepfool_leaves_the_class_for_every_condition() -> None:
    """It takes a gradient of each class: of ten, or of the two of a condition."""
    (method,) = (method for method in methods_for("top1") if method.name == "SuperDeepFool")
    if not method.is_installed:
        pytest.skip("adv_lib is not installed: run `make peers`")
    for condition in CONDITIONS:
        given = task(condition)
        levels = (method.change(given).detach().clamp(0.0, 1.0) * 255.0).round() / 255.0
        assert bool(given.condition.is_met(CLASSIFIER(levels)))


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
