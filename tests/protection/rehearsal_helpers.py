"""What the tests of the rehearsal share: a classifier and a photo."""

from __future__ import annotations

import pytest
from conftest import textured_pixels

from cvpire.classifiers.classifier import Classifier
from cvpire.classifiers.registry import load_classifier
from cvpire.images.photo import Photo


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier("scenes")


def noise(seed: int = 0) -> Photo:
    return Photo(textured_pixels(120, 160, seed=seed))
