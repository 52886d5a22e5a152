"""The page over its API: what a visitor gets."""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from typing import Any

import app_helpers
import numpy as np
import pytest
from app_helpers import run
from conftest import needs_flip
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image

import app
from cvpire.images.formats import KINDS
from cvpire.images.reading import read_photo
from cvpire.metrics import references
from cvpire.runs import RUNS
from page.handlers import choices
from page.looks.results import Results
from page.looks.run_choices import AS_ABOVE, other_choices, plain_choices, run_sentence
from page.orders import order

demo = app_helpers.demo
client = app_helpers.client
photo = app_helpers.photo


def test_protects_a_photo_and_serves_the_verified_bytes(client: Client, photo: Path) -> None:
    results = run(client, photo)
    assert results.record is not None and results.download is not None
    assert results.record["verdict"] == "protected"
    assert Path(results.download).name == "protected.png"
    served = Path(results.download).read_bytes()
    assert hashlib.sha256(served).hexdigest() == results.record["file_sha256"]
    before, after = results.record["before"], results.record["after"]
    assert isinstance(before, list) and isinstance(after, list)
    assert before[0]["name"] != after[0]["name"]
    assert results.verdict is not None and "Weakly protected: " in results.verdict
    assert "Turned upright" in results.verdict
    assert results.scores is not None and "not asked for" in results.scores


@needs_flip
def test_the_table_says_how_visible_the_change_is_beside_jpegs(client: Client, photo: Path) -> None:
    results = run(client, photo)
    assert results.record is not None and results.scores is not None
    report: Any = results.record
    change, grade = report["difference"], report["visibility"]["grade"]
    jpegs = [report["references"][name] for name in ("JPEG 75", "JPEG 90")]
    grades = [jpeg["visibility"]["grade"] for jpeg in jpegs]
    assert f"<td>{grade}</td>" in results.scores
    assert f"; the original as JPEG 75: {grades[0]}, as JPEG 90: {grades[1]}</td>" in results.scores
    for name, title, decimals in [
        ("flip_p99", "FLIP, 99th percentile", 3),
        ("delta_e_blurred", "ΔE00 of the blurred change, maximum", 1),
        ("delta_e_p999", "ΔE00, 99.9th percentile", 2),
    ]:
        first, second = (f"{jpeg['difference'][name]:.{decimals}f}" for jpeg in jpegs)
        assert f'<th scope="row">{title}</th><td>{change[name]:.{decimals}f}</td>' in results.scores
        assert f"; the original as JPEG 75: {first}, as JPEG 90: {second}</td>" in results.scores
    place = report["strongest"]
    assert f"<td>x {place['x']}, y {place['y']}</td>" in results.scores
    assert "Columns measured" not in results.scores


def test_the_table_says_what_was_not_measured(client: Client, photo: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "flip_evaluator", None)
        patch.setattr(references, "WHOLE_PIXELS", 96 * 40)
        results = run(client, photo)
    assert results.record is not None and results.scores is not None
    report: Any = results.record
    assert '<th scope="row">FLIP, 99th percentile</th><td>unavailable</td><td>FLIP is' in (
        results.scores
    )
    first, end = report["references"]["JPEG 75"]["columns"]
    assert end - first == 40
    assert f"<td>{first} to {end - 1}</td>" in results.scores


def test_no_served_file_tells_of_the_original(client: Client, photo: Path) -> None:
    results = run(client, photo)
    assert results.view is not None and results.record is not None
    assert results.report is not None and "secret" not in Path(results.report).read_text()
    pictures = [shown(results, name) for name in ("before", "after", "blurred", "map")]
    for path in (Path(str(results.download)), Path(str(results.heatmap)), *pictures):
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG") and "secret" not in path.name
        assert not any(mark in data for mark in (b"SecretCamera", b"Exif", b"eXIf", b"tEXt"))
        with Image.open(io.BytesIO(data)) as image:
            assert not image.getexif() and not image.info
    # What is compared is the photo as it was read, and the very file that is downloaded.
    original, protected = (read_photo(shown(results, name)) for name in ("before", "after"))
    assert np.array_equal(original.pixels, read_photo(photo).pixels)
    assert (
        hashlib.sha256(shown(results, "after").read_bytes()).hexdigest()
        == (results.record["file_sha256"])
    )
    place = results.view["strongest"]
    assert (original.pixels != protected.pixels).any()
    assert 0 <= place[0] < results.view["width"] == 96 and 0 <= place[1] < 96


def shown(results: Results, name: str) -> Path:
    """The file that the viewer shows."""
    assert results.view is not None
    return Path(str(results.view[name]).removeprefix("gradio_api/file="))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "PNG"])
def test_saves_as_another_kind_of_a_size(client: Client, photo: Path, kind: str) -> None:
    results = run(client, photo, run="Top1-noL1", kind=kind, quality=80, kilobytes=20)
    assert results.record is not None and results.download is not None
    assert results.record["verdict"] == "protected"
    served = Path(results.download).read_bytes()
    assert Path(results.download).suffix == KINDS[kind].suffix
    assert len(served) <= 20_000
    assert hashlib.sha256(served).hexdigest() == results.record["file_sha256"]
    assert b"SecretCamera" not in served
    quality = int(str(results.record["file_format"]).removeprefix(kind))
    assert quality <= 80
    assert results.scores is not None and f"what {kind} {quality} does by itself" in results.scores


def test_a_size_that_nothing_fits_gets_a_sentence(client: Client, photo: Path) -> None:
    with pytest.raises(AppError, match="does not fit into 100 bytes as JPEG"):
        run(client, photo, kind="JPEG", quality=80, kilobytes=0.1)


@pytest.mark.parametrize(("quality", "kilobytes"), [(90, -5), (90, 1e306), (float("nan"), 0)])
def test_numbers_that_make_no_file_get_a_sentence(quality: float, kilobytes: float) -> None:
    with pytest.raises(ValueError, match="expected a quality of 1 to 100 and a size of 0 to"):
        order._file_format("", "JPEG", quality, kilobytes)
    assert str(order._file_format("", "JPEG", 90.0, 0.0)) == "JPEG 90"
    assert str(order._file_format("", "PNG", quality, kilobytes)) == "PNG"


@pytest.mark.parametrize("name", RUNS)
def test_every_run_has_its_figures(client: Client, photo: Path, name: str) -> None:
    results = run(client, photo, run=name, classifier="scenes")
    assert results.scores is not None and "of at most" in results.scores


def test_the_whole_kind_of_place_is_hidden_where_asked(client: Client, photo: Path) -> None:
    plain, group = (
        run(client, photo, run="Invisible", classifier="scenes", group=group)
        for group in (False, True)
    )
    for results, name in ((plain, "Invisible"), (group, "Invisible-group")):
        assert results.record is not None
        assert (results.record["run"], results.record["verdict"]) == (name, "protected")
    record: Any = group.record
    assert record["condition"] == "GroupOutOfTop(k=5)"
    assert record["label"]["group"] not in {guess["group"] for guess in record["after"]}


def test_a_run_that_cannot_hide_a_kind_of_place_says_so(client: Client, photo: Path) -> None:
    with pytest.raises(AppError, match=r"The run Top1-L1 has no variant that hides the whole kind"):
        run(client, photo, group=True)
    with pytest.raises(AppError, match=r"Posting-group cannot be done: the classes of imagenet"):
        run(client, photo, run="Posting", group=True)


def test_the_choice_of_runs_begins_with_plain_words() -> None:
    plain, others = plain_choices(), other_choices()
    assert [title for title, _ in plain] == ["Survives posting", "Balanced", "Invisible"]
    assert others[:2] == [("As chosen above", AS_ABOVE), ("As in the paper: Top1-L1", "Top1-L1")]
    of_paper = [title for title, _ in others if title.startswith("As in the paper: ")]
    assert [title for title, _ in others[1:6]] == of_paper
    # Every run once; the variants for groups are the checkbox's.
    names = [name for _, name in (*plain, *others[1:])]
    assert len(names) == len(set(names))
    assert set(RUNS) - set(names) == {f"{name}-group" for _, name in plain}
    assert len({title for title, _ in (*plain, *others)}) == len(names) + 1
    for name in names:
        assert run_sentence(name).endswith(".")


@pytest.mark.parametrize(("name", "has_variant"), [("Balanced", True), ("Top5-min", False)])
def test_the_kind_of_place_is_a_choice_where_the_run_has_one(name: str, has_variant: bool) -> None:
    sentence, checkbox = choices.describe_run(name)
    assert sentence == run_sentence(name)
    # What was ticked for another run must not be asked of one that cannot do it.
    unticked = {"visible": False, "value": False}
    assert checkbox.constructor_args == ({"visible": True} if has_variant else unticked)


def test_the_embedded_classifier_and_score_need_no_network(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVPIRE_HOME", str(tmp_path))
    tower = Path(app.find_examples()[0][0])
    results = run(client, tower, classifier="auto", view="resize", metric="auto")
    # The first class only: it is still the second guess, and the verdict says so.
    assert results.verdict is not None and "Weakly protected: " in results.verdict
    assert "The kind of place went from" in results.verdict or "Both are of" in results.verdict
    assert results.scores is not None
    assert "beauty (OASIS, 1-7), before" in results.scores
    assert "NIMA" not in results.scores
    assert results.top5 is not None
    assert "temple, asia <small>worship, sensitive</small>" in results.top5
