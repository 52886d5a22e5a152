"""Where classifiers' weights come from, and what to do where they are missing."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cvpire import data
from cvpire.weights.store import WeightsFile, find_weights, has_sha256


class WeightsSource(Protocol):
    """Where weights come from, without fetching anything."""

    @property
    def sha256(self) -> str:
        """Of the file, in lower-case hex."""
        ...

    @property
    def is_public(self) -> bool:
        """Whether anybody can get the file by following the advice."""
        ...

    def locate(self) -> Path | None:
        """The verified file, or None where it is not on this machine."""
        ...

    def advice(self) -> str:
        """One sentence for somebody who lacks the file."""
        ...


@dataclass(frozen=True)
class EmbeddedWeights:
    """Weights in this project's own `cvpire/data`."""

    filename: str
    sha256: str
    is_public = True

    def locate(self) -> Path | None:
        path = data.FOLDER / self.filename
        return path if path.is_file() and has_sha256(path, self.sha256) else None

    def advice(self) -> str:
        return (
            f"The file cvpire/data/{self.filename} is missing or damaged: get it again from the "
            "repository."
        )


@dataclass(frozen=True)
class DownloadedWeights:
    """Weights that the user asks to download, or imports; only imports where no url is known."""

    file: WeightsFile
    classifier: str

    @property
    def sha256(self) -> str:
        return self.file.sha256

    @property
    def is_public(self) -> bool:
        return bool(self.file.urls)

    def locate(self) -> Path | None:
        return find_weights(self.file)

    def advice(self) -> str:
        if not self.file.urls:
            return (
                f"No address of {self.file.filename} is known: whoever has the file runs "
                "`python -m cvpire weights import FILE`."
            )
        return (
            f"Run `python -m cvpire weights download {self.classifier}` "
            f"({self.file.size / 1e6:.0f} MB), or fetch {self.file.filename} by other means and "
            "run `python -m cvpire weights import FILE`."
        )


@dataclass(frozen=True)
class PackagedWeights:
    """Weights inside an installed Python package."""

    package: str
    path: str
    sha256: str
    distribution: str
    is_public = True

    def locate(self) -> Path | None:
        spec = importlib.util.find_spec(self.package)
        folders = spec.submodule_search_locations if spec is not None else None
        for folder in folders or ():
            path = Path(folder) / self.path
            if path.is_file() and has_sha256(path, self.sha256):
                return path
        return None

    def advice(self) -> str:
        return f"Run `pip install {self.distribution}`."
