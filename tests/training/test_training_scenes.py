"""The training of the embedded classifier, on photos that the test makes."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import nn

from cvpire.classifiers.labels import read_scenes
from cvpire.classifiers.networks.efficientnet_lite import EfficientNetLite0
from cvpire.classifiers.networks.squeezenet import SqueezeNet
from cvpire.classifiers.registry import CLASSIFIERS
from cvpire.images.reading import read_photo
from cvpire.weights.checkpoints import read_state_dict
from eval.errors import EvaluationError
from eval.progress import Progress
from training import scenes
from training.fitting import Fitting, Recipe
from training.heads import fit_head, soft_labels
from training.scenes import Sources, main, train
from training.teacher import load_teacher, teacher_logits

RECIPE = Recipe(members=2, epochs=2, batch_size=32, sides=((32,), (32, 48)), warmup_steps=2)

SOFT = torch.full((8, 5), 0.2)

EMBEDDED = Path(scenes.__file__).parents[1] / "cvpire" / "data"


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip with one small photo of each embedded class."""
    path = tmp_path_factory.mktemp("photos") / "photos.zip"
    random = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for scene in read_scenes():
            if scene.is_embedded:
                buffer = io.BytesIO()
                pixels = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
                Image.fromarray(pixels).resize((128, 128)).save(buffer, "PNG")
                archive.writestr(f"{scene.name[3:].replace('/', '-')}/a.png", buffer.getvalue())
    return path


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    """A file of the teacher's form, with random weights."""
    torch.manual_seed(0)
    path = tmp_path / "teacher.pt"
    torch.save(SqueezeNet().state_dict(), path)
    return path


class Killed(BaseException):
    """Stands for a kill."""


@pytest.mark.parametrize("kill_at", [4, 7, 9])
def test_a_killed_training_goes_on_as_if_nothing_had_been(
    kill_at: int, photos: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first member's training, right after it, and in the second's."""
    monkeypatch.setattr(scenes, "SAVE_EVERY", 1)
    earlier = EMBEDDED / "scenes.safetensors"
    sources = Sources(photos, teacher, None, earlier)

    def kill(step: Progress) -> None:
        if step.stage == "Training" and step.done == kill_at:
            raise Killed

    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    train(sources, RECIPE, tmp_path / "whole", lambda step: None)
    with pytest.raises(Killed):
        train(sources, RECIPE, tmp_path / "killed", kill)
    seen: list[Progress] = []
    train(sources, RECIPE, tmp_path / "killed", seen.append)
    # It starts where it was killed, and does not look at the frozen features again.
    resumed_at = [step.done for step in seen if step.stage == "Training"]
    assert resumed_at == list(range(kill_at, 13))
    assert not [step for step in seen if step.stage == "Frozen features"]
    whole, resumed = (
        (tmp_path / name / "scenes.safetensors").read_bytes() for name in ("whole", "killed")
    )
    assert hashlib.sha256(whole).digest() == hashlib.sha256(resumed).digest()
    # The file is half precision and fits the network of the registry.
    state = read_state_dict(tmp_path / "whole" / "scenes.safetensors")
    assert {value.dtype for value in state.values()} == {torch.float16}
    assert state["_fc.weight"].shape == (97, 1280)
    with safe_open(tmp_path / "whole" / "scenes.safetensors", "pt") as file:
        training = json.loads(file.metadata()["training"])
    assert training["recipe"]["epochs"] == 2
    assert training["inputs"]["earlier"] == hashlib.sha256(earlier.read_bytes()).hexdigest()


def test_another_training_s_folder_is_refused(
    photos: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(Sources(photos, None, None), RECIPE, tmp_path, lambda step: None)
    with pytest.raises(EvaluationError, match="with another teacher: choose another --out"):
        train(Sources(photos, teacher, None), RECIPE, tmp_path, lambda step: None)
    longer = Recipe(**{**RECIPE.__dict__, "epochs": 3})
    with pytest.raises(EvaluationError, match="other settings: choose another --out"):
        train(Sources(photos, None, None), longer, tmp_path, lambda step: None)


def test_a_class_without_photos_is_named(tmp_path: Path, photos: Path) -> None:
    with zipfile.ZipFile(photos) as archive:
        archive.extractall(tmp_path / "photos")
    (tmp_path / "photos" / "volcano" / "a.png").unlink()
    with pytest.raises(EvaluationError, match="has no photos of volcano"):
        train(Sources(tmp_path / "photos", None, None), RECIPE, tmp_path, lambda step: None)


def test_the_command_says_what_is_wrong(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")]
    for words, message in (
        (["--images", str(tmp_path / "no.zip")], "There is no file or folder"),
        (["--images", str(photos), "--teacher", str(tmp_path / "no.pt")], "there is no file at"),
        (["--images", str(photos), "--earlier", str(tmp_path / "no.pt")], "there is no file at"),
        (
            ["--images", str(photos), "--earlier", str(EMBEDDED / "beauty.safetensors")],
            "do not fit",
        ),
    ):
        assert main([*words, *out]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "out" / "state.pt").write_bytes(b"cut")
    assert main(["--images", str(photos), *out]) == 2
    assert "is not the state of a training" in capsys.readouterr().err
    torch.save({"step": 3, "inputs": {}}, tmp_path / "out" / "state.pt")
    assert main(["--images", str(photos), *out]) == 2
    assert (
        "it lacks average, mean, network, optimizer, recipe, soft, start" in capsys.readouterr().err
    )


@pytest.fixture
def network() -> Iterator[EfficientNetLite0]:
    network = CLASSIFIERS["lite0-imagenet"].load_network().eval().requires_grad_(False)
    assert isinstance(network, EfficientNetLite0)
    torch.manual_seed(0)
    network._fc = nn.Linear(1280, 5)
    yield network.requires_grad_(True)


def test_frozen_layers_stay_and_the_rest_learns(network: EfficientNetLite0) -> None:
    torch.manual_seed(1)
    pixels = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    recipe = Recipe(
        members=1, epochs=3, batch_size=8, sides=((32,),), warmup_steps=1, frozen_blocks=2
    )
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fit = Fitting(network, lambda images: images, pixels, torch.arange(8) % 5, SOFT, recipe)
    assert [fitted.step for fitted in fit.run()] == [1, 2, 3]
    for name, value in fit.average.state_dict().items():
        is_frozen = name.startswith(("_conv_stem", "_bn0", "_blocks.0.", "_blocks.1."))
        is_statistic = "running" in name or "num_batches" in name
        assert torch.equal(value, before[name]) == (is_frozen or is_statistic), name


def test_the_result_is_the_members_mean(network: EfficientNetLite0) -> None:
    pixels = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    recipe = Recipe(members=2, epochs=2, batch_size=8, sides=((32,),), warmup_steps=1)
    start = network._fc.weight.detach().clone()
    fit = Fitting(network, lambda images: images, pixels, torch.arange(8) % 5, SOFT, recipe)
    members = []

    def note_and_finish(finish: Callable[[], None] = fit._finish_member) -> None:
        members.append(fit.average._fc.weight.clone())
        finish()

    fit._finish_member = note_and_finish  # type: ignore[method-assign]
    list(fit.run())
    first, second = members
    # Each begins anew: the second is no further away for having come later.
    assert 0.5 < float((first - start).norm() / (second - start).norm()) < 2.0
    assert not torch.equal(first, second)
    assert torch.allclose(fit.result()._fc.weight, (first + second) / 2.0, atol=1e-6)


def test_the_blend_lies_between_the_start_an_earlier_result_and_this_one(
    network: EfficientNetLite0,
) -> None:
    pixels = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    recipe = Recipe(
        members=1,
        epochs=2,
        batch_size=8,
        sides=((32,),),
        warmup_steps=1,
        fitted_share=0.75,
        earlier_share=0.2,
    )
    start = {name: value.clone() for name, value in network.state_dict().items()}
    earlier = {name: value + 1.0 for name, value in start.items() if value.is_floating_point()}
    fit = Fitting(network, lambda images: images, pixels, torch.arange(8) % 5, SOFT, recipe)
    list(fit.run())
    result, alone, both = (
        each.state_dict() for each in (fit.result(), fit.blended(), fit.blended(earlier))
    )
    for name in earlier:
        moved = result[name] - start[name]
        assert torch.allclose(alone[name], start[name] + 0.75 * moved, atol=1e-5), name
        goal = 0.8 * moved + 0.2
        assert torch.allclose(both[name], start[name] + 0.75 * goal, atol=1e-4), name
    assert not torch.equal(
        result["_blocks.15._project_conv.weight"], start["_blocks.15._project_conv.weight"]
    )


def test_a_loss_that_is_not_finite_is_said(network: EfficientNetLite0) -> None:
    nn.init.constant_(network._fc.bias, float("inf"))
    pixels = torch.zeros((8, 3, 32, 32), dtype=torch.uint8)
    recipe = Recipe(epochs=1, batch_size=8, sides=((32,),))
    fit = Fitting(network, lambda images: images, pixels, torch.zeros(8).long(), SOFT, recipe)
    with pytest.raises(FloatingPointError, match="step 0"):
        list(fit.run())


def test_the_rate_rises_and_falls(network: EfficientNetLite0) -> None:
    pixels = torch.zeros((8, 3, 32, 32), dtype=torch.uint8)
    recipe = Recipe(members=2, epochs=10, batch_size=8, sides=((32,),), warmup_steps=4)
    fit = Fitting(network, lambda images: images, pixels, torch.zeros(8).long(), SOFT, recipe)
    rates = []
    for step in range(fit.steps):
        fit.step = step
        rates.append(fit._schedule())
    first, second = rates[:10], rates[10:]
    assert first == second
    assert first[0] < first[3] <= 1.0
    assert first[3:] == sorted(first[3:], reverse=True)
    assert first[-1] < 0.05


def test_the_head_learns_what_is_linear() -> None:
    random = torch.Generator().manual_seed(0)
    features = torch.randn((20_000, 20), generator=random)
    labels = features[:, :4].argmax(dim=1)
    head = fit_head(features, labels, 4, seed=0)
    assert float((head(features).argmax(dim=1) == labels).float().mean()) > 0.9


def test_soft_labels_come_from_layers_that_did_not_see_the_photo() -> None:
    random = torch.Generator().manual_seed(0)
    features = torch.randn((2_000, 400), generator=random)
    labels = features[:, :4].argmax(dim=1)
    # Labels that nothing explains: a layer can only know them by heart.
    unexplained = torch.randint(4, (2_000,), generator=random)
    by_heart = fit_head(10.0 * features, unexplained, 4, seed=0)(10.0 * features)
    assert float((by_heart.argmax(dim=1) == unexplained).float().mean()) > 0.5
    for answer, low, high in ((labels, 0.5, 1.0), (unexplained, 0.2, 0.3)):
        soft = soft_labels(10.0 * features, answer, 4, 0, lambda step: None)
        assert torch.allclose(soft.sum(dim=1), torch.ones(2_000))
        assert low < float((soft.argmax(dim=1) == answer).float().mean()) < high


def test_the_teacher_s_logits_are_those_of_the_classes_asked_for() -> None:
    torch.manual_seed(0)
    teacher = SqueezeNet().eval()
    pixels = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    images = nn.functional.interpolate(
        pixels.float() / 255.0, (144, 144), mode="bilinear", antialias=True
    )
    known = torch.tensor([7, 300])
    logits = teacher_logits(teacher, pixels, known, lambda step: None)
    assert torch.allclose(logits, teacher(images)[:, known], atol=1e-5)


def test_the_teacher_is_the_published_network(shared: Path) -> None:
    """Real photos of kitchens: among the embedded classes, the real teacher finds theirs."""
    teacher = load_teacher(shared / "models/squeezenet_places365.safetensors")
    known = [scene.index for scene in read_scenes() if scene.is_embedded]
    right = 0
    for number in range(1, 6):
        photo = read_photo(shared / f"data/houses/00{number}_kitchen.jpg")
        image = torch.from_numpy(photo.pixels).permute(2, 0, 1)[None].float() / 255.0
        image = nn.functional.interpolate(image, (256, 256), mode="bilinear", antialias=True)
        right += known.index(203) in teacher(image)[0, known].topk(5).indices.tolist()
    assert right >= 4
