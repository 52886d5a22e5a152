"""Checkpoints good, old, damaged and hostile."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
import types
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import resnet50

from cvpire.errors import WeightsError
from cvpire.weights.checkpoints import load_strictly, read_state_dict


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 5))


def state() -> dict[str, Tensor]:
    return dict(net().state_dict())


def prefixed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return OrderedDict((f"module.{key}", value) for key, value in tensors.items())


def checkpoint(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The form of the Places365 files, which the ImageNet example of PyTorch wrote."""
    return {"epoch": 90, "arch": "resnet50", "state_dict": tensors, "best_prec1": 54.7}


def assert_same(came: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(came) == list(expected)
    for key, value in expected.items():
        assert torch.equal(came[key], value), key


# The pickler written in Python, which can be changed.
PythonPickler: Any = pickle._Pickler


class Python2Pickler(PythonPickler):  # type: ignore[misc]
    """Writes `str` as Python 2 did: as bytes of no stated encoding."""

    dispatch: ClassVar[dict[type, Callable[..., None]]] = dict(PythonPickler.dispatch)

    def save_str(self, obj: str) -> None:
        raw = obj.encode("latin1")
        self.write(pickle.SHORT_BINSTRING + struct.pack("<B", len(raw)) + raw)
        self.memoize(obj)

    dispatch[str] = save_str


def save_like_python2(content: object, path: Path) -> None:
    def dump(obj: object, file: io.BufferedWriter, protocol: int) -> None:
        Python2Pickler(file, protocol).dump(obj)

    module = types.SimpleNamespace(__name__="pickle", Pickler=Python2Pickler, dump=dump)
    torch.save(content, path, pickle_module=module, _use_new_zipfile_serialization=False)


def save_zip(content: object, path: Path) -> None:
    torch.save(content, path)


def save_legacy(content: object, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


SAVERS = [save_zip, save_legacy, save_like_python2]
Saver = Callable[[object, Path], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.pth.tar"


# ---- reading ----


@pytest.mark.parametrize("save", SAVERS)
@pytest.mark.parametrize(
    "wrap",
    [dict, prefixed, checkpoint, lambda tensors: checkpoint(prefixed(tensors))],
    ids=["plain", "prefixed", "checkpoint", "prefixed checkpoint"],
)
def test_every_form_gives_the_same_weights(
    path: Path, save: Saver, wrap: Callable[[dict[str, Tensor]], object]
) -> None:
    save(wrap(state()), path)
    assert_same(read_state_dict(path), state())


@pytest.mark.parametrize("name", ["net.safetensors", "net.bin"])
def test_safetensors_is_known_by_suffix_or_header(tmp_path: Path, name: str) -> None:
    save_file(prefixed(state()), tmp_path / name)
    came = read_state_dict(tmp_path / name)
    assert_same({key: came[key] for key in state()}, state())
    assert len(came) == len(state())


def test_a_prefix_that_not_all_share_stays(path: Path) -> None:
    mixed = {"module.weight": torch.ones(2), "bias": torch.zeros(2)}
    save_zip(mixed, path)
    assert_same(read_state_dict(path), mixed)


def test_python2_strings_that_are_not_utf8(path: Path) -> None:
    content = checkpoint(prefixed(state())) | {"arch": "r\xe9seau"}
    save_like_python2(content, path)
    with pytest.raises(UnicodeDecodeError):  # or else this file proves nothing
        torch.load(path, weights_only=True)
    assert_same(read_state_dict(path), state())


def test_keys_of_bytes(path: Path) -> None:
    save_legacy({key.encode(): value for key, value in state().items()}, path)
    assert_same(read_state_dict(path), state())


def test_the_papers_checkpoint_in_form_and_size(path: Path) -> None:
    with torch.device("meta"):
        blank = resnet50(num_classes=365)
    tensors = blank.to_empty(device="cpu").state_dict()
    for index, value in enumerate(tensors.values()):
        value.fill_(index)
    # PyTorch 0.3 and Python 2: no counters, a prefix, strings of bytes.
    old = {key: value for key, value in tensors.items() if "num_batches" not in key}
    save_like_python2(checkpoint(prefixed(old)), path)
    assert 97_000_000 < path.stat().st_size < 98_500_000

    with torch.device("meta"):
        model = resnet50(num_classes=365)
    model = model.to_empty(device="cpu")
    load_strictly(model, read_state_dict(path), source=path.name)
    loaded = model.state_dict()
    assert_same({key: loaded[key] for key in old}, old)
    path.unlink()  # pytest keeps the folders of its last three runs


class Evil:
    """Makes a file by its name when unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("save", SAVERS)
@pytest.mark.parametrize("where", ["whole", "beside", "inside"])
def test_a_checkpoint_cannot_run_code(path: Path, save: Saver, where: str) -> None:
    marker = path.with_name("marker")
    evil = Evil(marker)
    content: object = {
        "whole": evil,
        "beside": checkpoint(state()) | {"best_prec1": evil},
        "inside": {**state(), "evil": evil},
    }[where]
    save(content, path)
    with pytest.raises(WeightsError) as caught:
        read_state_dict(path)
    assert not marker.exists()
    message = str(caught.value)
    assert "posix" in message and "cannot be read" in message
    assert "weights_only" not in message and "\n" not in message

    pickle.loads(pickle.dumps(evil))
    assert marker.exists()  # the payload works where nothing guards


@pytest.mark.parametrize("pickled", [True, False])
def test_a_bare_pickle_or_other_file_is_refused(path: Path, pickled: bool) -> None:
    marker = path.with_name("marker")
    path.write_bytes(pickle.dumps(Evil(marker)) if pickled else b"<html>not found</html>")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_state_dict(path)
    assert not marker.exists()


def save_tensors(content: object, path: Path) -> None:
    save_file(state(), path)


@pytest.mark.parametrize("save", [*SAVERS, save_tensors])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0])
def test_a_cut_file_is_refused(path: Path, save: Saver, share: float) -> None:
    save(checkpoint(state()), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: min(int(len(whole) * share), len(whole) - 1)])
    with pytest.raises(WeightsError, match=re.escape(str(path))):
        read_state_dict(path)


def test_other_archives_are_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme", "hello")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_state_dict(path)
    for missing in (path.with_name("nothing"), path.parent):
        with pytest.raises(WeightsError, match="no file"):
            read_state_dict(missing)


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
@pytest.mark.parametrize(
    ("content", "came"),
    [
        ([1, 2], "came list"),
        (torch.ones(2), "came Tensor"),
        ({}, "came an empty mapping"),
        ({"state_dict": 3}, "came int"),
        ({"epoch": 3}, "expected a plain tensor for epoch .* came int"),
        ({1: torch.ones(2)}, "came 1"),
        ({"weight": torch.ones(2).to_sparse()}, "plain tensor for weight .*sparse"),
    ],
)
def test_a_file_of_another_structure_is_refused(path: Path, content: object, came: str) -> None:
    save_zip(content, path)
    with pytest.raises(WeightsError, match=came):
        read_state_dict(path)


# ---- loading ----


def test_loading_gives_the_same_logits() -> None:
    other = net()
    for parameter in other.parameters():
        nn.init.ones_(parameter)
    load_strictly(other, state(), source="here")
    assert_same(dict(other.state_dict()), state())


def test_counters_may_be_missing() -> None:
    model = net()
    model.state_dict()["1.num_batches_tracked"].fill_(7)
    old = {key: value + 1 for key, value in state().items() if "num_batches" not in key}
    load_strictly(model, old, source="here")
    assert model.state_dict()["1.num_batches_tracked"] == 7
    assert torch.equal(model.state_dict()["0.weight"], old["0.weight"])


def changed(key: str, value: Tensor | None) -> dict[str, Tensor]:
    """The right weights, but for one, which is another or missing."""
    rest = {other: tensor for other, tensor in state().items() if other != key}
    return rest if value is None else {**rest, key: value}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            changed("3.weight", torch.ones(9, 4)),
            r"expected 3.weight of shape \(5, 4\), came \(9, 4\)",
        ),
        (changed("3.bias", None), r"expected 3.bias of shape \(5,\), came nothing"),
        (changed("7.bias", torch.ones(2)), r"expected no 7.bias, came \(2,\)"),
        (changed("3.bias", torch.ones(5).long()), "expected 3.bias as torch.float32, came .*int64"),
        (changed("3.bias", torch.full((5,), torch.nan)), "finite values in 3.bias"),
        (changed("3.bias", torch.tensor([0, 0, 0, 0, torch.inf])), "finite values in 3.bias"),
        (changed("3.bias", torch.full((5,), 1e300, dtype=torch.double)), "finite values in 3.bias"),
        ({}, r"0.weight.*; and 5 more"),
    ],
)
def test_weights_that_do_not_fit_leave_the_model_untouched(
    wrong: dict[str, Tensor], message: str
) -> None:
    model = net()
    # Would be overwritten, if loading began before all is checked.
    wrong = {key: value + 1 if key == "0.weight" else value for key, value in wrong.items()}
    with pytest.raises(WeightsError, match=message) as caught:
        load_strictly(model, wrong, source="a file of mine")
    assert "a file of mine" in str(caught.value)
    assert_same(dict(model.state_dict()), state())
