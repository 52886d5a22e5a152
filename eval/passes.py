"""How often a method asks a classifier: images passed forward and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.autograd import Function

from cvpire.classifiers.classifier import Classifier


class CountedClassifier(nn.Module):
    """A classifier that counts the images that go through it, forward and back.

    Attributes:
        forwards: images so far.
        backwards: images so far.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self._classifier = classifier
        self.forwards = 0
        self.backwards = 0

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes)."""
        return self._count(self._classifier, images)

    def differentiable(self, images: Tensor) -> Tensor:
        """Logits (N, classes) by the classifier's fast form."""
        return self._count(self._classifier.differentiable, images)

    def to_size(self, images: Tensor) -> Tensor:
        """The images at the size that the classifier looks at."""
        return self._classifier.to_size(images)

    def _count(self, ask: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        self.forwards += len(images)
        logits: Tensor = _Gate.apply(ask(images), self)
        return logits


class _Gate(Function):
    """Lets logits through, and counts their gradients on the way back."""

    @staticmethod
    def forward(context: Any, logits: Tensor, counted: CountedClassifier) -> Tensor:
        context.counted = counted
        return logits.view_as(logits)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        context.counted.backwards += len(gradient)
        return gradient, None
