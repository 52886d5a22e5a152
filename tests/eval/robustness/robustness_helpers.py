"""What the tests of what survives share: a run, and what is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from eval_helpers import protected_options

from cvpire.attacks.faint_change.search import FaintChange
from cvpire.edits.posting import TRANSFORMATIONS, Transformation
from cvpire.images.photo import Photo
from cvpire.runs import RUNS
from eval.output import Measured
from eval.progress import Progress
from eval.robustness import RobustnessOptions, measure_robustness

FEW = {name: TRANSFORMATIONS[name] for name in ("jpeg-75", "resize-720", "half")} | {
    "black": Transformation("black", "all black", lambda p: Photo(np.zeros_like(p.pixels)))
}

RUN = replace(
    RUNS["Posting"],
    search=FaintChange(edits="posting", steps=4, views=1, margin=0.5),
)


@pytest.fixture
def options(tmp_path: Path) -> RobustnessOptions:
    return RobustnessOptions(**vars(protected_options(tmp_path, RUN)))


def measure(
    options: RobustnessOptions, progress: Callable[[Progress], None] | None = None
) -> Measured:
    return measure_robustness(options, progress or (lambda step: None))


def rows(text: str) -> dict[str, list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return {row[1]: row[2:-1] for row in ([c.strip() for c in line.split("|")] for line in lines)}
