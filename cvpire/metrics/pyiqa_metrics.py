"""Metrics of pyiqa, built from files on this machine and from nothing else.

pyiqa fetches what a metric asks for while it is built, and unpickles it without protection. Here
each request for a file is answered from a given set, read by `cvpire.weights.checkpoints`; anything
else that would go to the network ends the building. A metric of which any part would be left at
random is refused. pyiqa takes seconds to import: it is imported only when a metric is asked for.
"""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn
from unittest import mock

import torch
from torch import nn

from cvpire.errors import SettingsError, WeightsError
from cvpire.weights.checkpoints import load_strictly, read_state_dict
from cvpire.weights.store import has_sha256

# pyiqa's files carry the first eight digits of their sha256 in their names.
_NAMED_HASH = re.compile(r"-([0-9a-f]{8})\.\w+$")
# Building replaces functions of whole modules for a moment: one at a time.
_BUILDING = threading.Lock()


def metric_names(*, full_reference: bool = False) -> tuple[str, ...]:
    """The metrics that pyiqa knows: those of one photo, or those that compare two."""
    from pyiqa.default_model_configs import DEFAULT_CONFIGS

    mode = "FR" if full_reference else "NR"
    return tuple(
        name for name, config in DEFAULT_CONFIGS.items() if config.get("metric_mode") == mode
    )


def metric_scale(name: str) -> str:
    """A metric's range in pyiqa's words, "0, 10; lower is better"."""
    from pyiqa.default_model_configs import DEFAULT_CONFIGS

    config = DEFAULT_CONFIGS[name]
    order = "lower" if config.get("lower_better") else "higher"
    return f"{config.get('score_range', 'range unknown')}; {order} is better"


def build_metric(name: str, files: Mapping[str, Path]) -> nn.Module:
    """A metric with the weights of its files: images (1, 3, H, W) in [0, 1] to a score; one that
    compares takes the changed image and the original.

    Args:
        name: of `metric_names()`, of either kind.
        files: by the name that pyiqa's own copy has.

    Raises:
        SettingsError: for an unknown name.
        WeightsError: if a file is missing, damaged or does not fit, or the metric wants more than
            files of weights.
    """
    known = metric_names() + metric_names(full_reference=True)
    if name not in known:
        raise SettingsError(f"pyiqa has no metric {name!r}; it has {', '.join(known)}.")
    # This module registers all architectures.
    from pyiqa.models.inference_model import InferenceModel

    requests = _Requests(name, files)
    with _BUILDING, requests.answered():
        metric: nn.Module = InferenceModel(name, device=torch.device("cpu"))
    requests.check_whole(metric)
    return metric.eval().requires_grad_(False)


class _Requests:
    """Answers what a metric asks for while it is built, and remembers what it got."""

    def __init__(self, name: str, files: Mapping[str, Path]) -> None:
        self._name = name
        self._files = files
        self._states: list[Mapping[str, torch.Tensor]] = []
        self._loaded: dict[int, nn.Parameter] = {}  # kept alive: no other may take its number

    @contextlib.contextmanager
    def answered(self) -> Iterator[None]:
        """Stand in for pyiqa's, timm's and torch's ways to files."""
        with contextlib.ExitStack() as stack:
            for module in list(sys.modules.values()):
                if getattr(module, "__name__", "").startswith("pyiqa."):
                    for function, ours in (
                        ("load_file_from_url", self._find),
                        ("load_pretrained_network", self._load),
                    ):
                        if function in vars(module):
                            stack.enter_context(mock.patch.object(module, function, ours))
            import timm
            from torchvision.models import _api as torchvision_models

            patches: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
                (timm, "create_model", self._without_pretraining(timm.create_model)),
                (torchvision_models, "load_state_dict_from_url", self._read),
                (nn.Module, "load_state_dict", self._noting(nn.Module.load_state_dict)),
                (torch, "load", self._tensors_only(torch.load)),
                (torch.jit, "load", self._refuse),
                (torch.hub, "load", self._refuse),
                (torch.hub, "urlopen", self._refuse),
                (urllib.request, "urlopen", self._refuse),
            )
            for owner, function, ours in patches:
                stack.enter_context(mock.patch.object(owner, function, ours))
            yield

    def check_whole(self, metric: nn.Module) -> None:
        """Refuse a metric of which a part still has random weights."""
        missing = [
            name
            for name, parameter in metric.named_parameters()
            if id(parameter) not in self._loaded and parameter.numel()
        ]
        if missing:
            raise WeightsError(
                f"pyiqa's {self._name} takes weights from elsewhere ({missing[0]} and "
                f"{len(missing) - 1} more): it cannot be built from files. Choose another metric."
            )

    def _find(self, url: str, *_: object, **__: object) -> str:
        filename = PurePosixPath(url).name
        path = self._files.get(filename)
        if path is None:
            raise WeightsError(
                f"pyiqa's {self._name} needs the file {filename}: fetch it from {url} and "
                "put it into the folder of weights, or name its path."
            )
        named_hash = _NAMED_HASH.search(filename)
        if named_hash is not None and not has_sha256(path, named_hash[1]):
            raise WeightsError(
                f"{path.name} is damaged: its sha256 does not start with {named_hash[1]}. Fetch it "
                f"again from {url}."
            )
        return str(path)

    def _load(
        self, network: nn.Module, source: str, strict: bool = True, weight_keys: str | None = None
    ) -> None:
        path = Path(self._find(source))
        state = read_state_dict(path)
        # Where pyiqa is not strict, a file holds a part, and the rest has a file of its own.
        whole = state if strict else {**network.state_dict(), **state}
        load_strictly(network, whole, source=path.name)
        self._note(network, state)

    def _read(self, url: str, *_: object, **__: object) -> dict[str, torch.Tensor]:
        state = read_state_dict(Path(self._find(url)))
        self._states.append(state)
        return state

    def _noting(self, load: Callable[..., Any]) -> Callable[..., Any]:
        def load_and_note(network: nn.Module, state: Any, *args: Any, **options: Any) -> Any:
            is_ours = any(state is known for known in self._states)
            try:
                result = load(network, state, *args, **options)
            except RuntimeError as error:
                if not is_ours:
                    raise
                raise WeightsError(
                    f"A file of weights does not fit pyiqa's {self._name}: {error}"
                ) from error
            if is_ours:
                self._note(network, state)
            return result

        return load_and_note

    def _note(self, network: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
        """Remember which parameters came from a file."""
        named = network.named_parameters(remove_duplicate=False)
        self._loaded |= {id(parameter): parameter for name, parameter in named if name in state}

    def _without_pretraining(self, create: Callable[..., Any]) -> Callable[..., Any]:
        # The metric's own file holds its backbone; `check_whole` sees to it.
        return lambda *args, **options: create(*args, **{**options, "pretrained": False})

    def _tensors_only(self, load: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **options: load(*args, **{**options, "weights_only": True})

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise WeightsError(
            f"pyiqa's {self._name} wants more from the network than files of weights: it cannot be "
            "built here. Choose another metric."
        )
