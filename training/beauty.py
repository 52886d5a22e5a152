"""`python -m training.beauty`: fit the embedded aesthetic regressor, and cross-validate it.

Ridge regression of mean beauty ratings on features of the scene classifier (see
`cvpire.metrics.beauty`).
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from scipy.stats import spearmanr

from cvpire.classifiers.registry import load_classifier
from cvpire.errors import CvpireError
from cvpire.images.photo import write_bytes
from cvpire.images.reading import read_photo
from cvpire.metrics.beauty import describe
from cvpire.weights.store import file_sha256
from eval.errors import EvaluationError
from eval.progress import Progress, ProgressCallback, ProgressLine

# Of the mean squared feature, which is 1 after standardisation.
RIDGE = 0.3
FOLDS = 10
REPETITIONS = 5
SCENE = "Scene"
_COLUMNS = ("file", "category", "beauty_mean")
Array = NDArray[np.float64]


class Ratings(NamedTuple):
    """What raters said of the photos.

    Attributes:
        files: names.
        categories: "Scene" or another, one for each.
        means: (N,) mean beauty, 1 to 7.
    """

    files: tuple[str, ...]
    categories: tuple[str, ...]
    means: Array


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.beauty", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--ratings", type=Path, metavar="CSV", help="default: beauty.csv among the photos"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write the weights")
    options = parser.parse_args(arguments)
    line = ProgressLine(sys.stderr)
    try:
        ratings = read_ratings(options.ratings or options.photos / "beauty.csv")
        features = measure_features(options.photos, ratings.files, line)
        line.clear()
        print(report(features, ratings))
        if options.out is not None:
            write_bytes(options.out, fitted_file(features, ratings))
            print(f"{options.out}: sha256 {file_sha256(options.out)}")
    except CvpireError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("training: interrupted.", file=sys.stderr)
        return 130
    finally:
        line.clear()
    return 0


def read_ratings(path: Path) -> Ratings:
    """Read a CSV with the columns `file`, `category` and `beauty_mean`.

    Raises:
        EvaluationError: if it cannot be read or says something else.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines))
        files, categories, means = (tuple(row[column] for row in rows) for column in _COLUMNS)
        values = np.array([float(mean) for mean in means])
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise EvaluationError(
            f"{path} is not a CSV with the columns {', '.join(_COLUMNS)} ({error})."
        ) from error
    if len(files) < FOLDS:
        raise EvaluationError(f"{path} has {len(files)} rows: expected {FOLDS} or more.")
    return Ratings(files, categories, values)


def measure_features(folder: Path, files: Sequence[str], progress: ProgressCallback) -> Array:
    """The features (N, D) of photos.

    Raises:
        PhotoError: if one cannot be read.
        WeightsError: if the classifier has no weights.
    """
    classifier = load_classifier("scenes")
    rows = []
    with torch.no_grad():
        for done, file in enumerate(files):
            progress(Progress("Looking at the photos", "", done, len(files)))
            pixels = torch.from_numpy(read_photo(folder / file).pixels)
            image = pixels.permute(2, 0, 1)[None].float() / 255.0
            rows.append(describe(classifier, image)[0].double().numpy())
    return np.stack(rows)


def fit(features: Array, targets: Array) -> tuple[Array, float]:
    """Ridge regression on standardised features, by its dual.

    Args:
        features: (N, D).
        targets: (N,).

    Returns:
        The weights (D,) and the bias for the features as they come.
    """
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-3
    standardised = (features - mean) / scale
    gram = standardised @ standardised.T / features.shape[1]
    dual = np.linalg.solve(gram + RIDGE * np.eye(len(gram)), targets - targets.mean())
    weights = standardised.T @ dual / features.shape[1] / scale
    return weights, float(targets.mean() - mean @ weights)


def cross_validate(features: Array, targets: Array, seed: int) -> Array:
    """A prediction (N,) for each photo by a regressor that has not seen it."""
    order = np.random.default_rng(seed).permutation(len(targets))
    predictions = np.empty_like(targets)
    for fold in range(FOLDS):
        held_out = order[fold::FOLDS]
        others = np.setdiff1d(order, held_out)
        weights, bias = fit(features[others], targets[others])
        predictions[held_out] = features[held_out] @ weights + bias
    return predictions


def report(features: Array, ratings: Ratings) -> str:
    """The cross-validated rank correlations, in words."""
    is_scene = np.array([category == SCENE for category in ratings.categories])
    everything = np.ones_like(is_scene)
    predictions = [cross_validate(features, ratings.means, seed) for seed in range(REPETITIONS)]
    lines = [f"{len(is_scene)} photos, {is_scene.sum()} of them scenes; {FOLDS}-fold, each photo"]
    lines[0] += f" predicted by a fit without it; {REPETITIONS} divisions into folds"
    for name, chosen in (("overall", everything), ("scenes", is_scene)):
        if chosen.sum() < FOLDS:
            continue
        ranks = [spearmanr(p[chosen], ratings.means[chosen]).statistic for p in predictions]
        errors = [np.abs(p - ratings.means)[chosen].mean() for p in predictions]
        lines.append(
            f"{name:8} rank correlation {np.mean(ranks):.3f} (lowest {min(ranks):.3f}), mean "
            f"absolute error {np.mean(errors):.2f}"
        )
    return "\n".join(lines)


def fitted_file(features: Array, ratings: Ratings) -> bytes:
    """The regressor fitted to all photos, as safetensors."""
    weights, bias = fit(features, ratings.means)
    tensors = {
        "weight": torch.from_numpy(weights).float(),
        "bias": torch.tensor(bias, dtype=torch.float32),
    }
    metadata = {"training": json.dumps({"ridge": RIDGE, "photos": len(ratings.files)})}
    data: bytes = save(tensors, metadata=metadata)
    return data


if __name__ == "__main__":
    sys.exit(main())
