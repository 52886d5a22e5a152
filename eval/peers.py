"""Ours beside the best public peers: the same photos, classifier, condition, machine and judge.

Each method's photo is written as a PNG, read back and judged: by skimage's SSIM and CIEDE2000, by
the float32 classifier, and against the bound where the method keeps one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvpire.attacks.base import SAFETY_MARGIN
from cvpire.classifiers.classifier import Classifier, classify
from cvpire.color.variance import epsilon_map, threshold_map
from cvpire.errors import PhotoError, WeightsError
from cvpire.images.photo import Photo, encode_png, write_bytes
from cvpire.images.reading import read_photo
from cvpire.images.tensors import to_image
from cvpire.images.transparency import WHITE, composite
from cvpire.metrics import pyiqa_metrics
from cvpire.metrics.difference import compare
from cvpire.reports.report import Verdict
from cvpire.runs import RUNS
from cvpire.weights.store import file_sha256, weights_dir
from eval.clean_photos import PhotoOptions, clean_photos
from eval.damage import DAMAGES
from eval.errors import EvaluationError
from eval.failures import expect_of_photo, expect_some, photo_failure
from eval.judge import expect_settings, judge
from eval.looks import Files, look_at_all
from eval.methods import CONDITIONS, PLAIN_DAMAGE, Method, Task, methods_for
from eval.output import Measured, write_tables
from eval.passes import CountedClassifier
from eval.peers_table import PERCEPTUAL, draw, make_row, markdown, to_csv
from eval.progress import Progress, ProgressCallback
from eval.protection import written_path
from eval.records import Record, RecordStore
from eval.seen import explain

_LOG = logging.getLogger(__name__)

_WARM_UP_SIDE = 64


@dataclass(frozen=True, kw_only=True)
class PeersOptions(PhotoOptions):
    """What to compare.

    Attributes:
        condition: one of `eval.methods.CONDITIONS`.
        methods: names separated by commas, or "all".
        perceptual: names of pyiqa's metrics that compare two photos, separated by commas.
        perceptual_files: weights of these metrics, under the names of pyiqa's own copies.
    """

    condition: str
    methods: str
    perceptual: str = ""
    perceptual_files: Sequence[Path] = ()


def measure_peers(options: PeersOptions, progress: ProgressCallback) -> Measured:
    """Let each method change each photo that the classifier gets right, and write the table.

    Plain damage of fixed strength stands beside them, and is measured alike.

    Writes METHOD/NAME.png, records.jsonl, peers.md, peers.csv and peers.png into the folder.
    Whatever stands there from an interrupted comparison with the same options is taken over.

    Args:
        options: what to compare.
        progress: told after each photo.

    Raises:
        EvaluationError: if it cannot be measured; what was finished is kept.
    """
    methods, missing = _select(options)
    perceptual = _load_perceptual(options)
    own = [RUNS[method.name] for method in methods_for(options.condition) if method.name in RUNS]
    folders = [method.name for method in methods]
    with clean_photos(options, folders, progress, runs=own) as clean:
        chosen, store = clean.right, clean.store
        if any(store.find(method.name, one.file) is None for method in methods for one in chosen):
            _warm_up(options, methods, clean.classifier, progress)
        total, done = len(methods) * len(chosen), 0
        failures: dict[str, str] = {}
        # Photo by photo, so that what slows the machine down for a while slows all methods.
        for original in chosen:
            for method in methods:
                progress(Progress("Comparing", method.name, done, total))
                done += 1
                if original.file in failures:
                    continue
                try:
                    _measure(options, method, original, clean.classifier, store)
                except Exception as error:
                    sentence = photo_failure(error, original.file)
                    failures[original.file] = f"{sentence} (by {method.name})"
        chosen = expect_some(chosen, failures)
        progress(Progress("Comparing", "", total, total))
        for name, metric in perceptual.items():
            for done, original in enumerate(chosen):
                progress(Progress("Looking closely", name, done, len(chosen)))
                try:
                    for method in methods:
                        _look_closely(options, method, original, name, metric, store)
                except Exception as error:
                    failures[original.file] = photo_failure(error, original.file)
            chosen = expect_some(chosen, failures)
        files = {
            (method.name, one.file): Files(
                options.images / one.file, written_path(options.out, method.name, one.file)
            )
            for method in methods
            for one in chosen
        }
        lookable = [_found(store, method, one) for method in methods for one in chosen]
        failures |= look_at_all(lookable, files, store, progress)
        chosen = expect_some(chosen, failures)
        store.tidy()
        by_method = {method: [_found(store, method, one) for one in chosen] for method in methods}
        rows = [
            make_row(method, records, list(perceptual)) for method, records in by_method.items()
        ]
        facts = {
            **clean.facts,
            "images": len(chosen),
            "condition": options.condition,
            "threads": torch.get_num_threads(),
        }
        explained = explain([one for records in by_method.values() for one in records])
        text = markdown(rows, facts, explained)
        write_tables(options.out, {"peers.md": text, "peers.csv": to_csv(rows)})
        draw([row for row in rows if row.method not in DAMAGES], options.out / "peers.png")
        return Measured(text, {**clean.unreadable, **failures}, missing)


def _select(options: PeersOptions) -> tuple[list[Method], tuple[str, ...]]:
    known = methods_for(options.condition)
    wanted = {name.strip() for name in options.methods.split(",") if name.strip()}
    if "all" in wanted:
        wanted = {method.name for method in known}
    if unknown := sorted(wanted - {method.name for method in known}):
        names = ", ".join(method.name for method in known)
        raise EvaluationError(f"There is no method {unknown[0]!r}; the known ones are {names}.")
    methods = [method for method in known if method.name in wanted]
    missing = tuple(
        f"{method.name} needs {method.package}: run `make peers`."
        for method in methods
        if not method.is_installed
    )
    methods = [method for method in methods if method.is_installed]
    if not methods:
        raise EvaluationError(" ".join(("None of the methods can be measured.", *missing)))
    return [*methods, *PLAIN_DAMAGE], missing


def _warm_up(
    options: PeersOptions,
    methods: Sequence[Method],
    classifier: Classifier,
    progress: ProgressCallback,
) -> None:
    """Let each method change a small picture: what a process does once, such as compiling, is not
    the first photo's time.
    """
    generator = torch.Generator().manual_seed(options.seed)
    levels = torch.randint(256, (1, 3, _WARM_UP_SIDE, _WARM_UP_SIDE), generator=generator)
    for done, method in enumerate(methods):
        progress(Progress("Warming up", method.name, done, len(methods)))
        image = levels / 255.0
        label = classifier(image).argmax(dim=1)
        try:
            _timed(options, method, image, label, classifier)
        except Exception as error:
            # Whether the photos are too much for a method as well is theirs to tell.
            expect_of_photo(error)
            _LOG.info("%s cannot change the small picture: %s", method.name, error)


def _measure(
    options: PeersOptions,
    method: Method,
    original: Record,
    classifier: Classifier,
    store: RecordStore,
) -> None:
    settings = {
        **original.settings,
        "label": original.label_position,
        "condition": options.condition,
        "method": method.title,
        "seed": options.seed,
    }
    path = written_path(options.out, method.name, original.file)
    record = store.find(method.name, original.file)
    if record is not None:
        expect_settings(record, settings, options.out)
        if path.is_file() and file_sha256(path) == record.file_sha256:
            return
    # The peers know nothing of transparency: all methods get what is seen on white.
    photo = composite(read_photo(options.images / original.file), WHITE)
    report = _change(options, method, original, classifier, photo, path)
    logits = classify(read_photo(path), classifier)
    top1, top5 = judge(logits, original.label_position)
    store.append(original.of_run(method.name, settings, top1, top5, report))


def _change(
    options: PeersOptions,
    method: Method,
    original: Record,
    classifier: Classifier,
    photo: Photo,
    path: Path,
) -> dict[str, Any]:
    """Let a method change a photo, write it, and report on what was written."""
    # Channels apart in memory: FMN's projections change a flattened view, which is else a copy.
    image = torch.from_numpy(photo.pixels).permute(2, 0, 1)[None].contiguous().float() / 255.0
    label = torch.tensor([original.label_position])
    changed, bound, counted, seconds = _timed(options, method, image, label, classifier)
    if not bool(changed.isfinite().all()):
        raise PhotoError("What came of it has values that are not numbers: leave this method out.")
    pixels = (changed[0].clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).permute(1, 2, 0).numpy()
    png = encode_png(photo.with_pixels(np.ascontiguousarray(pixels)))
    try:
        write_bytes(path, png)
    except PhotoError as error:  # the disk's trouble, so that of all photos
        raise EvaluationError(str(error)) from error
    written = read_photo(path)
    difference = compare(photo.pixels, written.pixels, bound)
    margin = SAFETY_MARGIN if method.is_ours else 0.0
    condition = CONDITIONS[options.condition](label, classifier.labels)
    is_met = bool(condition.is_met(classify(written, classifier)[None], margin=margin))
    return {
        "verdict": (Verdict.PROTECTED if is_met else Verdict.NOT_PROTECTED).value,
        "difference": {
            name: None if value != value else value for name, value in difference._asdict().items()
        },
        "steps": counted.backwards,
        "forwards": counted.forwards,
        "backwards": counted.backwards,
        "seconds": seconds,
        "file_sha256": file_sha256(path),
    }


class _Timed(NamedTuple):
    """What a method made of an image.

    Attributes:
        changed: (1, 3, H, W), of whatever precision.
        bound: (H, W), what ours kept; 1 for peers, which keep none.
        counted: how often the classifier was asked.
        seconds: the map included.
    """

    changed: Tensor
    bound: NDArray[np.float64]
    counted: CountedClassifier
    seconds: float


def _timed(
    options: PeersOptions, method: Method, image: Tensor, label: Tensor, classifier: Classifier
) -> _Timed:
    condition = CONDITIONS[options.condition](label, classifier.labels)
    counted = CountedClassifier(classifier).eval()
    magnitude = RUNS[method.name].magnitude if method.is_ours else 1.0
    started = time.monotonic()
    # Peers keep no bound of ours: they need not wait for one, and none of their pixels is beyond.
    relative = threshold_map(image) if method.is_ours else torch.ones_like(image[:, :1])
    task = Task(counted, image, label, condition, epsilon_map(relative, magnitude), options.seed)
    changed = method.change(task).detach()
    seconds = time.monotonic() - started
    return _Timed(changed, relative[0, 0].double().numpy() * magnitude, counted, seconds)


def _load_perceptual(options: PeersOptions) -> dict[str, nn.Module]:
    names = [name.strip() for name in options.perceptual.split(",") if name.strip()]
    if not names:
        return {}
    known = pyiqa_metrics.metric_names(full_reference=True)
    if unknown := [name for name in names if name not in known]:
        raise EvaluationError(
            f"There is no metric {unknown[0]!r} that compares two photos; those of pyiqa that can "
            f"be built from files alone are {', '.join(known)}."
        )
    stored = {path.name: path for path in weights_dir().glob("*") if path.is_file()}
    files = {**stored, **{path.name: path for path in options.perceptual_files}}
    try:
        return {name: pyiqa_metrics.build_metric(name, files) for name in names}
    except WeightsError as error:
        raise EvaluationError(str(error)) from error


def _look_closely(
    options: PeersOptions,
    method: Method,
    original: Record,
    name: str,
    metric: nn.Module,
    store: RecordStore,
) -> None:
    """Compare a written file with its original by one more metric, unless it was done."""
    record = _found(store, method, original)
    report = record.report or {}
    if name in report.get(PERCEPTUAL, {}):
        return
    clean = composite(read_photo(options.images / original.file), WHITE)
    written = read_photo(written_path(options.out, method.name, original.file))
    with torch.no_grad():
        value = float(metric(to_image(written.pixels), to_image(clean.pixels)))
    found = {**report.get(PERCEPTUAL, {}), name: value}
    store.append(replace(record, report={**report, PERCEPTUAL: found}))


def _found(store: RecordStore, method: Method, original: Record) -> Record:
    record = store.find(method.name, original.file)
    assert record is not None
    return record
