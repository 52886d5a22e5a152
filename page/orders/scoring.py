"""Aesthetic scores of both photos: the metric that was asked for, and pyiqa's PIQE always."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cvpire.images.photo import Photo, preview
from cvpire.images.transparency import WHITE, composite
from cvpire.metrics.aesthetics import (
    AUTO,
    PIQE,
    TITLES,
    AestheticsUnavailable,
    Scorer,
    load_scorer,
    preferred_metric,
    weights_files,
)
from cvpire.weights.download import DownloadProgress
from cvpire.weights.store import FileState
from page.orders.watching import SCORING_BEGINS, JobWatch

# PIQE takes seconds for photos of many megapixels: it looks at them as a screen shows them.
_PIQE_SIDE = 1600


@dataclass(frozen=True)
class Score:
    """The scores of both photos by one metric, or why there are none.

    Attributes:
        title: of the metric, with its scale.
        before: the original's score.
        after: the written file's score.
        unavailable: why there is no score; "" where there is one.
    """

    title: str = "Aesthetic score"
    before: float = 0.0
    after: float = 0.0
    unavailable: str = ""


def score_both(metric: str, before: Photo, after: Photo, watch: JobWatch) -> tuple[Score, ...]:
    """The scores by a metric, and by PIQE; none at all where nothing was asked for.

    Args:
        metric: "auto", "beauty", "nima", or "" for none.
        before: the original.
        after: the written file, of the same size.
        watch: told of progress, a download's too.
    """
    if not metric:
        return (Score(unavailable="not asked for"),)
    metric = preferred_metric() if metric == AUTO else metric

    def tell_download(progress: DownloadProgress) -> None:
        share = progress.received / progress.total if progress.total else None
        words = f"Downloading the aesthetic scorer, {progress.received / 1e6:.0f} MB so far"
        watch.tell(words, share)

    def load() -> Scorer:
        if metric != preferred_metric():
            load_scorer(metric, allow_download=True, progress=tell_download)
        watch.tell("Scoring aesthetics", SCORING_BEGINS)
        return _scorer(metric, weights_files())

    photos = [composite(each, WHITE) for each in (before, after)]
    small = [preview(each, _PIQE_SIDE) for each in photos]
    return (
        _score(TITLES[metric], load, photos),
        _score(TITLES[PIQE], lambda: _scorer(PIQE, ()), small),
    )


def _score(title: str, load: Callable[[], Scorer], photos: list[Photo]) -> Score:
    try:
        scorer = load()
        before, after = (scorer.score(photo.pixels) for photo in photos)
    except AestheticsUnavailable as reason:
        return Score(title, unavailable=str(reason))
    return Score(title, before, after)


@lru_cache(maxsize=4)
def _scorer(metric: str, made_of: tuple[FileState, ...]) -> Scorer:
    """A metric, loaded once for as long as the files of weights stay as they are."""
    return load_scorer(metric)
