"""Logits of images of any sizes, in batches of those of one size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cvpire.images.views import RESIZED_SIDE

# So many images of the size that classifiers see are looked at together. More take no less time
# each, and larger ones no more memory than these (a network holds 100 times its input).
TOGETHER = 4

_PIXELS_TOGETHER = TOGETHER * RESIZED_SIDE**2


def logits_of(model: Callable[[Tensor], Tensor], images: Sequence[Tensor]) -> Tensor:
    """The logits of images (n, 3, H, W) of any sizes, in their order.

    Those of one size are given to the model together, as many as `_PIXELS_TOGETHER` allow.
    """
    alike: dict[torch.Size, list[int]] = {}
    for place, image in enumerate(images):
        alike.setdefault(image.shape, []).append(place)
    logits: dict[int, Tensor] = {}
    for shape, places in alike.items():
        most = max(1, _PIXELS_TOGETHER // (shape[0] * shape[-2] * shape[-1]))
        for at in range(0, len(places), most):
            few = places[at : at + most]
            found = model(torch.cat([images[place] for place in few]))
            logits.update(zip(few, found.chunk(len(few)), strict=True))
    return torch.cat([logits[place] for place in range(len(images))])
