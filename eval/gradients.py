"""What a gradient step costs: the classifier's fast form beside its plain one, and the loop around.

All is timed in one run, in turns, so that what slows the machine down for a while slows both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from cvpire.attacks.base import SearchInput
from cvpire.attacks.conditions import OutOfTop
from cvpire.attacks.least_change.search import LeastChange
from cvpire.classifiers.classifier import Classifier, ClassifierSpec
from cvpire.classifiers.fast_gradients import has_fast_bfloat16
from cvpire.classifiers.registry import find_spec
from cvpire.color.variance import epsilon_map, threshold_map
from cvpire.runs import RUNS
from eval.progress import Progress, ProgressCallback
from eval.speed import picture
from eval.ways import as_images

SIDE = 256
BATCH_SIZES = (1, 4)
ROUNDS = 9
_REFINEMENTS = 10


class StepRow(NamedTuple):
    """One batch size; seconds are medians.

    Attributes:
        batch_size: images of 256x256.
        plain: seconds of a forward and backward pass to the pixels, float32, as torch runs it.
        fast: the same in the form that the search takes gradients through.
        ratio: the median of fast / plain, each pair measured right after each other.
    """

    batch_size: int
    plain: float
    fast: float
    ratio: float


class LoopRow(NamedTuple):
    """The search around the passes.

    Attributes:
        passes: that it made.
        loop: its seconds.
        bare: those of the same passes alone.
        overhead: what the loop adds, as a share of the bare passes; the median of the rounds.
    """

    passes: int
    loop: float
    bare: float
    overhead: float


def random_classifier(name: str) -> Classifier:
    """A classifier of the registry with random weights: passes take as long as with its own.

    Raises:
        ValueError: for an unknown name.
    """
    spec: ClassifierSpec = find_spec(name)
    torch.manual_seed(0)
    return Classifier(spec, spec.build(), spec.view).eval().requires_grad_(False)


def time_steps(classifier: Classifier, progress: ProgressCallback) -> list[StepRow]:
    """Time a gradient step at each batch size."""
    rows = []
    for done, batch_size in enumerate(BATCH_SIZES):
        progress(Progress("Timing", f"batch {batch_size}", done, len(BATCH_SIZES), "sizes"))
        images = torch.rand(batch_size, 3, SIDE, SIDE)
        plain, fast = [], []
        for _ in range(ROUNDS + 1):
            plain.append(_seconds(partial(_pass, classifier, images)))
            fast.append(_seconds(partial(_pass, classifier.differentiable, images)))
        # The first pair warms up.
        ratios = [b / a for a, b in zip(plain[1:], fast[1:], strict=True)]
        rows.append(
            StepRow(
                batch_size,
                statistics.median(plain[1:]),
                statistics.median(fast[1:]),
                statistics.median(ratios),
            )
        )
    return rows


def time_loop(classifier: Classifier, progress: ProgressCallback) -> LoopRow:
    """Time a search on a batch of pictures, and then the passes that it made, alone."""
    images = _pictures(max(BATCH_SIZES))
    bound = epsilon_map(threshold_map(images), RUNS["Top1-min"].magnitude)
    labels = classifier(images).argmax(dim=1)
    watched = _Watched(classifier)
    given = SearchInput(watched, images, bound, OutOfTop(labels))

    def search() -> None:
        watched.made.clear()
        LeastChange(max_steps=30, refinements=_REFINEMENTS).find(given)

    def bare() -> None:
        for is_fast, pixels in watched.made:
            if is_fast:
                _pass(classifier.differentiable, pixels)
            else:
                with torch.no_grad():
                    classifier(pixels)

    loops, alone = [], []
    for done in range(4):
        progress(Progress("Timing the loop", "", done, 4, "rounds"))
        loops.append(_seconds(search))
        alone.append(_seconds(bare))
    shares = [a / b - 1.0 for a, b in zip(loops[1:], alone[1:], strict=True)]
    return LoopRow(
        len(watched.made),
        statistics.median(loops[1:]),
        statistics.median(alone[1:]),
        statistics.median(shares),
    )


class _Watched:
    """A classifier that keeps what it was asked: whether by its fast form, and the images."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.to_size = classifier.to_size
        self.made: list[tuple[bool, Tensor]] = []

    def __call__(self, images: Tensor, /) -> Tensor:
        self.made.append((False, images.detach()))
        logits: Tensor = self._classifier(images)
        return logits

    def differentiable(self, images: Tensor) -> Tensor:
        self.made.append((True, images.detach()))
        return self._classifier.differentiable(images)


def gradients_table(name: str, steps: Sequence[StepRow], loop: LoopRow) -> str:
    """What was measured, as Markdown."""
    form = "bfloat16" if has_fast_bfloat16() else "float32"
    lines = [
        f"{name}, {SIDE}x{SIDE}, {torch.get_num_threads()} threads, convolutions in {form}:",
        "",
        "| batch | plain, s | fast, s | fast / plain |",
        "|---:|---:|---:|---:|",
        *(
            f"| {row.batch_size} | {row.plain:.4f} | {row.fast:.4f} | {row.ratio:.2f} |"
            for row in steps
        ),
        "",
        f"A search makes {loop.passes} passes in {loop.loop:.2f} s; alone they take "
        f"{loop.bare:.2f} s: the loop adds {loop.overhead:.1%}.",
    ]
    return "\n".join(lines)


def _pictures(count: int) -> Tensor:
    pixels = as_images(picture((SIDE, SIDE)))[0]
    return torch.stack([pixels.roll(index * 16, dims=1) for index in range(count)])


def _pass(ask: Callable[[Tensor], Tensor], images: Tensor) -> None:
    pixels = images.clone().requires_grad_(True)
    logits = ask(pixels)
    torch.autograd.grad(logits.logsumexp(dim=1).sum(), pixels)


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
