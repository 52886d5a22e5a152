"""What a visitor asks for, made of values that may be anything: anybody may send them."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path

from cvpire.errors import SettingsError
from cvpire.images.formats import KINDS, FileFormat, format_of_file
from cvpire.metrics.aesthetics import AUTO, BEAUTY, NIMA
from cvpire.runs import RUNS, Run, find_run

# Saved as it came: the kind that the photo's own file has.
SAME_KIND = "as it came"

METRICS = (AUTO, BEAUTY, NIMA, "")
MOST_KILOBYTES = 1_000_000
MOST_SEED = 2**53 - 1


@dataclass(frozen=True)
class Order:
    """What a visitor asks for.

    Attributes:
        path: of the uploaded file.
        run: with the bound and the effort that were asked for.
        classifier: a classifier's name, or "auto".
        view: how the classifier gets the photo to its size.
        metric: the aesthetic metric that scores both photos, "auto", or "" for none.
        file_format: of the protected file.
        seed: of the search's random draws.
        bound: the factor by which the run's bound was changed.
    """

    path: str
    run: Run
    classifier: str
    view: str
    metric: str
    file_format: FileFormat
    seed: int = 0
    bound: float = 1.0


def read_order(
    photo: object,
    run: object,
    group: object,
    kind: object,
    quality: object,
    kilobytes: object,
    classifier: object,
    view: object,
    bound: object,
    seed: object,
    metric: object,
) -> Order:
    """The order that these values make; see `page.handlers.single.protect_photo` for each.

    Raises:
        SettingsError: for what is no order.
    """
    if photo is None:
        raise SettingsError("Choose a photo first.")
    path = text("photo", photo)
    metric = text("metric", metric)
    if metric not in METRICS:
        known = ", ".join(filter(None, METRICS))
        raise SettingsError(f"expected a metric of {known}, or none, got {shown(metric)}")
    chosen = find_run(text("run", run), group=flag("group", group))
    factor = number("bound", bound)
    drawn = number("seed", seed)
    if not (0 <= drawn <= MOST_SEED and drawn == int(drawn)):
        raise SettingsError(f"expected a whole seed from 0 to 2^53 - 1, got {shown(seed)}")
    return Order(
        path,
        chosen.with_bound(factor),
        text("classifier", classifier),
        text("view", view),
        metric,
        _file_format(
            path,
            text("kind", kind),
            number("quality", quality),
            0.0 if kilobytes is None else number("kilobytes", kilobytes),
        ),
        int(drawn),
        factor,
    )


def _file_format(path: str, kind: str, quality: float, kilobytes: float) -> FileFormat:
    if kind == SAME_KIND:
        kind = format_of_file(Path(path)).kind
    if kind in KINDS and KINDS[kind].is_lossless:
        return FileFormat(kind)
    if not 1 <= quality <= 100 or not 0 <= kilobytes <= MOST_KILOBYTES:
        raise SettingsError(
            f"expected a quality of 1 to 100 and a size of 0 to {MOST_KILOBYTES:,} kB, got "
            f"{quality:g} and {kilobytes:g} kB"
        )
    return FileFormat(kind, int(quality), max(1, int(kilobytes * 1000)) if kilobytes else None)


def command_line(order: Order) -> str:
    """The command line that does the same; the file's name stays the visitor's."""
    run, words = order.run, ["python -m cvpire PHOTO -o out"]
    is_group = run.name.endswith("-group") and run.name in RUNS
    words += ["--run", run.name.removesuffix("-group") if is_group else run.name]
    words += ["--group"] if is_group else []
    words += ["--classifier", order.classifier, "--view", order.view]
    file_format = order.file_format
    words += ["--format", file_format.kind.lower()]
    if file_format.quality is not None:
        words += ["--quality", str(file_format.quality)]
    if file_format.max_bytes is not None:
        words += ["--max-bytes", str(file_format.max_bytes)]
    words += [] if order.bound == 1.0 else ["--bound", f"{order.bound:g}"]
    words += ["--seed", str(order.seed), "--map", "--report"]
    return " ".join([words[0], *map(shlex.quote, words[1:])])


def text(name: str, value: object) -> str:
    """A value that must be text.

    Raises:
        SettingsError: if it is none; so do `number` and `flag`.
    """
    if not isinstance(value, str):
        raise SettingsError(f"expected text for {name}, got {shown(value)}")
    return value


def number(name: str, value: object) -> float:
    """A value that must be a number; one that is too large is infinite."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise SettingsError(f"expected a number for {name}, got {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def flag(name: str, value: object) -> bool:
    """A value that must be true or false."""
    if not isinstance(value, bool):
        raise SettingsError(f"expected true or false for {name}, got {shown(value)}")
    return value


def shown(value: object) -> str:
    """A value in a sentence, cut where it is long."""
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:60]}..."
