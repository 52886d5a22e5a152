"""Which images an evaluation looks at, and what they show: a folder, and a CSV of labels."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cvpire.classifiers.labels import Labels
from cvpire.images.folder import list_folder, others_sentence
from cvpire.images.names import normal
from cvpire.images.suffixes import PHOTO_SUFFIXES
from eval.errors import EvaluationError

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
        ambiguous: names of images that a name in the CSV fits but for the way in which accents are
            written (NFC and NFD), as it fits others.
        refused: name -> why, of images that cannot be taken beside the others.
        others: suffix -> how many files in the folder are no images.
    """

    folder: Path
    items: tuple[Item, ...]
    labels_file: str | None = None
    unlabelled: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)


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
    paths, refused, others = _find_images(folder)
    if labels_csv is None:
        items = tuple(Item(path, None) for path in paths[:limit])
        return Dataset(folder, items, refused=refused, others=others)
    positions = _read_positions(labels_csv, labels)
    row_of, ambiguous = _match([path.name for path in paths], positions)
    if not row_of and not ambiguous:
        raise EvaluationError(
            f"None of the {len(positions)} files that {labels_csv.name} names is in {folder} "
            f"({listing(positions)}): check --images and --labels."
        )
    labelled = [Item(path, positions[row_of[path.name]]) for path in paths if path.name in row_of]
    known = [item for item in labelled if item.label is not None]
    if not known:
        raise EvaluationError(
            f"None of the {len(labelled)} images shows one of the {len(labels.names)} classes that "
            f"the classifier knows (such as {listing(labels.names)}): choose another --classifier."
        )
    unlabelled = [p.name for p in paths if p.name not in row_of and p.name not in ambiguous]
    fitting = {normal(name) for name in ambiguous}
    return Dataset(
        folder,
        tuple(known[:limit]),
        labels_file=labels_csv.name,
        unlabelled=tuple(unlabelled),
        foreign=tuple(item.file for item in labelled if item.label is None),
        absent=tuple(
            sorted(
                name
                for name in positions.keys() - set(row_of.values())
                if normal(name) not in fitting
            )
        ),
        ambiguous=tuple(ambiguous),
        refused=refused,
        others=others,
    )


def listing(names: Iterator[str] | Sequence[str] | Mapping[str, object], most: int = 5) -> str:
    """Names for a message: the first few, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _find_images(folder: Path) -> tuple[list[Path], dict[str, str], Mapping[str, int]]:
    """The images to take, name -> why others are not, and what is no image."""
    try:
        contents = list_folder(folder)
    except OSError as error:
        raise EvaluationError(
            f"The folder of images {folder} cannot be read ({error.strerror}): check --images."
        ) from error
    if not contents.photos:
        others = others_sentence(contents.others)
        raise EvaluationError(
            f"There are no images in {folder}: expected files that end in "
            f"{', '.join(PHOTO_SUFFIXES)}.{' ' if others else ''}{others}"
        )
    first_of: dict[str, Path] = {}
    refused: dict[str, str] = {}
    for path in contents.photos:
        if path.stem in first_of:
            refused[path.name] = (
                f"{path.name} and {first_of[path.stem].name} would both be written as one file: "
                "give one of them another name."
            )
        else:
            first_of[path.stem] = path
    return list(first_of.values()), refused, contents.others


def _match(
    files: Sequence[str], rows: Mapping[str, int | None]
) -> tuple[dict[str, str], list[str]]:
    """File -> the row that names it, and the files of which rows do not tell which they mean.

    A row means the file of exactly its name; without one, that of its name in NFC, since systems
    differ in how they write accents.
    """
    row_of = {file: file for file in files if file in rows}
    rows_left: dict[str, list[str]] = {}
    for row in rows:
        if row not in row_of:
            rows_left.setdefault(normal(row), []).append(row)
    files_left: dict[str, list[str]] = {}
    for file in files:
        if file not in row_of and normal(file) in rows_left:
            files_left.setdefault(normal(file), []).append(file)
    ambiguous = []
    for name, alike in files_left.items():
        if len(alike) == len(rows_left[name]) == 1:
            row_of[alike[0]] = rows_left[name][0]
        else:
            ambiguous += alike
    return row_of, sorted(ambiguous)


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
