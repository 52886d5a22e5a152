"""Protects photos end to end: threshold map, attack, encoding, verdict.

Whether there is anything to do is decided once, before any search, on the file as it would be
without a change; where there is not, no pixel changes, whatever the run and the format. What counts
after a search is the written file. Every figure of a report but `over_bound` is computed on the
pixels that a reader of the encoded bytes gets, by the float32 classifier on that one photo. Where
the file is lossy, the search itself looks at decoded files only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from cvpire.attacks.base import SAFETY_MARGIN, AttackResult, StepCallback
from cvpire.attacks.searches import RoundTrip, SearchInput
from cvpire.attacks.through_file import search_through
from cvpire.classifiers.classifier import Classifier
from cvpire.classifiers.registry import shared_classifier
from cvpire.color.variance import epsilon_map
from cvpire.images.formats import KINDS, PNG, USUAL_QUALITY, FileFormat, kind_of
from cvpire.images.photo import Photo
from cvpire.images.reading import read_photo
from cvpire.images.views import DEFAULT_VIEW
from cvpire.memory import memory_errors
from cvpire.reports.judging import Attempt, make_report
from cvpire.reports.protected import Protected
from cvpire.runs import DEFAULT_RUN, Run, find_run
from cvpire.task import Task, make_task


def protect(
    photo: Photo | str | Path,
    classifier: Classifier | str = "auto",
    run: Run | str = DEFAULT_RUN,
    *,
    file_format: FileFormat | str | None = None,
    label: int | None = None,
    seed: int = 0,
    on_step: StepCallback | None = None,
    check: Callable[[], object] = lambda: None,
) -> Protected:
    """Protect one photo from a classifier.

    Args:
        photo: as `read_photo` gives it, or its file's path. One with transparency is protected as
            it is seen, on white and on black; what lies under its clear pixels stays as it is.
        classifier: to protect from, with its view of the photo; or a name that `load_classifier`
            knows, which then sees the whole photo at 256x256.
        run: what is to be reached and how, or the name of one of `RUNS`.
        file_format: of the file, or words such as "JPEG-85"; of a lossy one, the decoded file is
            what must be protected. By default that of the photo's own file, where a path is
            given and it is a JPEG, WebP or AVIF, at quality 90; else PNG.
        label: position of the true class among the classifier's logits; by default the
            classifier's own first guess, on white where the photo has transparency.
        seed: of the search's random draws.
        on_step: told after each forward pass; what it raises ends the work.
        check: called between encodings and measurements, so that the caller can cancel: what it
            raises ends the work.

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
        file_format = _same_kind(photo)
    elif isinstance(file_format, str):
        file_format = FileFormat.parse(file_format)
    if isinstance(run, str):
        run = find_run(run)
    if isinstance(classifier, str):
        classifier = shared_classifier(classifier, view=DEFAULT_VIEW)
    if not isinstance(photo, Photo):
        photo = read_photo(photo)
    labels = None if label is None else [label]
    return protect_batch(
        [photo],
        classifier,
        run,
        file_format=file_format,
        labels=labels,
        seed=seed,
        on_step=on_step,
        check=check,
    )[0]


def _same_kind(photo: Photo | str | Path) -> FileFormat:
    """The format of a photo's own file where the program writes such files, else PNG."""
    kind = None if isinstance(photo, Photo) else kind_of(Path(photo))
    if kind is None or KINDS[kind].is_lossless:
        return PNG
    return FileFormat(kind, USUAL_QUALITY)


def protect_batch(
    photos: Sequence[Photo],
    classifier: Classifier,
    run: Run,
    *,
    file_format: FileFormat = PNG,
    labels: Sequence[int] | None = None,
    seed: int = 0,
    on_step: StepCallback | None = None,
    check: Callable[[], object] = lambda: None,
) -> list[Protected]:
    """Protect several photos of one size together; each stops at its own success.

    Args:
        photos: of equal height and width.
        classifier: see `protect`.
        run: see `protect`.
        file_format: see `protect`. Lossy files are made one after the other.
        labels: positions of the true classes, one for each photo, or None.
        seed: see `protect`.
        on_step: see `protect`; its tensors have one entry for each photo in work.
        check: see `protect`.

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
            results = _protect_batch(
                [photos[row] for row in rows],
                classifier,
                run,
                file_format,
                None if labels is None else [labels[row] for row in rows],
                seed,
                on_step,
                check,
            )
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


def _protect_batch(
    photos: Sequence[Photo],
    classifier: Classifier,
    run: Run,
    file_format: FileFormat,
    labels: Sequence[int] | None,
    seed: int,
    on_step: StepCallback | None,
    check: Callable[[], object],
) -> list[Protected]:
    started = time.monotonic()
    task = make_task(photos, classifier, run, labels)
    unchanged = task.before
    fitted = file_format
    if not file_format.is_lossless:
        # The first encoding also says at once what such a file cannot hold.
        fitted = file_format.fitted(photos[0], check)
        unchanged = task.logits(fitted.read_back(photos[0])[1])[None]
    is_needed = [
        not all(task.is_met(row, logits, margin=SAFETY_MARGIN))
        for row, logits in enumerate(unchanged)
    ]
    rows = [row for row in range(len(photos)) if is_needed[row] and not task.is_flat(row)]
    # Without a search, a photo succeeds where nothing is to be done.
    searched = {row: _Found(photo, success=not is_needed[row]) for row, photo in enumerate(photos)}
    if rows:
        results, fitted = _search(task, rows, file_format, fitted, seed, on_step, check)
        searched.update(zip(rows, results, strict=True))
    attempts = []
    for row, found in searched.items():
        data, written = fitted.read_back(found.photo)
        logits = task.logits(written)
        # The search has asked a success for the margin already, so the file need only meet the
        # condition. What the search calls a failure must show the margin here: without it, the
        # same file may fail on another machine.
        margin = 0.0 if found.success else SAFETY_MARGIN
        is_met = task.is_met(row, logits, margin=margin)
        attempts.append(
            Attempt(
                changed=found.photo,
                data=data,
                written=written,
                file_format=fitted,
                logits=logits,
                is_met=is_met,
                is_needed=is_needed[row],
                steps=found.steps,
            )
        )
    seconds = (time.monotonic() - started) / len(photos)
    return [
        Protected(
            attempt.written,
            attempt.data,
            fitted,
            task.threshold_map_of(row),
            make_report(task, row, attempt, seed=seed, seconds=seconds, check=check),
        )
        for row, attempt in enumerate(attempts)
    ]


class _Found(NamedTuple):
    """A photo after the search, or without one."""

    photo: Photo
    success: bool
    steps: int = 0


def _search(
    task: Task,
    rows: Sequence[int],
    file_format: FileFormat,
    fitted: FileFormat,
    seed: int,
    on_step: StepCallback | None,
    check: Callable[[], object],
) -> tuple[list[_Found], FileFormat]:
    """Search for the photos of these rows; what was found, and the format as it was written."""
    run, device = task.run, task.images.device
    is_whole = len(rows) == len(task.photos)
    images = task.images if is_whole else task.images[list(rows)]
    maps = task.threshold_maps if is_whole else task.threshold_maps[list(rows)]
    targets = task.targets[list(rows)].to(device)
    given = SearchInput(
        task.classifier,
        images,
        epsilon_map(maps, run.magnitude),
        run.condition(targets, task.classifier.labels),
        seed,
        on_step,
        alpha=task.alpha,
    )

    def find_one(read: RoundTrip) -> tuple[AttackResult, Photo]:
        result = run.search.find(replace(given, read=read))
        return result, task.changed(rows[0], result.images)

    if file_format.is_lossless:
        result = run.search.find(given)
        changed = [task.changed(row, result.images[at : at + 1]) for at, row in enumerate(rows)]
    else:
        original = task.photos[rows[0]]
        result, one, fitted = search_through(find_one, original, file_format, fitted, check)
        changed = [one]
    found = [
        _Found(photo, bool(success), int(steps))
        for photo, success, steps in zip(changed, result.success, result.steps, strict=True)
    ]
    return found, fitted
