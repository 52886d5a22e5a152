"""Checkpoints: from a file of weights to a model that holds exactly those weights.

A checkpoint is whatever somebody put on the web, so reading one never runs code from it, and a
model takes all of it or stays as it was. `cvpire.weights.store` brings the files.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cvpire.errors import WeightsError

DATA_PARALLEL_PREFIX = "module."
# A safetensors file opens with the length of its header (8 bytes), then the header, in JSON.
SAFETENSORS_BRACE = 8
NAMED_PROBLEMS = 3
REMEDY = "fetch it again, or use a checkpoint that holds only tensors"


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a model's weights from a file, onto the CPU, without running anything from it.

    Reads safetensors and both formats of `torch.save`; a plain mapping of tensors, or a checkpoint
    with one under `state_dict` (or `params`, as pyiqa has it). The prefix `module.` of
    `DataParallel` is taken off.

    Raises:
        WeightsError: There is no such file, or it is cut, is something else, or asks for code.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"expected a checkpoint, but there is no file at {path}")
    # Every damaged byte has an exception of its own (EOFError, KeyError, struct.error and so on).
    try:
        content = load_file(path) if _is_safetensors(path) else _read_torch(path)
    except Exception as error:
        raise WeightsError(
            f"expected a PyTorch or safetensors checkpoint, but {path} cannot be read as one "
            f"({_in_short(error)}): it is cut, is another kind of file, or holds more than "
            f"tensors; {REMEDY}"
        ) from error
    return _without_prefix(_checked_tensors(content, path))


def load_strictly(model: nn.Module, state: Mapping[str, Tensor], *, source: str) -> None:
    """Load weights that fit a model exactly, or leave the model untouched.

    Counters of batch norm (`num_batches_tracked`), which PyTorch before 0.4 did not write, may be
    missing; the model keeps its own.

    Args:
        source: Where the weights come from, for the message.

    Raises:
        WeightsError: Weights are missing, unexpected, of another shape or kind, or not finite.
    """
    own: dict[str, Tensor] = model.state_dict()
    counters = {key: value for key, value in own.items() if key.endswith(".num_batches_tracked")}
    filled = {**counters, **state}
    problems = _misfits(own, filled) or _not_finite(own, filled)
    if problems:
        more = len(problems) - NAMED_PROBLEMS
        raise WeightsError(
            f"the weights from {source} do not fit {type(model).__name__}: "
            + "; ".join(problems[:NAMED_PROBLEMS])
            + (f"; and {more} more" if more > 0 else "")
            + ". Use the checkpoint that belongs to this model"
        )
    model.load_state_dict(filled, strict=True)


def _is_safetensors(path: Path) -> bool:
    if path.suffix == ".safetensors":
        return True
    with path.open("rb") as file:
        head = file.read(SAFETENSORS_BRACE + 1)
    # A zip ("PK") or a legacy file (a pickled number) has no brace there.
    return head[SAFETENSORS_BRACE:] == b"{"


def _read_torch(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnicodeDecodeError:
        # Python 2 wrote byte strings; those that are not UTF-8 need an encoding that takes all.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="pickle_load_args only works")
            return torch.load(path, map_location="cpu", weights_only=True, encoding="latin1")


def _in_short(error: Exception) -> str:
    """The reason alone, for PyTorch wraps it in advice to load without protection."""
    text = str(error)
    reason = re.search("Unsupported .*|Trying to load .*", text)
    sentence = (reason[0] if reason else text).strip().split("\n")[0].split(". ")[0]
    return f"{type(error).__name__}: {sentence}"[:160].rstrip(": .")


def _checked_tensors(content: object, path: Path) -> dict[str, Tensor]:
    if isinstance(content, Mapping):
        content = content.get("state_dict", content.get("params", content))
    if not isinstance(content, Mapping):
        raise WeightsError(
            f"expected a mapping of names to tensors in {path}, came {type(content).__name__}; "
            f"{REMEDY}"
        )
    if not content:
        raise WeightsError(f"expected weights in {path}, came an empty mapping; {REMEDY}")
    tensors = {}
    for key, value in content.items():
        name = key.decode("latin1") if isinstance(key, bytes) else key
        if not isinstance(name, str):
            raise WeightsError(f"expected names of weights in {path}, came {name!r}; {REMEDY}")
        if not isinstance(value, Tensor) or not _is_plain(value):
            kind = value.type() if isinstance(value, Tensor) else type(value).__name__
            raise WeightsError(
                f"expected a plain tensor for {name} in {path}, came {kind}; {REMEDY}"
            )
        tensors[name] = value.detach()
    return tensors


def _is_plain(value: Tensor) -> bool:
    return value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    if not all(key.startswith(DATA_PARALLEL_PREFIX) for key in state):
        return state
    return {key.removeprefix(DATA_PARALLEL_PREFIX): value for key, value in state.items()}


def _misfits(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """What differs in names, shapes and kinds, a clause for each."""
    misfits = []
    for key, value in own.items():
        expected = f"expected {key} of shape {tuple(value.shape)}"
        if key not in state:
            misfits.append(f"{expected}, came nothing")
        elif state[key].shape != value.shape:
            misfits.append(f"{expected}, came {tuple(state[key].shape)}")
        elif state[key].is_floating_point() != value.is_floating_point():
            misfits.append(f"expected {key} as {value.dtype}, came {state[key].dtype}")
    unexpected = [key for key in state if key not in own]
    return misfits + [f"expected no {key}, came {tuple(state[key].shape)}" for key in unexpected]


def _not_finite(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    return [
        f"expected finite values in {key}, came NaN or infinity"
        for key, value in state.items()
        # In the model's own type: a large float64 becomes infinite in float32.
        if value.is_floating_point() and not _is_finite(value.to(own[key].dtype))
    ]


def _is_finite(value: Tensor) -> bool:
    if value.numel() == 0:
        return True
    # NaN comes through; several times faster than asking each element, which is 25 million answers.
    return all(bool(torch.isfinite(extreme)) for extreme in torch.aminmax(value))
