"""A classifier as searches are given it, made of a function."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


class Target:
    """A function from images to logits as searches ask a classifier; its own fast form, unless
    another is given, and of no size of its own."""

    def __init__(
        self,
        logits: Callable[[Tensor], Tensor],
        differentiable: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self._logits = logits
        self.differentiable = differentiable or logits

    def __call__(self, images: Tensor, /) -> Tensor:
        return self._logits(images)

    def to_size(self, images: Tensor, /) -> Tensor:
        return images
