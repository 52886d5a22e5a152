"""Plain damage of fixed strength: what is done to photos every day, and made without a classifier.

Its rows stand beside the runs', so that what people see of a run, and what a classifier still
recognises, can be held against what a JPEG does. `eval.controls` makes damage as strong as each
protected photo instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cvpire.edits.posting import Edit, blur, jpeg, webp
from cvpire.images.encoders import on_white
from cvpire.images.photo import Photo


@dataclass(frozen=True)
class Damage:
    """One kind of damage.

    Attributes:
        name: in records, and of the folder of damaged photos.
        settings: for people, after its name; "" where the name says it.
        apply: an opaque photo to the damaged one.
    """

    name: str
    settings: str
    apply: Edit

    @property
    def title(self) -> str:
        """Its row's name, with the settings."""
        return f"{self.name}, {self.settings}" if self.settings else self.name


def _noise(sigma: float) -> Edit:
    """The same noise whenever a photo of that size comes."""

    def noisy(photo: Photo) -> Photo:
        noise = np.random.default_rng(0).normal(0.0, sigma, photo.pixels.shape)
        levels = np.clip(np.round(photo.pixels + noise), 0, 255)
        return photo.with_pixels(levels.astype(np.uint8))

    return noisy


DAMAGES: Mapping[str, Damage] = {
    damage.name: damage
    for damage in (
        Damage("JPEG 90", "", jpeg(90)),
        Damage("JPEG 75", "", jpeg(75)),
        Damage("WebP 80", "", webp(80)),
        Damage("blur", "sigma 1 pixel", blur(1.0)),
        Damage("noise", "sigma 4 levels", _noise(4.0)),
    )
}


def damaged(damage: Damage, photo: Photo) -> Photo:
    """The photo with the damage done to it, as it is seen on white.

    Raises:
        PhotoError: where the photo is larger than such a file can be.
    """
    return damage.apply(on_white(photo))
