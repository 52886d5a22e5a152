"""Protects photos end to end: threshold map, attack, encoding, verdict.

Whether there is anything to do is decided once, before any search, on the file as it would be
without a change; where there is not, no pixel changes, whatever the run and the format. What counts
after a search is the written file. Every figure of a report but `over_bound` is computed on the
pixels that a reader of the encoded bytes gets, by the float32 classifier on that one photo. Where
the file is lossy, the search itself looks at decoded files only.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cvpire.attacks.base import SAFETY_MARGIN, SearchInput
from cvpire.attacks.through_file import through_file
from cvpire.classifiers.classifier import Classifier
from cvpire.classifiers.registry import shared_classifier
from cvpire.color.variance import epsilon_map
from cvpire.images.formats import PNG, FileFormat, format_of_file
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.images.transparency import with_colors
from cvpire.images.views import DEFAULT_VIEW
from cvpire.memory import memory_errors
from cvpire.reports.judging import Attempt, make_report
from cvpire.reports.protected import Protected
from cvpire.runs import DEFAULT_RUN, Run, find_run
from cvpire.task import Task, make_task
from cvpire.watch import UNWATCHED, Watch

# Searches before a file that must fit a size is given up: each leaves a photo that needs a little
# more room than the last, and so a lower quality.
_MOST_FITTINGS = 3


def protect(
    photo: Photo | str | Path,
    classifier: Classifier | str = "auto",
    run: Run | str = DEFAULT_RUN,
    *,
    file_format: FileFormat | str | None = None,
    label: int | None = None,
    seed: int = 0,
    watch: Watch = UNWATCHED,
) -> Protected:
    """Protect one photo from a classifier.

    Args:
        photo: as `read_photo` gives it, or its file's path. One with transparency is protected as
            it is seen, on white and on black; what lies under its clear pixels stays as it is.
        classifier: to protect from, with its view of the photo; or a name that `load_classifier`
            knows, which then sees the whole photo at 256x256.
        run: what is to be reached and how, or the name of one of `RUNS`.
        file_format: of the file, or words such as "JPEG-85"; of a lossy one, the decoded file is
            what must be protected. By default a photo's file stays of its kind (see
            `cvpire.images.formats.format_of_file`), and PNG where no file is given.
        label: position of the true class among the classifier's logits; by default the
            classifier's own first guess, on white where the photo has transparency.
        seed: of the search's random draws.
        watch: told of each step, and asked between encodings and measurements whether to go on:
            what it raises, such as `Stopped`, ends the work.

    Returns:
        The written file's bytes and what became of it.

    Example:
        >>> import numpy as np
        >>> from cvpire import Photo, protect
        >>> pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        >>> protected = protect(Photo(pixels), run="Top1-min")
        >>> protected.report.verdict.is_success, protected.file_format.suffix
        (True, '.png')

    Raises:
        CvpireError: for a file that cannot be read, an unknown name, or weights that are missing.
        ValueError: for a photo that is too large for the classifier's view, the memory or the
            file, or whose transparency the file cannot hold (`PhotoError`), or an unknown label.
    """
    if file_format is None:
        file_format = PNG if isinstance(photo, Photo) else format_of_file(Path(photo))
    elif isinstance(file_format, str):
        file_format = FileFormat.parse(file_format)
    if isinstance(run, str):
        run = find_run(run)
    if isinstance(classifier, str):
        classifier = shared_classifier(classifier, view=DEFAULT_VIEW)
    if not isinstance(photo, Photo):
        photo = read_photo(photo)
    labels = None if label is None else [label]
    (protected,) = protect_batch(
        [photo], classifier, run, file_format=file_format, labels=labels, seed=seed, watch=watch
    )
    return protected


def protect_batch(
    photos: Sequence[Photo],
    classifier: Classifier,
    run: Run,
    *,
    file_format: FileFormat = PNG,
    labels: Sequence[int] | None = None,
    seed: int = 0,
    watch: Watch = UNWATCHED,
) -> list[Protected]:
    """Protect several photos of one size together; each stops at its own success.

    Args:
        photos: of equal height and width.
        classifier, run, seed: see `protect`.
        file_format: see `protect`. Lossy files are made one after the other.
        labels: positions of the true classes, one for each photo, or None.
        watch: see `protect`; a step's tensors have one entry for each photo searched.

    Returns:
        One result for each photo, in order.

    Raises:
        ValueError: see `protect`; also for photos of different sizes.

    Example:
        >>> import numpy as np
        >>> from cvpire import RUNS, Photo, load_classifier, protect_batch
        >>> pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
        >>> photos = [Photo(pixels[0]), Photo(pixels[1])]
        >>> len(protect_batch(photos, load_classifier("scenes"), RUNS["Top1-min"]))
        2
    """
    sizes = {photo.pixels.shape for photo in photos}
    if len(sizes) != 1:
        raise ValueError(f"expected photos of one size, got {len(sizes)} sizes: {sorted(sizes)}")
    if labels is not None and len(labels) != len(photos):
        raise ValueError(f"expected {len(photos)} labels, got {list(labels)}")
    for photo in photos:
        file_format.check(photo)
    run.check(classifier.labels)
    run = run.against(classifier.spec.name)
    found: dict[int, Protected] = {}
    with memory_errors():
        for rows in _batches(photos, file_format):
            started = time.monotonic()
            together = [photos[row] for row in rows]
            theirs = None if labels is None else [labels[row] for row in rows]
            task = make_task(together, classifier, run, labels=theirs, seed=seed)
            results = _protect_together(task, file_format, started, watch)
            found.update(zip(rows, results, strict=True))
    return [found[row] for row in range(len(photos))]


def _batches(photos: Sequence[Photo], file_format: FileFormat) -> list[list[int]]:
    """Which photos are searched together: opaque ones for lossless files; all others alone."""
    rows = range(len(photos))
    if not file_format.is_lossless:
        return [[row] for row in rows]
    opaque = [row for row in rows if photos[row].alpha is None]
    alone = [[row] for row in rows if photos[row].alpha is not None]
    return [opaque, *alone] if opaque else alone


def _protect_together(
    task: Task, file_format: FileFormat, started: float, watch: Watch
) -> list[Protected]:
    photos = task.photos
    # What the file is without a change: of a lossless one, the photo itself.
    fitted = file_format.fitted(photos[0], watch)
    unchanged = None if fitted.is_lossless else fitted.read_back(photos[0])
    clean = task.before if unchanged is None else task.logits(unchanged[1])[None]
    is_needed = [
        not all(task.is_met(row, logits, margin=SAFETY_MARGIN)) for row, logits in enumerate(clean)
    ]
    # Without a search, a photo succeeds where nothing is to be done.
    found = [_Found(photo, success=not is_needed[row]) for row, photo in enumerate(photos)]
    rows = [row for row in range(len(photos)) if is_needed[row] and not task.is_flat(row)]
    if rows and fitted.is_lossless:
        for row, one in zip(rows, _search(task, rows, None, watch), strict=True):
            found[row] = one
    elif rows:
        found[0], used = _search_files(task, file_format, fitted, watch)
        if used != fitted:
            fitted, unchanged = used, used.read_back(photos[0])
    attempts = []
    for row, one in enumerate(found):
        if unchanged is not None and one.photo is photos[row]:
            data, written = unchanged
        else:
            data, written = fitted.read_back(one.photo)
        logits = task.logits(written)
        # The search has asked a success for the margin already, so the file need only meet the
        # condition. What the search calls a failure must show the margin here: without it, the
        # same file may fail on another machine.
        is_met = task.is_met(row, logits, margin=0.0 if one.success else SAFETY_MARGIN)
        encoded = None if unchanged is None else unchanged[1]
        attempts.append(
            Attempt(
                one.photo, data, written, fitted, encoded, logits, is_met, is_needed[row], one.steps
            )
        )
    seconds = (time.monotonic() - started) / len(photos)
    return [
        Protected(
            attempt.written,
            attempt.data,
            fitted,
            task.threshold_map_of(row),
            make_report(task, row, attempt, seconds=seconds, watch=watch),
        )
        for row, attempt in enumerate(attempts)
    ]


class _Found(NamedTuple):
    """A photo after the search, or without one."""

    photo: Photo
    success: bool
    steps: int = 0


def _search(
    task: Task, rows: Sequence[int], file_format: FileFormat | None, watch: Watch
) -> list[_Found]:
    """Search for the photos of these rows; for a lossy file, by what its reader gets."""
    # All of them as they are, since a copy of a large photo takes its memory once more.
    picked = slice(None) if len(rows) == len(task.photos) else list(rows)
    targets = task.targets[picked].to(task.images.device)
    given = SearchInput(
        task.classifier,
        task.images[picked],
        epsilon_map(task.threshold_maps[picked], task.run.magnitude),
        task.run.condition(targets, task.classifier.labels),
        task.seed,
        watch,
        read=None if file_format is None else through_file(file_format, task.photos[rows[0]]),
        alpha=task.alpha,
    )
    result = task.run.search.find(given)
    return [
        _Found(with_colors(task.photos[row], image), bool(success), int(steps))
        for row, image, success, steps in zip(
            rows, result.images.chunk(len(rows)), result.success, result.steps, strict=True
        )
    ]


def _search_files(
    task: Task, file_format: FileFormat, fitted: FileFormat, watch: Watch
) -> tuple[_Found, FileFormat]:
    """Search for one photo on decoded files; where a size is given, at the best quality that fits.

    `fitted` has the quality that fits the unchanged photo; what is returned, that which fits what
    was found.
    """
    steps = 0
    for _ in range(_MOST_FITTINGS):
        (found,) = _search(task, [0], fitted, watch)
        steps += found.steps
        if fitted.fits(found.photo):
            return found._replace(steps=steps), fitted
        # What was changed takes room too.
        fitted = file_format.fitted(found.photo, watch)
    # At this quality, only the written file itself can tell.
    return found._replace(success=False, steps=steps), fitted
