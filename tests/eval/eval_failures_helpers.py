"""What the tests of one photo's trouble share: six small pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import textured_pixels
from PIL import Image


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Six pictures of one size: a batch of four, and one of two."""
    folder = tmp_path / "images"
    folder.mkdir()
    for index, name in enumerate("abcdef"):
        Image.fromarray(textured_pixels(32, 32, seed=index)).save(folder / f"{name}.png")
    return folder
