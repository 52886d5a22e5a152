"""How beautiful people would call a photo, from 1 to 7: a linear regressor on embedded features.

It predicts the mean rating that the raters of OASIS gave (Grahn, Kalakonda and Banaji 2017; beauty
norms by Brielmann and Pelli 2019, doi:10.1037/emo0000533). Ratings follow what a photo shows more
than how well it was taken. See `data/beauty.md`.

The features are statistics of the scene classifier's maps: their mean and standard deviation over
space, after the last blocks of its 3rd, 5th and 7th stage and after the last convolution, each
under a signed square root.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cvpire.classifiers.classifier import Classifier
from cvpire.classifiers.networks.efficientnet_lite import EfficientNetLite0
from cvpire.classifiers.registry import load_classifier
from cvpire.classifiers.sources import EmbeddedWeights
from cvpire.images.views import resize

SCALE = (1.0, 7.0)
WEIGHTS = EmbeddedWeights(
    "beauty.safetensors", sha256="3e34dd05a7ac7238acdbc4b4a902962c6c5473a0d1af98b07df5ddfe42d1dd49"
)

# Positions among `EfficientNetLite0.maps`, and their channels.
_MAPS = {4: 40, 10: 112, 15: 320, 16: 1280}
FEATURES = 2 * sum(_MAPS.values())


class Beauty(nn.Module):
    """The regressor without weights.

    Args:
        classifier: `scenes`; its network gives the features.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        # In a tuple, so that the classifier's weights are not part of this module's.
        self._classifier = (classifier,)
        self.register_buffer("weight", torch.zeros(FEATURES))
        self.register_buffer("bias", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        """Scores (N,) in [1, 7] of images (N, 3, H, W) in [0, 1]."""
        scores = describe(self._classifier[0], images) @ self.weight + self.bias
        return scores.clamp(*SCALE)


def describe(classifier: Classifier, images: Tensor) -> Tensor:
    """The features (N, 3504) of images (N, 3, H, W) in [0, 1], of any size.

    Raises:
        ValueError: for a classifier of another architecture.
    """
    network = classifier.network
    if not isinstance(network, EfficientNetLite0):
        raise ValueError(f"expected an EfficientNet-Lite0, got {type(network).__name__}")
    pixels = (resize(images) - classifier.mean) / classifier.std
    parts = [
        statistic(dim=(-2, -1))
        for position, maps in enumerate(network.maps(pixels))
        if position in _MAPS
        for statistic in (maps.mean, maps.std)
    ]
    features = torch.cat(parts, dim=1)
    return features.sign() * features.abs().sqrt()


def load_beauty() -> nn.Module:
    """The regressor with its embedded weights, in evaluation mode.

    Raises:
        WeightsError: if a file of weights is missing or damaged.
    """
    scorer = WEIGHTS.load("the beauty score", lambda: Beauty(load_classifier("scenes")))
    return scorer.eval()
