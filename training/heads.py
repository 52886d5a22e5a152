"""Linear layers on frozen features: a new last layer to start from, and soft labels to learn from.

Fine-tuning from a random last layer would first undo what the other layers know (Kumar et al. 2022,
doi:10.48550/arXiv.2202.10054).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvpire.classifiers.networks.efficientnet_lite import EfficientNetLite
from eval.progress import Progress, ProgressCallback
from training.photos import in_batches
from training.precision import autocast

SIDE = 224
EPOCHS = 10
BATCH_SIZE = 128
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-2
DROPOUT = 0.2
LABEL_SMOOTHING = 0.1
FOLDS = 5


def frozen_features(
    network: EfficientNetLite,
    normalise: Callable[[Tensor], Tensor],
    pixels: Tensor,
    progress: ProgressCallback,
) -> Tensor:
    """Pooled features (N, 1280) of photos (N, 3, H, W) uint8, brought to 224x224."""

    def look(images: Tensor) -> Tensor:
        with autocast():
            return network.features(normalise(images)).float()

    return in_batches(look, pixels, SIDE, progress, "Frozen features")


def fit_head(features: Tensor, labels: Tensor, classes: int, seed: int) -> nn.Linear:
    """A linear layer, by AdamW with a learning rate that falls to 0.

    Args:
        features: (N, D).
        labels: (N,) int64.
        classes: number of logits.
        seed: of the order and the dropout.
    """
    generator = torch.Generator().manual_seed(seed)
    head = nn.Linear(features.shape[1], classes)
    with torch.no_grad():
        head.weight.normal_(std=0.01, generator=generator)
        head.bias.zero_()
    optimizer = torch.optim.AdamW(head.parameters(), weight_decay=WEIGHT_DECAY)
    steps_an_epoch = max(1, len(features) // BATCH_SIZE)
    for step in range(EPOCHS * steps_an_epoch):
        if step % steps_an_epoch == 0:
            order = torch.randperm(len(features), generator=generator)
        start = step % steps_an_epoch * BATCH_SIZE
        rows = order[start : start + BATCH_SIZE]
        mask = torch.rand((len(rows), features.shape[1]), generator=generator) >= DROPOUT
        logits = head(features[rows] * mask / (1.0 - DROPOUT))
        loss = F.cross_entropy(logits, labels[rows], label_smoothing=LABEL_SMOOTHING)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * (1.0 - step / (EPOCHS * steps_an_epoch))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return head.requires_grad_(False)


def soft_labels(
    features: Tensor, labels: Tensor, classes: int, seed: int, progress: ProgressCallback
) -> Tensor:
    """What linear layers, each fitted to the other folds, take every photo for.

    Answers about photos that a layer was fitted to would only repeat their labels.

    Args:
        features: (N, D).
        labels: (N,) int64.
        classes: number of probabilities.
        seed: of the folds and the fits.
        progress: told after each fold.

    Returns:
        Probabilities (N, classes).
    """
    fold = torch.randperm(len(features), generator=torch.Generator().manual_seed(seed)) % FOLDS
    soft = torch.empty(len(features), classes)
    for held_out in range(FOLDS):
        progress(Progress("Soft labels", "", held_out, FOLDS))
        rest = fold != held_out
        head = fit_head(features[rest], labels[rest], classes, seed)
        soft[~rest] = head(features[~rest]).softmax(dim=1)
    progress(Progress("Soft labels", "", FOLDS, FOLDS))
    return soft
