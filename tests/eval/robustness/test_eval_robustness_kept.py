"""The evaluation of what survives: what is kept, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import robustness_helpers
from eval_helpers import without_looks
from robustness_helpers import FEW, measure, rows
from table1_helpers import fake_classifier

from eval import judge, robustness
from eval.damage import DAMAGES
from eval.errors import EvaluationError
from eval.progress import Progress
from eval.records import RecordStore
from eval.robustness import RobustnessOptions

options = robustness_helpers.options


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "load_classifier", fake_classifier)
    some = {name: FEW[name] for name in ("jpeg-75", "half")}
    monkeypatch.setattr(robustness, "EDITS", {"all": FEW, "codecs": some})


def test_what_was_finished_before_a_kill_is_kept(options: RobustnessOptions) -> None:
    class Killed(BaseException):
        pass

    def kill(step: Progress) -> None:
        if step.stage == "Rehearsing" and step.done == 2:
            raise Killed

    with pytest.raises(Killed):
        measure(options, kill)
    lines = set((options.out / "records.jsonl").read_text().splitlines())
    measure(options)
    after = (options.out / "records.jsonl").read_text().splitlines()
    written = 3 + len(DAMAGES) * 3
    assert len(after) == 3 + written
    # What people see is added to each record of a written file.
    kept = {without_looks(line) for line in lines} & {without_looks(line) for line in after}
    assert len(kept) == 3 + written - 1


def test_other_settings_are_refused_in_the_same_folder(options: RobustnessOptions) -> None:
    measure(options)
    with pytest.raises(EvaluationError, match="seed was 0 and is 1 now"):
        measure(replace(options, seed=1))


def test_what_cannot_be_read_is_said(options: RobustnessOptions) -> None:
    (options.images / "cut.png").write_bytes((options.images / "0.png").read_bytes()[:200])
    result = measure(options)
    assert list(result.unreadable) == ["cut.png"]
    assert rows(result.markdown)["all black"][0] == "3"


def test_the_images_are_never_written_over(options: RobustnessOptions) -> None:
    images = options.images.rename(options.images.with_name("Posting"))
    with pytest.raises(EvaluationError, match="written over the images"):
        measure(replace(options, images=images, out=images.parent))


@pytest.mark.parametrize(
    "older",
    [
        {"as written": [True, False]},  # as it was kept before it knew its judge
        {"condition": "OutOfTop(k=1)", "label": 0, "words": "", "kept": {}},
        {"condition": "OutOfTop(k=5)", "label": -1, "words": "", "kept": {}},
    ],
    ids=["unknown", "another condition", "another class"],
)
def test_answers_of_another_judge_do_not_count(
    options: RobustnessOptions, older: dict[str, object]
) -> None:
    first = measure(options).markdown
    store = RecordStore(options.out / "records.jsonl")
    record = store.find("Posting", "0.png")
    assert record is not None and record.report is not None
    store.append(replace(record, report={**record.report, "rehearsal": older}))
    assert measure(options).markdown == first
