"""A classifier: images (N, 3, H, W), sRGB in [0, 1], to float32 logits (N, classes)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cvpire.classifiers.fast_gradients import fast_form
from cvpire.classifiers.labels import Labels
from cvpire.classifiers.sources import WeightsSource
from cvpire.images.photo import Photo
from cvpire.images.tensors import to_image
from cvpire.images.transparency import WHITE, composite, sights
from cvpire.images.views import TO_SIZE, VIEWS
from cvpire.memory import memory_errors


@dataclass(frozen=True)
class ClassifierSpec:
    """All that makes a classifier, known before anything is loaded.

    Attributes:
        name: in the registry and in reports.
        title: for people.
        build: makes the network without weights.
        weights: where they come from.
        read_labels: reads the classes.
        mean: of the normalisation, per channel, in [0, 1] units.
        std: of the normalisation, per channel, in [0, 1] units.
        view: the view of its benchmark's protocol (see `cvpire.images.views`).
        licence: of the weights.
        source: where they were published.
    """

    name: str
    title: str
    build: Callable[[], nn.Module]
    weights: WeightsSource
    read_labels: Callable[[], Labels]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    view: str
    licence: str
    source: str

    @cached_property
    def labels(self) -> Labels:
        """The classes, in the order of the logits; read once."""
        return self.read_labels()

    @property
    def is_ready(self) -> bool:
        """Whether the weights are on this machine."""
        return self.weights.is_ready

    def load_network(self) -> nn.Module:
        """The network with its weights, as the file has them.

        Raises:
            WeightsError: if the weights are missing, damaged or do not fit; says what to do.
        """
        return self.weights.load(self.name, self.build)


class Prediction(NamedTuple):
    """One class of a classifier's answer.

    Attributes:
        name: of the class, as people read it.
        class_index: in the classifier's taxonomy.
        probability: that the classifier gives it.
        group: its kind of place ("home"); "" where the taxonomy has none.
        is_sensitive: whether MediaEval calls the class privacy-sensitive.
    """

    name: str
    class_index: int
    probability: float
    group: str = ""
    is_sensitive: bool = False


class _FastForm(NamedTuple):
    """A classifier's fast form (see `Classifier.differentiable`), and what it was made of.

    Its tensors are kept alive: no other may take an identity of theirs.
    """

    state: tuple[object, ...]
    tensors: list[Tensor]
    form: Callable[[Tensor], Tensor]


class Classifier(nn.Module):
    """A network with its normalisation, view and labels: images in [0, 1] to logits.

    Args:
        spec: what it is.
        network: normalised pixels to logits, in evaluation mode.
        view: one of `VIEWS`.

    Example:
        >>> from cvpire import load_classifier
        >>> classifier = load_classifier("scenes")
        >>> logits = classifier(torch.full((1, 3, 48, 64), 0.5))[0]
        >>> len(logits) == len(classifier.labels.names) == 97
        True
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: ClassifierSpec, network: nn.Module, view: str) -> None:
        super().__init__()
        self.spec = spec
        self.network = network
        self.view = view
        self._fast: _FastForm | None = None
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1))

    @property
    def labels(self) -> Labels:
        """The classes, in the order of the logits."""
        return self.spec.labels

    @property
    def differentiable(self) -> Callable[[Tensor], Tensor]:
        """The classifier in the form that gradients are fastest to take through; its logits are
        near those of `forward`, which decide.

        Made at first use, and anew when the weights, their device or precision, the normalisation
        or the view have changed since: `to`, `double`, `load_state_dict` and optimisers count. To
        look whether they have takes some tenths of a millisecond, so a search asks once. What is
        written through `parameter.data`, of which torch keeps no count, goes unnoticed.
        """
        tensors = [*self.parameters(), *self.buffers()]
        state = (self.view, *map(_state_of, tensors))
        if self._fast is None or self._fast.state != state:
            form = fast_form(self.network, self.view, self.mean, self.std)
            self._fast = _FastForm(state, tensors, form)
        return self._fast.form

    def to_size(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) at the size that the view brings them to; for `native`, as they are.

        The classifier's logits of these are those of the images.
        """
        return TO_SIZE[self.view](images)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes) of images (N, 3, H, W) in [0, 1]."""
        seen = ((VIEWS[self.view](images) - self.mean) / self.std).to(self.mean.dtype)
        # Small networks take a third less time so, large ones as long as ever.
        logits: Tensor = self.network(seen.contiguous(memory_format=torch.channels_last))
        return logits

    def predictions(self, logits: Tensor, k: int = 5) -> tuple[Prediction, ...]:
        """The k most probable classes for the logits (classes,) of one image, best first."""
        positions = logits.topk(min(k, len(logits))).indices.tolist()
        return tuple(self.prediction(logits, position) for position in positions)

    def prediction(self, logits: Tensor, position: int) -> Prediction:
        """The class at one position of the logits (classes,) of one image."""
        labels = self.labels
        index = labels.indices[position]
        return Prediction(
            labels.names[position],
            index,
            float(logits.softmax(dim=0)[position]),
            group=labels.groups[position] if labels.groups else "",
            is_sensitive=index in labels.sensitive,
        )


def _state_of(tensor: Tensor) -> tuple[object, ...]:
    """What changes when a tensor does, as far as torch keeps count."""
    version = 0 if tensor.is_inference() else tensor._version
    return id(tensor), tensor.data_ptr(), version, tensor.dtype, tensor.device


def classify(photo: Photo, classifier: Classifier) -> Tensor:
    """Logits (classes,), float32 on the CPU, of one photo alone; as seen on white, where it has
    transparency.

    Raises:
        PhotoError: for a photo that is too large for the classifier's view or the memory.
    """
    return _logits(composite(photo, WHITE), classifier)


def classify_sights(photo: Photo, classifier: Classifier) -> Tensor:
    """The same for all that is seen of a photo (see `cvpire.images.transparency.sights`).

    Returns:
        (sights, classes): one for an opaque photo, else one for each of `BACKGROUNDS`.

    Raises:
        PhotoError: see `classify`.
    """
    return torch.stack([_logits(sight, classifier) for sight in sights(photo)])


def _logits(photo: Photo, classifier: Classifier) -> Tensor:
    with torch.no_grad(), memory_errors():
        logits: Tensor = classifier(to_image(photo.pixels).to(classifier.mean.device))
    return logits[0].float().cpu()
