"""Labelled photos for training and for measuring: a zip or a folder, with a folder for each class.

A folder with a `labels.csv` is read as the evaluation reads it.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cvpire.classifiers.labels import Labels
from cvpire.errors import PhotoError
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.images.suffixes import is_photo_name
from eval.dataset import listing, load_dataset
from eval.errors import EvaluationError
from eval.progress import Progress, ProgressCallback

LABELS_FILE = "labels.csv"
_BATCH_SIZE = 128


class LabelledPhoto(NamedTuple):
    """A photo that has not been opened yet.

    Attributes:
        name: of the file, with its folder where that is the class.
        label: position of its class among the classifier's logits.
        load: the content of the file, or its path.
    """

    name: str
    label: int
    load: Callable[[], bytes | Path]

    def read(self) -> Photo:
        """The photo itself.

        Raises:
            cvpire.errors.PhotoError: if it cannot be read.
        """
        return read_photo(self.load())


class LabelledPhotos(NamedTuple):
    """Photos, and the classes that were left out.

    Attributes:
        photos: sorted by name.
        unknown_classes: names of folders that are no class of the classifier.
    """

    photos: tuple[LabelledPhoto, ...]
    unknown_classes: tuple[str, ...] = ()


def find_photos(source: Path, labels: Labels) -> LabelledPhotos:
    """Find labelled photos; none is opened.

    Args:
        source: a zip or a folder with a folder for each class ("bedroom/a.jpg"), or a folder of
            photos with a `labels.csv` (columns `file` and `places365_index`).
        labels: the classifier's classes.

    Raises:
        EvaluationError: if there are none, or the labels do not say what is expected.
    """
    if source.is_dir() and (source / LABELS_FILE).is_file():
        dataset = load_dataset(source, source / LABELS_FILE, labels)
        return LabelledPhotos(
            tuple(
                LabelledPhoto(item.file, item.label, partial(_path, item.path))
                for item in dataset.items
                if item.label is not None
            )
        )
    files = _zip_members(source) if source.is_file() else _folder_members(source)
    positions = {_plain(name): position for position, name in enumerate(labels.names)}
    photos, unknown = [], set()
    for name, load in sorted(files, key=lambda file: file[0]):
        folder = PurePosixPath(name).parent.name
        position = positions.get(_plain(folder))
        if position is None:
            unknown.add(folder)
        else:
            photos.append(LabelledPhoto(name, position, load))
    if not photos:
        found = f"its folders are {listing(sorted(unknown))}" if unknown else "it has none"
        raise EvaluationError(
            f"There are no photos of a known class in {source}: expected {LABELS_FILE}, or a "
            f"folder for each class ('bedroom', 'temple-asia'); {found}."
        )
    return LabelledPhotos(tuple(photos), tuple(sorted(unknown)))


def read_squares(
    photos: Sequence[LabelledPhoto], side: int, progress: ProgressCallback, stage: str
) -> tuple[Tensor, Tensor]:
    """All photos in memory, squeezed to squares.

    Returns:
        Pixels (N, 3, side, side) uint8, and labels (N,) int64.

    Raises:
        EvaluationError: if one cannot be read; names it.
    """
    pixels = torch.empty(len(photos), 3, side, side, dtype=torch.uint8)
    for position, photo in enumerate(photos):
        progress(Progress(stage, "", position, len(photos)))
        try:
            image = torch.from_numpy(photo.read().pixels).permute(2, 0, 1)[None]
        except PhotoError as error:
            raise EvaluationError(f"{photo.name} cannot be used: {error}") from error
        if image.shape[-2:] != (side, side):
            image = F.interpolate(image, (side, side), mode="bilinear", antialias=True)
        pixels[position] = image[0]
    progress(Progress(stage, "", len(photos), len(photos)))
    return pixels, torch.tensor([photo.label for photo in photos])


@torch.no_grad()
def in_batches(
    network: Callable[[Tensor], Tensor],
    pixels: Tensor,
    side: int,
    progress: ProgressCallback,
    stage: str,
) -> Tensor:
    """What a network says of photos (N, 3, H, W) uint8, brought to side x side and [0, 1]."""
    parts = []
    for start in range(0, len(pixels), _BATCH_SIZE):
        progress(Progress(stage, "", start, len(pixels)))
        images = pixels[start : start + _BATCH_SIZE].float() / 255.0
        images = F.interpolate(images, (side, side), mode="bilinear", antialias=True)
        parts.append(network(images.contiguous(memory_format=torch.channels_last)))
    progress(Progress(stage, "", len(pixels), len(pixels)))
    return torch.cat(parts)


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _zip_members(path: Path) -> list[tuple[str, Callable[[], bytes | Path]]]:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise EvaluationError(f"{path} is not a zip of photos ({error}): check it.") from error
    return [
        (name, partial(archive.read, name))
        for name in archive.namelist()
        if is_photo_name(PurePosixPath(name).name)
    ]


def _folder_members(folder: Path) -> list[tuple[str, Callable[[], bytes | Path]]]:
    if not folder.is_dir():
        raise EvaluationError(f"There is no file or folder {folder}: check the path.")
    return [
        (path.relative_to(folder).as_posix(), partial(_path, path))
        for path in folder.glob("*/*")
        if is_photo_name(path.name)
    ]


def _path(path: Path) -> bytes | Path:
    return path
