"""A SqueezeNet of Places365 as teacher: what else a scene resembles, beside its one label."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from cvpire.classifiers.networks.squeezenet import SqueezeNet
from cvpire.weights.checkpoints import load_strictly, read_state_dict
from eval.progress import ProgressCallback
from training.photos import in_batches

SIDE = 144


def load_teacher(path: Path) -> SqueezeNet:
    """The teacher with its weights, in evaluation mode.

    Raises:
        cvpire.weights.store.WeightsError: if the file is missing or does not fit.
    """
    teacher = SqueezeNet()
    load_strictly(teacher, read_state_dict(path), source=path.name)
    return teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def teacher_logits(
    teacher: SqueezeNet, pixels: Tensor, classes: Tensor, progress: ProgressCallback
) -> Tensor:
    """Logits (N, C) of some classes, of photos (N, 3, H, W) uint8, brought to 144x144."""
    return in_batches(teacher, pixels, SIDE, progress, "The teacher's logits")[:, classes]
