"""What survives: each protected photo, and its original as a control, through all transformations.

A photo counts where a transformation does something to it. `kept` is the share of photo x
transformation after which the run's own condition holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cvpire.edits.posting import CODECS_AND_SIZES, TRANSFORMATIONS, Transformation
from cvpire.rehearsal import Scene, rehearse
from eval.frontier import draw_frontier
from eval.output import Measured
from eval.progress import Progress, ProgressCallback
from eval.protected_photos import ProtectedOptions, ProtectedPhotos, protected_photos
from eval.robustness_rows import AS_WRITTEN, REHEARSAL, make_rows, to_csv
from eval.robustness_table import draw, markdown

# What may be tried, by the name that asks for it.
EDITS: Mapping[str, Mapping[str, Transformation]] = {
    "all": TRANSFORMATIONS,
    "codecs": CODECS_AND_SIZES,
}


@dataclass(frozen=True, kw_only=True)
class RobustnessOptions(ProtectedOptions):
    """Which photos to protect, and what to try on them.

    Attributes:
        edits: of `EDITS`.
    """

    edits: str = "all"


def measure_robustness(options: RobustnessOptions, progress: ProgressCallback) -> Measured:
    """Protect the images that the classifier gets right, rehearse each, and return the tables.

    Writes RUN/NAME, DAMAGE/NAME.png, records.jsonl, robustness.md, robustness.csv, robustness.png
    and frontier.png into the folder. What stands there from an interrupted evaluation with the same
    options is taken over.

    Args:
        options: what to evaluate.
        progress: told as the work goes on.

    Raises:
        EvaluationError: if it cannot be measured; what was finished is kept.
    """
    tried = EDITS[options.edits]
    with protected_photos(options, progress, with_damage=True) as photos:
        _rehearse_all(photos, tried, progress)
        photos.look(progress)
        records, damaged = photos.records(), photos.damaged()
        rows = make_rows(records, damaged, tried)
        draw(records, tried, options.out / "robustness.png")
        draw_frontier(rows, options.out / "frontier.png")
        text = markdown(rows, records, damaged, tried, photos.facts)
        return photos.write("robustness.md", text, {"robustness.csv": to_csv(rows)})


def _rehearse_all(
    photos: ProtectedPhotos, tried: Mapping[str, Transformation], progress: ProgressCallback
) -> None:
    total = len(photos.pairs)
    for done, (run, original) in enumerate(photos.pairs):
        progress(Progress("Rehearsing", run.name, done, total))
        record = photos.record(run, original)
        scene = Scene(
            photos.classifier,
            original.label_position,
            is_attacked=True,
            make_condition=run.condition,
        )
        # An answer counts only for the condition, and the class, that it was judged by.
        judged_by = {"condition": repr(scene.condition), "label": scene.position}
        answers = (record.report or {}).get(REHEARSAL, {})
        is_judge_the_same = all(answers.get(name) == value for name, value in judged_by.items())
        if is_judge_the_same and set(tried) <= set(answers["tried"]):
            continue
        with photos.attempt(original):
            clean, written = photos.read(run, original)
            kept = {
                outcome.transformation.name if outcome.transformation else AS_WRITTEN: (
                    outcome.protected.is_lost,
                    outcome.control is not None and outcome.control.is_lost,
                )
                for outcome in rehearse(
                    written, clean, [scene], transformations=tuple(tried.values())
                )
            }
            answers = {**judged_by, "words": scene.words, "tried": list(tried), "kept": kept}
            photos.note(record, REHEARSAL, answers)
    progress(Progress("Rehearsing", "", total, total))
