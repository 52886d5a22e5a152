"""What a file is protected from, as its report says: all that a rehearsal needs to judge it."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from cvpire.classifiers.classifier import Classifier
from cvpire.classifiers.registry import find_spec
from cvpire.errors import SettingsError, reason
from cvpire.images.views import VIEWS
from cvpire.reports.report import Report
from cvpire.runs import Run, find_run

# Reports have a few kilobytes.
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Target:
    """What one file is protected from, and what counts as protected.

    Attributes:
        run: the run's name.
        condition: of the run, as it was when the file was made.
        classifier: its name.
        view: of that classifier.
        weights_sha256: of its weights.
        label_position: of the class to get away from, among the classifier's logits.
        label_index: of that class, in the classifier's taxonomy.
        file_format: of the file, with its quality.
        file_sha256: of the file.
    """

    run: str
    condition: str
    classifier: str
    view: str
    weights_sha256: str
    label_position: int
    label_index: int
    file_format: str
    file_sha256: str

    @classmethod
    def of(cls, report: Report) -> Target:
        """What the file of a report is protected from."""
        return cls._from({**vars(report), "label_index": report.label.class_index})

    @classmethod
    def _from(cls, values: dict[str, Any]) -> Target:
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    @classmethod
    def read(cls, path: Path) -> Target:
        """The same from a report's JSON file.

        Raises:
            SettingsError: if it cannot be read, or is no report of this program.
        """
        try:
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
        except OSError as error:
            raise SettingsError(f"The report {path} cannot be read: {reason(error)}.") from error
        try:
            # Too deep a nest of brackets ends in a RecursionError.
            record = json.loads(data) if len(data) <= _MOST_BYTES else None
        except (ValueError, RecursionError):
            record = None
        values = None
        if isinstance(record, dict) and isinstance(record.get("label"), dict):
            values = {**record, "label_index": record["label"].get("class_index")}
        if values is None or not all(
            type(values.get(field.name)).__name__ == field.type for field in fields(cls)
        ):
            raise SettingsError(
                f"{path} is not a report of a protected photo: give the JSON file that --report "
                "wrote beside it."
            )
        target = cls._from(values)
        try:
            find_run(target.run)
            find_spec(target.classifier)
        except SettingsError as error:
            raise SettingsError(f"The report {path} is of another version: {error}") from error
        if target.view not in VIEWS:
            raise SettingsError(
                f"The report {path} is of another version: there is no view {target.view!r}."
            )
        return target

    def check_file(self, sha256: str, name: str) -> None:
        """Look whether a file is the one that the report is about.

        Args:
            sha256: of the file.
            name: of the file, for the message.

        Raises:
            SettingsError: if it is another one.
        """
        if sha256 != self.file_sha256:
            raise SettingsError(
                f"{name} is not the file that the report is about (its sha256 is another): give "
                "the report that was written with it."
            )

    def find_run(self, classifier: Classifier) -> Run:
        """The run, whose condition is the one that the file was made for.

        Args:
            classifier: that the file was made against, as it is now.

        Raises:
            SettingsError: if weights, classes or condition are not those of then.
        """
        run = find_run(self.run)
        indices = classifier.labels.indices
        is_same = (
            classifier.spec.weights.sha256 == self.weights_sha256
            and 0 <= self.label_position < len(indices)
            and indices[self.label_position] == self.label_index
            and repr(run.condition(torch.tensor([0]), classifier.labels)) == self.condition
        )
        if not is_same:
            raise SettingsError(
                f"The report is of another version of {self.classifier} or of the run {self.run}: "
                "protect the photo again."
            )
        return run
