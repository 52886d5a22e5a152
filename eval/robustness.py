"""What survives: each protected photo, and its original as a control, through all transformations.

A photo counts where a transformation does something to it. `kept` is the share of photo x
transformation after which the run's own condition holds.
"""

from __future__ import annotations

from cvpire.rehearsal import Scene, rehearse
from eval.output import Measured
from eval.progress import Progress, ProgressCallback
from eval.protected_photos import ProtectedOptions, ProtectedPhotos, protected_photos
from eval.robustness_table import AS_WRITTEN, REHEARSAL, draw, markdown


def measure_robustness(options: ProtectedOptions, progress: ProgressCallback) -> Measured:
    """Protect the images that the classifier gets right, rehearse each, and return the tables.

    Writes RUN/NAME, records.jsonl, robustness.md and robustness.png into the folder. What stands
    there from an interrupted evaluation with the same options is taken over.

    Args:
        options: what to evaluate.
        progress: told as the work goes on.

    Raises:
        EvaluationError: if it cannot be measured; what was finished is kept.
    """
    with protected_photos(options, progress) as photos:
        _rehearse_all(photos, progress)
        draw(photos.records(), options.out / "robustness.png")
        return photos.write("robustness.md", markdown(photos.records(), photos.facts))


def _rehearse_all(photos: ProtectedPhotos, progress: ProgressCallback) -> None:
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
        if all(answers.get(name) == value for name, value in judged_by.items()):
            continue
        with photos.attempt(original):
            clean, written = photos.read(run, original)
            kept = {
                outcome.transformation.name if outcome.transformation else AS_WRITTEN: (
                    outcome.protected.is_lost,
                    outcome.control is not None and outcome.control.is_lost,
                )
                for outcome in rehearse(written, clean, [scene])
            }
            photos.note(record, REHEARSAL, {**judged_by, "words": scene.words, "kept": kept})
    progress(Progress("Rehearsing", "", total, total))
