"""What the tests of protection share: runs that are quick, and photos."""

from __future__ import annotations

import dataclasses

import numpy as np
from conftest import textured_pixels

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.classifiers.classifier import Classifier, classify
from cvpire.images.formats import FileFormat
from cvpire.images.photo import Photo
from cvpire.runs import RUNS

STRONG = dataclasses.replace(RUNS["Top1-noL1"], magnitude=0.19, search=Algorithm1(0.0, 80, 2 / 255))
FLAT = Photo(np.full((32, 32, 3), (200, 90, 40), np.uint8))


def photo(seed: int = 0, *, size: int = 48) -> Photo:
    return Photo(textured_pixels(size, size, seed))


def first_guess_in(file_format: FileFormat, plain: Photo, classifier: Classifier) -> int:
    return int(classify(file_format.read_back(plain)[1], classifier).argmax())


def photo_that_jpeg_moves(classifier: Classifier, quality: int) -> Photo:
    """A photo of another class after a JPEG, though not after a PNG: nearly grey in the mean."""
    for seed in range(200):
        pixels = textured_pixels(48, 48, seed).astype(float)
        tint = np.random.default_rng(seed).uniform(-6.0, 6.0, 3)
        grey = np.clip(pixels - pixels.mean(axis=(0, 1)) + 127.5 + tint, 0, 255)
        plain = Photo(grey.astype(np.uint8))
        label = int(classify(plain, classifier).argmax())
        if first_guess_in(FileFormat("JPEG", quality), plain, classifier) != label:
            return plain
    raise AssertionError(f"JPEG {quality} moved none of 200 photos to another class")
