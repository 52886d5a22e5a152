"""`python -m cvpire rehearse`: by a report or a file, with one sentence for what does not fit."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import rehearsal_helpers
from rehearsal_helpers import noise

from cvpire.classifiers.classifier import Classifier
from cvpire.cli.main import main
from cvpire.edits.posting import TRANSFORMATIONS
from cvpire.errors import SettingsError
from cvpire.images.photo import encode_png
from cvpire.protection import protect
from cvpire.rehearsal import Scene, rehearse
from cvpire.reports.report import Report
from cvpire.reports.target import Target
from cvpire.runs import RUNS
from cvpire.watch import UNWATCHED

classifier = rehearsal_helpers.classifier


def test_as_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = tmp_path / "before.png", tmp_path / "after.png"
    before.write_bytes(encode_png(noise(1)))
    after.write_bytes(encode_png(noise(2)))
    # The class of a photo that nothing was done to is still there.
    assert main(["rehearse", str(before), "--original", str(before)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("scenes: ")
    assert lines[1].startswith("  the file as it is: RECOGNISED, ")
    assert "; the original so: recognised, " in lines[1]
    assert any(line.startswith("lite0-imagenet, not attacked: ") for line in lines)
    code = main(["rehearse", str(after), "--label", "kitchen"])
    lines = capsys.readouterr().out.splitlines()
    counted = re.fullmatch(
        r"scenes: kitchen: out of the first five \(run Posting\) in (\d+) of (\d+)\.", lines[0]
    )
    assert counted is not None
    assert code == (0 if counted[1] == counted[2] else 1)
    out = [line for line in lines[1 : 1 + int(counted[2])] if ": not recognised; first " in line]
    assert len(out) == int(counted[1])
    assert "the original" not in lines[1]
    assert main(["rehearse", str(after)]) == 2
    assert "give the original photo" in capsys.readouterr().err


@pytest.fixture
def _few_transformations(monkeypatch: pytest.MonkeyPatch) -> None:
    few = (TRANSFORMATIONS["jpeg-85"], TRANSFORMATIONS["blur"])
    monkeypatch.setattr(rehearse, "__kwdefaults__", {"transformations": few, "watch": UNWATCHED})


@pytest.fixture(scope="module")
def made(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a protected file and its report, by the command line."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "before.png").write_bytes(encode_png(noise(3)))
    arguments = [str(folder / "before.png"), "-o", str(folder / "out"), "--run", "Top1-min"]
    assert main([*arguments, "--classifier", "scenes", "--report"]) == 0
    return folder / "out"


@pytest.mark.usefixtures("_few_transformations")
def test_a_report_tells_all_that_is_needed(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, report = str(made / "before.png"), str(made / "before.json")
    main(["rehearse", file, "--report", report])
    lines = capsys.readouterr().out.splitlines()
    label = json.loads((made / "before.json").read_text())["label"]["name"]
    start = f"scenes: {label}: no longer the first guess (run Top1-min) in "
    assert lines[0].startswith(start)
    assert lines[1].startswith("  the file as it is: not recognised; first ")
    # By the default run the same file is not protected: its class is the second guess.
    assert main(["rehearse", file, "--label", label]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"scenes: {label}: out of the first five (run Posting) in ")
    assert lines[1].startswith("  the file as it is: RECOGNISED, ")
    main(["rehearse", file, "--label", label, "--run", "Top1-min"])
    assert capsys.readouterr().out.splitlines()[0].startswith(start)


@pytest.mark.usefixtures("_few_transformations")
def test_a_whole_kind_of_place_is_hidden_and_judged_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, out = tmp_path / "before.png", tmp_path / "out"
    before.write_bytes(encode_png(noise(3)))
    asked = ["--run", "Invisible", "--group", "--classifier", "scenes"]
    assert main([str(before), "-o", str(out), *asked, "--report"]) == 0
    capsys.readouterr()
    record = json.loads((out / "before.json").read_text())
    assert (record["run"], record["condition"]) == ("Invisible-group", "GroupOutOfTop(k=5)")
    assert record["label"]["group"] not in {guess["group"] for guess in record["after"]}
    words = "no scene of its kind among the first five (run Invisible-group) in "
    label = record["label"]["name"]
    file, report = str(out / "before.png"), str(out / "before.json")
    for told in (["--report", report], ["--label", label, *asked]):
        main(["rehearse", file, *told])
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith(f"scenes: {label}: {words}")
        assert lines[1].startswith("  the file as it is: not recognised; first ")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda record: [record], "is not a report of a protected photo: give the JSON file that"),
        (lambda record: {}, "is not a report of a protected photo"),
        (lambda record: {**record, "label_position": True}, "is not a report of a protected photo"),
        (lambda record: {**record, "label": "kitchen"}, "is not a report of a protected photo"),
        (lambda record: {**record, "run": 5}, "is not a report of a protected photo"),
        (lambda record: {**record, "run": "Top9"}, "another version: There is no run 'Top9'"),
        (lambda record: {**record, "classifier": "x"}, "another version: There is no classifier"),
        (lambda record: {**record, "view": "up"}, "another version: there is no view 'up'"),
        (lambda record: {**record, "file_sha256": "0" * 64}, "not the file that the report is ab"),
        (lambda record: {**record, "weights_sha256": "0"}, "another version of scenes or of the"),
        (lambda record: {**record, "condition": "none"}, "another version of scenes or of the run"),
        (lambda record: {**record, "label_position": 96}, "another version of scenes or of the"),
        (lambda record: {**record, "label_position": -1}, "another version of scenes or of the"),
    ],
)
def test_a_report_that_does_not_fit_gets_one_sentence(
    made: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, object]], object],
    sentence: str,
) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps(change(json.loads((made / "before.json").read_text()))))
    assert main(["rehearse", str(made / "before.png"), "--report", str(other)]) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err and printed.err.count("\n") == 1 and not printed.out


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\x89PNG\r\n", b"\xff\xfe", b"[" * 100_000, b'{"run": NaN}', b" " * (2 << 20)],
    ids=["empty", "cut", "picture", "utf-16", "deep", "nan", "large"],
)
def test_what_is_no_json_gets_one_sentence(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(content)
    assert main(["rehearse", str(made / "before.png"), "--report", str(other)]) == 2
    printed = capsys.readouterr().err
    assert "is not a report of a protected photo" in printed and printed.count("\n") == 1
    assert main(["rehearse", str(made / "before.png"), "--report", str(tmp_path / "none")]) == 2
    assert "cannot be read: there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["label", "run", "group", "classifier", "view"])
def test_a_report_leaves_nothing_to_say(
    made: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    values = {"label": "kitchen", "run": "Posting", "classifier": "scenes", "view": "native"}
    value = [values[option]] if option in values else []
    known = ["rehearse", str(made / "before.png"), "--report", str(made / "before.json")]
    assert main([*known, f"--{option}", *value]) == 2
    assert f"--report tells the {option} already: leave out --{option}" in capsys.readouterr().err


def test_a_target_is_the_same_by_report_and_by_file(classifier: Classifier, tmp_path: Path) -> None:
    report: Report = protect(noise(3), classifier, RUNS["Top1-50-min"]).report
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report.as_record()))
    target = Target.read(path)
    assert target == Target.of(report)
    run = target.find_run(classifier)
    scene = Scene(classifier, target.label_position, True, run.condition)
    assert scene.label == report.label.name
    assert repr(scene.condition) == report.condition
    other = dataclasses.replace(target, run="Top1-min")
    with pytest.raises(SettingsError, match="another version of scenes or of the run Top1-min"):
        other.find_run(classifier)
