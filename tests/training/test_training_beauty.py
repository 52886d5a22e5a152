"""The aesthetic regressor: its fit, its cross-validation, and the embedded file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import textured_pixels
from PIL import Image
from safetensors.torch import load

from cvpire.metrics.beauty import FEATURES, WEIGHTS
from eval.errors import EvaluationError
from training import beauty
from training.beauty import Ratings, cross_validate, fit, fitted_file, main, read_ratings, report


def linear(count: int = 200, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    features = random.normal(size=(count, 12)) * np.arange(1, 13) + 3.0
    targets = features @ np.linspace(-0.2, 0.2, 12) + 4.0
    return features, targets + noise * random.normal(size=count)


def test_the_fit_finds_what_is_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beauty, "RIDGE", 1e-6)
    features, targets = linear()
    weights, bias = fit(features, targets)
    assert weights == pytest.approx(np.linspace(-0.2, 0.2, 12), abs=1e-3)
    assert bias == pytest.approx(4.0, abs=1e-2)


def test_a_strong_ridge_predicts_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beauty, "RIDGE", 1e9)
    features, targets = linear()
    weights, bias = fit(features, targets)
    assert features @ weights + bias == pytest.approx(np.full(200, targets.mean()), abs=1e-4)


def test_nobody_is_predicted_by_a_fit_that_saw_them() -> None:
    """Outputs of pure chance cannot be predicted, however many features there are."""
    random = np.random.default_rng(0)
    features, targets = random.normal(size=(100, 400)), random.normal(size=100)
    assert abs(np.corrcoef(cross_validate(features, targets, 0), targets)[0, 1]) < 0.3
    weights, bias = fit(features, targets)
    assert np.corrcoef(features @ weights + bias, targets)[0, 1] > 0.9


def test_the_report_speaks_of_scenes_and_of_all() -> None:
    features, targets = linear(60, noise=0.1)
    ratings = Ratings(("x",) * 60, ("Scene", "Object") * 30, targets)
    first, overall, scenes = report(features, ratings).splitlines()
    assert first.startswith("60 photos, 30 of them scenes; 10-fold")
    assert overall.startswith("overall  rank correlation 0.9")
    assert scenes.startswith("scenes   rank correlation 0.9")


def test_equal_photos_give_equal_files() -> None:
    features, targets = linear()
    ratings = Ratings(("x",) * 200, ("Scene",) * 200, targets)
    data = fitted_file(features, ratings)
    assert data == fitted_file(features, ratings)
    assert load(data)["weight"].shape == (12,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"file,category\na.jpg,Scene\n", "is not a CSV with the columns file, category, beauty"),
        (b"file,category,beauty_mean\na.jpg,Scene,much\n", "could not convert"),
        (b"file,category,beauty_mean\na.jpg,Scene,4\n", "has 1 rows: expected 10 or more"),
        (b"\xff\xfe", "is not a CSV"),
    ],
)
def test_bad_ratings_are_one_sentence(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "beauty.csv").write_bytes(text)
    with pytest.raises(EvaluationError, match=message):
        read_ratings(tmp_path / "beauty.csv")


def test_the_command_fits_photos_and_writes_a_small_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["file,category,beauty_mean"]
    for index in range(12):
        Image.fromarray(textured_pixels(40, 50, seed=index)).save(tmp_path / f"{index}.png")
        lines.append(f"{index}.png,Scene,{3 + index / 4}")
    (tmp_path / "beauty.csv").write_text("\n".join(lines))
    out = tmp_path / "beauty.safetensors"
    assert main(["--photos", str(tmp_path), "--out", str(out)]) == 0
    assert "12 photos, 12 of them scenes" in capsys.readouterr().out
    assert load(out.read_bytes())["weight"].shape == (FEATURES,)
    assert main(["--photos", str(tmp_path / "nowhere")]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_embedded_file_is_small() -> None:
    path = WEIGHTS.locate()
    assert path is not None
    assert path.stat().st_size < 100_000


def test_it_ranks_photos_as_people_do(shared: Path) -> None:
    ratings = read_ratings(shared / "data/oasis/beauty.csv")
    features = beauty.measure_features(shared / "data/oasis", ratings.files, lambda step: None)
    overall, scenes = report(features, ratings).splitlines()[1:]
    assert float(overall.split()[3]) >= 0.75
    assert float(scenes.split()[3]) >= 0.80
