"""Which images an evaluation looks at, and what they show: a folder, and a CSV of labels."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvpire.classifiers import Labels
from eval.errors import EvaluationError

# What `cvpire.images.reading.read_photo` reads, by the names that such files bear.
_SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".webp",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
    ".avif",
    ".heic",
    ".heif",
)

_FILE_COLUMN = "file"
_INDEX_COLUMNS = {"imagenet": "imagenet_index", "places365": "places365_index"}
# Places365 has one spelling of its classes, so a name beside an index can be held against it.
_NAME_COLUMNS = {"places365": "places365_name"}


@dataclass(frozen=True)
class Item:
    """One image.

    Attributes:
        path: of the file.
        label: position of its class among the classifier's logits; None where no labels are given.
    """

    path: Path
    label: int | None

    @property
    def file(self) -> str:
        """The file's name, which is unique in its data set."""
        return self.path.name


@dataclass(frozen=True)
class Dataset:
    """The images of an evaluation, sorted by name.

    Attributes:
        folder: where they are.
        items: the images to look at.
        labels_file: the CSV's name; None where the classifier's own first guess is to be taken.
        unlabelled: names of images in the folder that the CSV has no label for.
        foreign: names of images whose class the classifier does not know.
        absent: names in the CSV that the folder does not have.
    """

    folder: Path
    items: tuple[Item, ...]
    labels_file: str | None = None
    unlabelled: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


def load_dataset(
    folder: Path, labels_csv: Path | None, labels: Labels, *, limit: int | None = None
) -> Dataset:
    """Find the images and their labels; no image is opened.

    Args:
        folder: of the images; those in folders inside it are left alone.
        labels_csv: with the columns `file` and the taxonomy's index, or None.
        labels: the classifier's classes.
        limit: take only that many images, the first by name.

    Raises:
        EvaluationError: if there is nothing to evaluate, or the CSV does not say what is expected.
    """
    paths = _find_images(folder)
    if labels_csv is None:
        return Dataset(folder, tuple(Item(path, None) for path in paths[:limit]))
    positions = _read_positions(labels_csv, labels)
    files = {path.name for path in paths}
    if files.isdisjoint(positions):
        raise EvaluationError(
            f"None of the {len(positions)} files that {labels_csv.name} names is in {folder} "
            f"({listing(positions)}): check --images and --labels."
        )
    labelled = [Item(path, positions[path.name]) for path in paths if path.name in positions]
    items = [item for item in labelled if item.label is not None]
    if not items:
        raise EvaluationError(
            f"None of the {len(labelled)} images shows one of the {len(labels.names)} classes that "
            f"the classifier knows (such as {listing(labels.names)}): choose another --classifier."
        )
    return Dataset(
        folder,
        tuple(items[:limit]),
        labels_file=labels_csv.name,
        unlabelled=tuple(path.name for path in paths if path.name not in positions),
        foreign=tuple(item.file for item in labelled if item.label is None),
        absent=tuple(sorted(positions.keys() - files)),
    )


def listing(names: Iterator[str] | Sequence[str] | Mapping[str, object], most: int = 5) -> str:
    """Names for a message: the first few, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def is_image_name(name: str) -> bool:
    """Whether a file of that name is a photo that can be read."""
    # Files whose name starts with a dot are the systems' own, such as macOS's "._photo.jpg".
    return name.lower().endswith(_SUFFIXES) and not name.startswith(".")


def _find_images(folder: Path) -> list[Path]:
    try:
        paths = sorted(
            (path for path in folder.iterdir() if is_image_name(path.name) and not path.is_dir()),
            key=lambda path: path.name,
        )
    except OSError as error:
        raise EvaluationError(
            f"The folder of images {folder} cannot be read ({error.strerror}): check --images."
        ) from error
    if not paths:
        raise EvaluationError(
            f"There are no images in {folder}: expected files that end in {', '.join(_SUFFIXES)}."
        )
    first_of: dict[str, Path] = {}
    for path in paths:
        if path.stem in first_of:
            raise EvaluationError(
                f"{first_of[path.stem].name} and {path.name} would both be written as "
                f"{path.stem}.png: give one of them another name."
            )
        first_of[path.stem] = path
    return paths


def _read_positions(path: Path, labels: Labels) -> dict[str, int | None]:
    """File name -> position of its class among the logits; None where it is not among them."""
    index_column = _INDEX_COLUMNS.get(labels.taxonomy, f"{labels.taxonomy}_index")
    name_column = _NAME_COLUMNS.get(labels.taxonomy, "")
    place = {index: position for position, index in enumerate(labels.indices)}
    positions: dict[str, int | None] = {}
    for line, row in _read_rows(path, (_FILE_COLUMN, index_column)):
        file, index = row[_FILE_COLUMN].strip(), row[index_column].strip()
        where = f"Line {line} of {path.name}"
        if not file:
            raise EvaluationError(f"{where} names no file.")
        if file in positions:
            raise EvaluationError(f"{where} names {file} a second time: keep one of the two.")
        if not re.fullmatch("[0-9]{1,9}", index):
            raise EvaluationError(
                f"{where} gives {file} the {index_column} {index!r}: expected a whole number."
            )
        position = positions[file] = place.get(int(index))
        if position is None:
            continue
        expected = labels.names[position]
        if (name := row.get(name_column)) and not _is_same_class(name, expected):
            raise EvaluationError(
                f"{where} calls class {index} {name!r}, but it is {expected!r}: check the file."
            )
    if not positions:
        raise EvaluationError(f"{path.name} has no rows: expected one for each image.")
    return positions


def _read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and rows; missing cells at a line's end are empty."""
    try:
        # "utf-8-sig" takes a byte order mark away, which spreadsheets write.
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, restval="", strict=True)
            present = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = present
            missing = [column for column in columns if column not in present]
            if missing:
                raise EvaluationError(
                    f"{path.name} has no column {missing[0]!r}; its columns are "
                    f"{', '.join(present) or '(none)'}."
                )
            for row in reader:
                yield reader.line_num, row
    except OSError as error:
        raise EvaluationError(
            f"The label file {path} cannot be read ({error.strerror}): check --labels."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise EvaluationError(
            f"{path.name} is not a CSV file in UTF-8 ({error}): export it again."
        ) from error


def _is_same_class(name: str, expected: str) -> bool:
    """Whether a name as Places365 spells it ("/t/temple/asia") is that of a class of ours."""
    own = re.sub("^/[a-z]/", "", name.strip())
    first, second = (re.sub("[^a-z0-9]", "", text.lower()) for text in (own, expected))
    return first == second
