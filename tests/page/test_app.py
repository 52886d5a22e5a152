"""The page over its API: what a visitor gets, what is refused, and that work stops when told."""

from __future__ import annotations

import hashlib
import io
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from conftest import needs_flip, textured_pixels
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError, ValidationError
from page_helpers import EndlessAttack, small_photo, wait_until
from PIL import Image

import app
from cvpire.attacks.base import AttackStep
from cvpire.attacks.searches import Algorithm1
from cvpire.classifiers import registry as classifiers
from cvpire.classifiers.classifier import Classifier, Prediction
from cvpire.color.heatmap import heatmap
from cvpire.errors import CvpireError
from cvpire.images.formats import KINDS
from cvpire.images.photo import Photo, encode_png
from cvpire.images.reading import read_photo
from cvpire.metrics import beauty, references
from cvpire.metrics.aesthetics import AestheticsUnavailable
from cvpire.protection import protect
from cvpire.reports.target import Target
from cvpire.runs import RUNS
from page import handlers, render, work
from page.jobs import Jobs, JobStopped
from page.run_choices import run_choices, run_sentence

# On small photos, their own pixels cost a tenth of the 256x256 that the page takes by default.
SETTINGS = ("Top1-L1", "lite0-imagenet", "native", "", "PNG", 90, None)


@pytest.fixture(scope="module")
def demo() -> Iterator[gr.Blocks]:
    with pytest.MonkeyPatch.context() as patch:
        # Seconds between two looks whether a visitor is still there; gradio's own 15 are long.
        patch.setattr("gradio.utils.get_heartbeat_rate", lambda: 0.2)
        yield from _launched()


def _launched() -> Iterator[gr.Blocks]:
    page = app.build_page()
    page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, inbrowser=False, **app.LAUNCH
    )
    yield page
    page.close(verbose=False)


@pytest.fixture(scope="module")
def client(demo: gr.Blocks) -> Iterator[Client]:
    client = Client(str(demo.local_url), verbose=False)
    yield client
    client.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return small_photo(tmp_path)


@pytest.fixture
def attack(monkeypatch: pytest.MonkeyPatch) -> Iterator[EndlessAttack]:
    attack = EndlessAttack()
    monkeypatch.setattr(work, "protect", attack)
    yield attack
    for event in list(handlers.JOBS._jobs):
        handlers.JOBS.leave(event)
    attack.resume.release(5)


def run(client: Client, path: Path, *settings: Any) -> handlers.Results:
    answer = client.predict(handle_file(str(path)), *(settings or SETTINGS), api_name="/protect")
    return handlers.Results(*answer)


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
    assert results.verdict is not None and "Protected" in results.verdict
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
    assert results.slider is not None
    served = [results.download, *results.slider, results.before, results.after, results.heatmap]
    for path in map(Path, map(str, served)):
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG") and "secret" not in path.name
        assert not any(mark in data for mark in (b"SecretCamera", b"Exif", b"eXIf", b"tEXt"))
        with Image.open(io.BytesIO(data)) as image:
            assert not image.getexif() and not image.info
    assert list(results.slider) == [results.before, results.after]
    assert read_photo(str(results.before)).pixels.shape == (96, 96, 3)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "PNG"])
def test_saves_as_another_kind_of_a_size(client: Client, photo: Path, kind: str) -> None:
    results = run(client, photo, "Top1-noL1", *SETTINGS[1:4], kind, 80, 20)
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
        run(client, photo, *SETTINGS[:4], "JPEG", 80, 0.1)


@pytest.mark.parametrize(("quality", "kilobytes"), [(90, -5), (90, 1e306), (float("nan"), 0)])
def test_numbers_that_make_no_file_get_a_sentence(quality: float, kilobytes: float) -> None:
    with pytest.raises(ValueError, match="expected a quality of 1 to 100 and a size of 0 to"):
        handlers._file_format("JPEG", quality, kilobytes)
    assert str(handlers._file_format("JPEG", 90.0, None)) == "JPEG 90"
    assert str(handlers._file_format("PNG", quality, kilobytes)) == "PNG"


@pytest.mark.parametrize("name", RUNS)
def test_every_run_has_its_figures(client: Client, photo: Path, name: str) -> None:
    results = run(client, photo, name, "scenes", *SETTINGS[2:])
    assert results.scores is not None and "of at most" in results.scores


def test_a_rehearsal_says_what_the_file_survives(client: Client, photo: Path) -> None:
    results = run(client, photo, "Robust", "scenes", "resize", *SETTINGS[3:])
    assert results.record is not None
    html = client.predict(api_name="/rehearse")
    label: Any = results.record["label"]
    assert f"scenes: “{label['name']}”: out of the first five in " in html
    assert "lite0-imagenet (not attacked): “" in html
    assert "JPEG 75" in html and "; the original so: " in html
    assert "the file as it is</th><td>✓ not recognised</td>" in html


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Top1-min", "no longer the first guess"),
        ("Top1-50-min", "at most half as probable as the first guess"),
        ("Group-min", "no scene of its kind among the first five"),
    ],
)
def test_a_rehearsal_judges_by_the_run_s_own_condition(
    client: Client, photo: Path, name: str, words: str
) -> None:
    """What is protected is so in the rehearsal of the very file, whatever the run asks for."""
    results = run(client, photo, name, "scenes", "resize", *SETTINGS[3:])
    assert results.record is not None and results.record["verdict"] == "protected"
    html = client.predict(api_name="/rehearse")
    own, other = html.split("<table")[1:3]
    label: Any = results.record["label"]
    assert f"scenes: “{label['name']}”: {words} in " in own
    assert "the file as it is</th><td>✓ not recognised</td>" in own
    assert "lite0-imagenet (not attacked): “" in other
    fallback = "out of the first five, since its classes have no groups in "
    assert (fallback if name == "Group-min" else f"{words} in ") in other


def test_the_whole_kind_of_place_is_hidden_where_asked(client: Client, photo: Path) -> None:
    asked = ("Invisible", "scenes", "native", *SETTINGS[3:])
    plain, group = run(client, photo, *asked, False), run(client, photo, *asked, True)
    for results, name in ((plain, "Invisible"), (group, "Invisible-group")):
        assert results.record is not None
        assert (results.record["run"], results.record["verdict"]) == (name, "protected")
    record: Any = group.record
    assert record["condition"] == "GroupOutOfTop(k=5)"
    assert record["label"]["group"] not in {guess["group"] for guess in record["after"]}


def test_a_run_that_cannot_hide_a_kind_of_place_says_so(client: Client, photo: Path) -> None:
    with pytest.raises(AppError, match=r"The run Top1-L1 has no variant that hides the whole kind"):
        run(client, photo, *SETTINGS, True)
    with pytest.raises(AppError, match=r"Posting-group cannot be done: the classes of imagenet"):
        run(client, photo, "Posting", *SETTINGS[1:], True)


def test_the_choice_of_runs_begins_with_plain_words() -> None:
    choices = run_choices()
    assert choices[:4] == [
        ("Invisible", "Invisible"),
        ("Balanced", "Balanced"),
        ("Survives posting", "Posting"),
        ("As in the paper: Top1-L1", "Top1-L1"),
    ]
    of_paper = [title for title, _ in choices if title.startswith("As in the paper: ")]
    assert [title for title, _ in choices[3:8]] == of_paper
    # Every run once; the variants for groups are the checkbox's.
    names = [name for _, name in choices]
    assert len(names) == len(set(names))
    assert set(RUNS) - set(names) == {f"{name}-group" for name in names[:3]}
    assert len({title for title, _ in choices}) == len(choices)
    for name in names:
        assert run_sentence(name).count(".") == 1 and run_sentence(name).endswith(".")


@pytest.mark.parametrize(("name", "has_variant"), [("Balanced", True), ("Top5-min", False)])
def test_the_kind_of_place_is_a_choice_where_the_run_has_one(name: str, has_variant: bool) -> None:
    sentence, checkbox = handlers.describe_run(name)
    assert sentence == run_sentence(name)
    # What was ticked for another run must not be asked of one that cannot do it.
    unticked = {"visible": False, "value": False}
    assert checkbox.constructor_args == ({"visible": True} if has_variant else unticked)


def test_nothing_is_rehearsed_before_a_photo_is_protected(demo: gr.Blocks) -> None:
    visitor = Client(str(demo.local_url), verbose=False)
    with pytest.raises(AppError, match=r"Protect a photo first\."):
        visitor.predict(api_name="/rehearse")
    visitor.close()


def test_a_browser_can_tell_the_rehearsal_nothing(demo: gr.Blocks) -> None:
    client = Client(str(demo.local_url), verbose=False)
    described = client.view_api(return_format="dict", print_info=False)
    client.close()
    assert described["named_endpoints"]["/rehearse"]["parameters"] == []
    answers = described["named_endpoints"]["/protect"]["returns"]
    assert len(answers) == len(handlers.Results._fields)


def test_a_rehearsal_of_what_is_gone_or_changed_gets_a_sentence(
    mean_color_classifier: Classifier, photo: Path, tmp_path: Path
) -> None:
    protected = tmp_path / "protected.png"
    protected.write_bytes(encode_png(Photo(textured_pixels())))
    target = Target.of(
        protect(Photo(textured_pixels()), mean_color_classifier, RUNS["Top1-min"]).report
    )
    target = replace(target, classifier="scenes", view="resize")
    same = replace(target, file_sha256=hashlib.sha256(protected.read_bytes()).hexdigest())
    order = work.RehearsalOrder(str(photo), str(protected), same)
    for given, sentence in [
        (replace(order, protected=str(tmp_path / "gone.png")), "no longer kept here: protect it"),
        (replace(order, original=str(tmp_path / "gone.png")), "no longer kept here: protect it"),
        (replace(order, target=target), "not the file that the report is about"),
        (order, "another version of scenes or of the run Top1-min"),
    ]:
        with pytest.raises(CvpireError, match=sentence):
            work.carry_out_rehearsal(given, lambda share, words: None, lambda: None)


def test_a_run_that_a_classifier_cannot_do_is_refused_at_once(
    client: Client, tmp_path: Path
) -> None:
    # Not even the file is read: it is no photo.
    path = tmp_path / "none.png"
    path.write_bytes(b"none")
    with pytest.raises(AppError, match="Group-min cannot be done: the classes of imagenet have no"):
        run(client, path, "Group-min", *SETTINGS[1:])


def _png(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def _bad_files() -> dict[str, tuple[bytes, str]]:
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    return {
        "broken": (_png(frames[0].resize((64, 64)))[:60], "cut off or damaged"),
        "text": (b"I am not a photo.", "not a picture"),
        "empty": (b"", "empty (0 bytes)"),
        "bomb": (_png(Image.new("1", (20_000, 20_000))), "megapixels are accepted"),
        "animation": (_png(frames[0], save_all=True, append_images=frames[1:]), "animation"),
    }


@pytest.mark.parametrize("kind", ["broken", "text", "empty", "bomb", "animation"])
def test_a_bad_file_gets_a_sentence(client: Client, tmp_path: Path, kind: str) -> None:
    data, sentence = _bad_files()[kind]
    path = tmp_path / f"{kind}.png"
    path.write_bytes(data)
    with pytest.raises(AppError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        run(client, path)


def test_a_flat_photo_is_not_called_protected(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        work, "find_run", lambda name: replace(RUNS[name], search=Algorithm1(0.0, 2, 0.25 / 255))
    )
    path = tmp_path / "flat.png"
    Image.new("RGB", (64, 64), (120, 130, 140)).save(path)
    results = run(client, path)
    assert results.verdict is not None and "Not protected" in results.verdict
    assert "same colour everywhere" in results.verdict
    photos = (results.download, results.slider, results.before, results.after)
    assert photos == (None, None, None, None)


def test_missing_weights_say_what_to_do(client: Client, photo: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVPIRE_HOME", str(tmp_path))
        with pytest.raises(AppError, match="weights download resnet50-places365"):
            run(client, photo, "Top1-L1", "resnet50-places365", *SETTINGS[2:])
        assert "weights download" in handlers.describe_classifier("resnet50-places365")


def test_an_unavailable_score_is_said_and_not_made_up(
    client: Client, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AestheticsUnavailable("the host is down")

    monkeypatch.setattr(work, "load_scorer", refuse)
    results = run(client, photo, *SETTINGS[:3], "nima", *SETTINGS[4:])
    assert results.download is not None
    assert results.scores is not None and "the host is down" in results.scores


def test_cancel_stops_within_one_step(client: Client, photo: Path, attack: EndlessAttack) -> None:
    job = client.submit(handle_file(str(photo)), *SETTINGS, api_name="/protect")
    assert attack.started.wait(10)
    assert "Cancelled" in client.predict(api_name="/cancel")[0]
    assert attack.is_stopped_at_next_step()
    results = handlers.Results(*job.result(10))
    assert results.verdict is not None and "Cancelled" in results.verdict
    assert results.download is None


def test_a_second_job_of_a_visitor_is_refused(
    client: Client, photo: Path, attack: EndlessAttack
) -> None:
    job = client.submit(handle_file(str(photo)), *SETTINGS, api_name="/protect")
    assert attack.started.wait(10)
    with pytest.raises(ValidationError, match="still in work"):
        run(client, photo)
    client.predict(api_name="/cancel")
    attack.resume.release()
    job.result(10)
    # The refusal was for that moment only.
    assert wait_until(lambda: not handlers.JOBS._jobs)


def test_work_stops_when_the_visitor_leaves(
    demo: gr.Blocks, photo: Path, attack: EndlessAttack
) -> None:
    visitor = Client(str(demo.local_url), verbose=False)
    visitor.submit(handle_file(str(photo)), *SETTINGS, api_name="/protect")
    assert attack.started.wait(10)
    visitor.close()
    assert wait_until(lambda: not handlers.JOBS._jobs, 30)
    assert attack.is_stopped_at_next_step()


def test_the_deadline_stops_a_job_and_says_so(
    client: Client, photo: Path, attack: EndlessAttack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers.JOBS, "max_seconds", 0.5)
    job = client.submit(handle_file(str(photo)), *SETTINGS, api_name="/protect")
    assert attack.started.wait(10)
    time.sleep(0.6)
    attack.resume.release()
    assert "the longest that a photo may take" in job.result(10)[0]


def test_a_cancelled_rehearsal_leaves_the_verdict_alone(
    client: Client, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = threading.Event()

    def endless(order: object, tell: object, check: Any) -> None:
        started.set()
        while True:
            check()
            time.sleep(0.01)

    run(client, photo)
    monkeypatch.setattr(handlers, "carry_out_rehearsal", endless)
    job = client.submit(api_name="/rehearse")
    assert started.wait(10)
    verdict, rehearsal = client.predict(api_name="/cancel")
    assert "Cancelled" not in str(verdict)
    said = "The rehearsal is not finished; the protected photo is as it was."
    assert said in rehearsal and said in job.result(10)


def test_one_job_works_at_a_time() -> None:
    jobs = Jobs()
    inside = threading.Event()

    jobs.claim("first", "a")
    jobs.claim("second", "b")

    def second() -> None:
        with jobs.working("second"):
            inside.set()

    thread = threading.Thread(target=second)
    with jobs.working("first"):
        thread.start()
        assert not inside.wait(0.3)
    assert inside.wait(5)
    thread.join()
    assert not jobs._jobs


def test_a_job_that_nobody_wants_does_not_wait_for_its_turn() -> None:
    jobs = Jobs()
    ended: list[str] = []
    jobs.claim("first", "a")

    def work(event: str) -> None:
        with pytest.raises(JobStopped), jobs.working(event):
            raise AssertionError("it worked")
        ended.append(event)

    with jobs.working("first"):
        waiting = [str(number) for number in range(3)]
        for event in waiting:
            jobs.claim(event, "b")
        threads = [threading.Thread(target=work, args=[event]) for event in waiting]
        for thread in threads:
            thread.start()
        jobs.stop("b")
        for thread in threads:
            thread.join(5)
        assert sorted(ended) == waiting


def test_a_job_cancelled_while_it_waits_never_works() -> None:
    jobs = Jobs()
    jobs.claim("event", "visitor")
    assert jobs.is_wanted("event")
    assert jobs.stop("visitor")
    assert not jobs.is_wanted("event")
    assert jobs.stop("visitor") is None
    with pytest.raises(JobStopped), jobs.working("event"):
        raise AssertionError("it worked")


def test_a_job_that_left_the_queue_never_works_and_can_still_be_told_of() -> None:
    jobs = Jobs()
    jobs.claim("event", "visitor")
    jobs.leave("event")
    with pytest.raises(JobStopped), jobs.working("event"):
        raise AssertionError("it worked")
    job = jobs.stop("visitor")
    assert job is not None and job.is_stopped
    assert jobs.stop("visitor") is None
    assert not jobs.is_wanted("event")


def test_a_job_of_a_visitor_who_left_never_works() -> None:
    jobs = Jobs()
    jobs.claim("event", "visitor")
    jobs.close("visitor")
    with pytest.raises(JobStopped), jobs.working("event"):
        raise AssertionError("it worked")
    assert jobs.stop("visitor") is None


def test_a_cancelled_job_leaves_the_next_one_alone() -> None:
    jobs = Jobs()
    jobs.claim("event", "visitor")
    with jobs.working("event"):
        jobs.stop("visitor")
        jobs.claim("next", "visitor")
    assert jobs.is_wanted("next") and not jobs.is_wanted("event")


def test_progress_is_told_with_steps_and_time() -> None:
    told: list[tuple[float | None, str]] = []
    report = work._reporter(lambda share, words: told.append((share, words)), lambda: None)
    for step, most in ((0, 300), (1, 300), (150, 150)):
        report(AttackStep(step, most, torch.tensor([step == 150]), torch.zeros(1)))
    assert told[0] == (0.0, "Step 0 of at most 300")
    assert told[1][1].startswith("Step 1 of at most 300, at most ")
    assert told[2][0] is None and "after 150 steps" in told[2][1]
    # A second search, whose first step is its first.
    for step in (1, 2):
        report(AttackStep(step, 180, torch.tensor([False]), torch.zeros(1)))
    assert told[3][1] == "Step 1 of at most 180"
    assert told[4][1].startswith("Step 2 of at most 180, at most ")
    assert [work.duration(seconds) for seconds in (0.2, 119.5, 1000.0)] == [
        "1 s",
        "2 min",
        "17 min",
    ]


def test_names_that_two_classes_share_are_told_apart() -> None:
    both = [Prediction("crane", 134, 0.4), Prediction("crane", 517, 0.3)]
    assert render.top5(both) == {"crane (134)": 0.4, "crane (517)": 0.3}


def test_a_scene_stands_with_its_group() -> None:
    predictions = [
        Prediction("hospital room", 179, 0.6, "health", is_sensitive=True),
        Prediction("office", 244, 0.3, "work"),
    ]
    assert render.top5(predictions) == {
        "hospital room (health, sensitive)": 0.6,
        "office (work)": 0.3,
    }


def test_the_embedded_classifier_and_score_need_no_network(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVPIRE_HOME", str(tmp_path))
    settings = ("Top1-L1", "auto", "resize", "auto", *SETTINGS[4:])
    results = run(client, Path(app.find_examples()[0]), *settings)
    assert results.verdict is not None and "✓" in results.verdict
    assert "The kind of place went from" in results.verdict or "Both are of" in results.verdict
    assert results.scores is not None
    assert "beauty (OASIS, 1-7), before" in results.scores
    assert "NIMA" not in results.scores
    top5: Any = results.top5_before
    names = [entry["label"] for entry in top5["confidences"]]
    assert "temple, asia (worship, sensitive)" in names


def test_texts_from_a_photo_are_escaped() -> None:
    html = render._banner("good", "✓", "Protected", "x", ["profile '<img src=//evil>'"])
    assert "<img" not in html and "&lt;img" in html


def test_heatmap_runs_from_black_to_yellow() -> None:
    picture = heatmap(np.array([[0.0, 1.0]], np.float32))
    assert picture.shape == (1, 2, 3) and picture.dtype == np.uint8
    # matplotlib's inferno, first and last colour.
    assert picture[0].tolist() == [[0, 0, 3], [252, 254, 164]]
    lightness = heatmap(np.linspace(0, 1, 256, dtype=np.float32)[None])[0].sum(axis=1, dtype=int)
    assert (np.diff(lightness) > -3).all()


@pytest.mark.parametrize("bad", [np.full((2, 2), np.nan), np.full((2, 2), 1.5), np.zeros(3)])
def test_heatmap_refuses_what_is_no_map(bad: Any) -> None:
    with pytest.raises(ValueError, match="expected a map"):
        heatmap(bad.astype(np.float32))


def test_building_the_page_loads_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(classifiers, "read_state_dict", refuse)
    monkeypatch.setattr(beauty, "read_state_dict", refuse)
    monkeypatch.setattr(torch, "load", refuse)
    app.build_page()
    assert Path(app.find_examples()[0]).name == "tower.jpg"
