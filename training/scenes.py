"""`python -m training.scenes`: train the embedded scene classifier.

EfficientNet-Lite0 with ImageNet's weights gets a new last layer for the embedded classes, fitted to
its frozen features, and is then fine-tuned on augmented photos. It learns from their labels and
from soft ones, which linear layers on those features and those of Lite1 and Lite2 give, with a
SqueezeNet of Places365 helping if there is one. The result is averaged with weights of an earlier
training, if there are some, and moved a share of the way back to the start. Needs
`requirements-dev.txt`. Killed, it goes on with the same command from at most 100 steps before.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from cvpire.classifiers.classifier import Classifier
from cvpire.classifiers.networks.efficientnet_lite import EfficientNetLite0
from cvpire.classifiers.registry import CLASSIFIERS
from cvpire.errors import CvpireError
from cvpire.images.photo import write_bytes
from cvpire.memory import keep_freed_memory
from cvpire.weights.checkpoints import load_strictly, read_state_dict
from cvpire.weights.store import file_sha256
from eval.arguments import positive
from eval.errors import EvaluationError
from eval.output import sole_user
from eval.progress import Progress, ProgressCallback, ProgressLine
from training.evaluate import measure, summary
from training.fitting import Fitting, Recipe
from training.heads import fit_head, frozen_features, soft_labels
from training.helpers import HELPERS
from training.photos import find_photos, read_squares
from training.teacher import load_teacher, teacher_logits

SIDE = 128
# The teacher's logits among the features: few, but they know Places365.
TEACHER_WEIGHT = 4.0
SAVE_EVERY = 100
WEIGHTS_FILE = "scenes.safetensors"
_STATE_FILE = "state.pt"
_STATE_KEYS = {
    "inputs",
    "soft",
    "recipe",
    "step",
    "start",
    "network",
    "average",
    "mean",
    "optimizer",
}

_SPEC = CLASSIFIERS["scenes"]


@dataclass(frozen=True)
class Sources:
    """What a training reads.

    Attributes:
        images: a zip or a folder with a folder for each class.
        teacher: the SqueezeNet's weights, or None.
        validation: photos to measure the result on, or None.
        earlier: weights that this command made before, to average with, or None.
    """

    images: Path
    teacher: Path | None
    validation: Path | None
    earlier: Path | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.scenes", description=__doc__)
    parser.add_argument("--images", type=Path, required=True, metavar="ZIP", help="or a folder")
    parser.add_argument("--teacher", type=Path, metavar="FILE", help="SqueezeNet of Places365")
    parser.add_argument("--earlier", type=Path, metavar="FILE", help="weights to average with")
    parser.add_argument("--validation", type=Path, metavar="ZIP", help="measured at the end")
    parser.add_argument("--out", type=Path, default=Path("results/training"), metavar="DIR")
    parser.add_argument("--epochs", type=positive, default=Recipe.epochs, metavar="N")
    options = parser.parse_args(arguments)
    sources = Sources(options.images, options.teacher, options.validation, options.earlier)
    line = ProgressLine(sys.stderr)
    keep_freed_memory(without_limit=True)
    try:
        with sole_user(options.out, []):
            train(sources, Recipe(epochs=options.epochs), options.out, line)
            line.clear()
            if sources.validation is not None:
                print(_validate(options.out / WEIGHTS_FILE, sources.validation, line))
    except CvpireError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("training: interrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    finally:
        line.clear()
    path = options.out / WEIGHTS_FILE
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, sha256 {file_sha256(path)}")
    print(f"To embed it: copy it to cvpire/data and put the sha256 into {_SPEC.name}'s spec.")
    return 0


def train(sources: Sources, recipe: Recipe, out: Path, progress: ProgressCallback) -> None:
    """Train and write `scenes.safetensors`; what an earlier, killed training did is kept.

    Args:
        sources: what to read.
        recipe: the settings.
        out: the folder of the state and the result.
        progress: told after each step.

    Raises:
        EvaluationError: if photos are missing or another training was saved in the folder.
        WeightsError: if weights are missing or do not fit.
    """
    labels = _SPEC.read_labels()
    # First, so that a broken or missing file is not found out minutes later.
    teacher = load_teacher(sources.teacher) if sources.teacher is not None else None
    earlier = _read_earlier(sources.earlier) if sources.earlier is not None else None
    for helper in HELPERS:
        helper.locate()
    found = find_photos(sources.images, labels)
    pixels, positions = read_squares(found.photos, SIDE, progress, "Reading the photos")
    present = set(positions.tolist())
    lacking = [name for position, name in enumerate(labels.names) if position not in present]
    if lacking:
        raise EvaluationError(f"{sources.images} has no photos of {', '.join(lacking)}.")
    inputs = {
        "images": file_sha256(sources.images) if sources.images.is_file() else len(pixels),
        "teacher": file_sha256(sources.teacher) if sources.teacher is not None else None,
        "earlier": file_sha256(sources.earlier) if sources.earlier is not None else None,
        "helpers": [helper.weights.sha256 for helper in HELPERS],
    }
    state = _read_state(out / _STATE_FILE, inputs)
    network = _pretrained()
    if state is None:
        own = frozen_features(network, _normalise, pixels, progress)
        network._fc = fit_head(own, positions, len(labels.names), recipe.seed)
        views = [own / own.std()]
        for helper in HELPERS:
            seen = frozen_features(helper.load(), _normalise, pixels, progress)
            views.append(seen / seen.std())
        if teacher is not None:
            known = torch.tensor(labels.indices)
            logits = teacher_logits(teacher, pixels, known, progress)
            views.append(TEACHER_WEIGHT * (logits - logits.mean(dim=0)) / logits.std(dim=0))
        features = own.std() * torch.cat(views, dim=1)
        soft = soft_labels(features, positions, len(labels.names), recipe.seed, progress)
    else:
        network._fc = torch.nn.Linear(network._fc.in_features, len(labels.names))
        soft = state["soft"]
    network.requires_grad_(True)
    fitting = Fitting(network, _normalise, pixels, positions, soft, recipe)
    if state is not None:
        fitting.resume(state)
    for fitted in fitting.run():
        progress(
            Progress("Training", f"loss {fitted.loss:.2f}", fitted.step, fitted.steps, "steps")
        )
        if fitted.step % SAVE_EVERY == 0 or fitted.step == fitted.steps:
            _write_state(out / _STATE_FILE, {**fitting.state(), "soft": soft, "inputs": inputs})
    # One entry: safetensors writes several in an order of its own, and equal trainings must give
    # equal bytes.
    metadata = {"training": json.dumps({"recipe": asdict(recipe), "inputs": inputs})}
    write_bytes(out / WEIGHTS_FILE, _as_safetensors(fitting.blended(earlier), metadata))


def _pretrained() -> EfficientNetLite0:
    network = CLASSIFIERS["lite0-imagenet"].load_network()
    assert isinstance(network, EfficientNetLite0)
    return network.eval().requires_grad_(False)


def _read_earlier(path: Path) -> dict[str, Tensor]:
    state = read_state_dict(path)
    # A file with other names or shapes is refused here, not after an hour of training.
    load_strictly(EfficientNetLite0(len(_SPEC.read_labels().names)), state, source=path.name)
    return {name: value.float() for name, value in state.items() if value.is_floating_point()}


def _normalise(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (_SPEC.mean, _SPEC.std))
    return (images - mean) / std


def _as_safetensors(network: EfficientNetLite0, metadata: dict[str, str]) -> bytes:
    tensors = {
        name: value.half().contiguous()
        for name, value in network.state_dict().items()
        if value.is_floating_point()
    }
    data: bytes = save(tensors, metadata=metadata)
    return data


def _write_state(path: Path, state: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(path, buffer.getvalue())


def _read_state(path: Path, inputs: dict[str, Any]) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
        lacking = _STATE_KEYS - state.keys()
    except Exception as error:
        raise EvaluationError(
            f"{path} is not the state of a training ({type(error).__name__}): delete it to begin "
            "anew."
        ) from error
    if lacking:
        raise EvaluationError(
            f"{path} is not the state of such a training (it lacks {', '.join(sorted(lacking))}): "
            "delete it to begin anew."
        )
    if state["inputs"] != inputs:
        raise EvaluationError(
            f"{path.parent} holds a training on other photos or with another teacher: choose "
            "another --out."
        )
    return state


def _validate(weights: Path, photos: Path, progress: ProgressCallback) -> str:
    network = EfficientNetLite0(len(_SPEC.read_labels().names))
    load_strictly(network, read_state_dict(weights), source=weights.name)
    classifier = Classifier(_SPEC, network, _SPEC.view).eval().requires_grad_(False)
    answers, _ = measure(classifier, find_photos(photos, classifier.labels).photos, progress)
    return summary(answers, classifier.labels.names)


if __name__ == "__main__":
    sys.exit(main())
