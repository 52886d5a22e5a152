"""The preview shrinks, and mixes in no hidden colours."""

from __future__ import annotations

import numpy as np

from cvpire.images.photo import Photo, preview


def test_preview_shrinks_and_never_enlarges() -> None:
    original = Photo(np.full((90, 240, 3), 77, np.uint8), np.full((90, 240), 99, np.uint8), ("N.",))
    small = preview(original, 80)
    assert small.pixels.shape == (30, 80, 3) and (small.pixels == 77).all()
    assert small.alpha is not None and small.alpha.shape == (30, 80) and (small.alpha == 99).all()
    assert small.notes == ("N.",)
    assert preview(original, 240) is original and preview(original) is original
    assert preview(Photo(np.zeros((1, 5000, 3), np.uint8))).pixels.shape == (1, 1600, 3)


def test_preview_does_not_mix_in_hidden_colours() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, ::2] = 200
    alpha = np.zeros((8, 8), np.uint8)
    alpha[:, ::2] = 255
    assert preview(Photo(pixels, alpha), 4).pixels.min() >= 198
