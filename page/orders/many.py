"""Many photos in one go: each for itself, into one ZIP with a table; what is done stays done."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from cvpire.errors import SettingsError
from cvpire.failures import failure_sentence
from page.orders.order import Order
from page.orders.single import Outcome, carry_out
from page.orders.watching import JobWatch
from page.orders.words import percent
from page.server.jobs import JobOverdue, JobStopped

MOST_PHOTOS = 50


@dataclass(frozen=True)
class Row:
    """What became of one photo.

    Attributes:
        photo: its name.
        state: "waiting", "in work", "protected", "not protected", "failed" or "stopped".
        words: the verdict, or why there is none.
        file: of the protected photo in the ZIP; "" where there is none.
        report: as `Report.as_record` has it; None where there is none.
    """

    photo: str
    state: str = "waiting"
    words: str = ""
    file: str = ""
    report: dict[str, Any] | None = None


def check_many(paths: Sequence[str] | None) -> Sequence[str]:
    """Refuse no photos, and too many.

    Raises:
        SettingsError: for either.
    """
    if not paths:
        raise SettingsError("Choose photos first.")
    if len(paths) > MOST_PHOTOS:
        raise SettingsError(
            f"Expected at most {MOST_PHOTOS} photos at a time, got {len(paths)}: choose fewer."
        )
    return paths


def protect_all(
    paths: Sequence[str],
    order_of: Callable[[str], Order],
    archive: Path,
    watch: JobWatch,
    take_turn: Callable[[], AbstractContextManager[None]],
    tell: Callable[[list[Row]], object],
) -> list[Row]:
    """Protect photos one after the other; whatever happens to one, the next ones are done.

    Args:
        paths: of the uploaded files.
        order_of: what is asked for of a file.
        archive: the ZIP to write; it holds what is done, also where the work is stopped.
        watch: told of progress.
        take_turn: waits until this photo may be worked on, since others want theirs as well.
        tell: told of all rows, before the first photo and after each.

    Returns:
        A row for each photo.
    """
    rows = [Row(Path(path).name) for path in paths]
    names: set[str] = set()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        tell(list(rows))
        for at, path in enumerate(paths):
            rows[at] = replace(rows[at], state="in work")
            tell(list(rows))
            part = watch.part(at, len(paths), f"Photo {at + 1} of {len(paths)}")
            try:
                with take_turn():
                    outcome = carry_out(order_of(path), part)
                rows[at] = _row(rows[at].photo, outcome, names)
                if rows[at].file:
                    packed.writestr(rows[at].file, outcome.protected.data)
            except JobOverdue as error:
                rows[at] = replace(rows[at], state="failed", words=str(error))
            except JobStopped:
                rows[at:] = [replace(row, state="stopped", words="Not done.") for row in rows[at:]]
                break
            except Exception as error:  # the photo's own trouble, whatever it is
                rows[at] = replace(rows[at], state="failed", words=failure_sentence(error))
            tell(list(rows))
        tell(list(rows))
        packed.writestr("results.csv", _as_csv(rows))
        packed.writestr("results.json", json.dumps([asdict(row) for row in rows], indent=2))
    return rows


def _row(photo: str, outcome: Outcome, names: set[str]) -> Row:
    report = outcome.protected.report
    if not report.verdict.is_success:
        return Row(photo, "not protected", report.sentence(), report=report.as_record())
    words = (
        f"{report.label.name} {percent(report.label.probability)} → "
        f"{percent(report.label_probability_after)}, now {report.after[0].name}; traces: "
        f"{report.visibility.grade.value}"
    )
    suffix = outcome.protected.file_format.suffix
    file = _free_name(f"{PurePath(photo).stem}-protected", suffix, names)
    return Row(photo, "protected", words, file, report.as_record())


def _free_name(stem: str, suffix: str, names: set[str]) -> str:
    """A name that no other file of the ZIP has, whatever the case of its letters."""
    name, number = f"{stem}{suffix}", 1
    while name.casefold() in names:
        number += 1
        name = f"{stem}-{number}{suffix}"
    names.add(name.casefold())
    return name


def _as_csv(rows: Iterable[Row]) -> str:
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(
        ["photo", "state", "file", "label", "before", "after", "now", "traces", "ssim", "words"]
    )
    for row in rows:
        report = row.report or {}
        figures: list[object] = [""] * 6
        if report:
            label = report["label"]
            figures = [
                label["name"],
                f"{label['probability']:.6f}",
                f"{report['label_probability_after']:.6f}",
                report["after"][0]["name"],
                report["visibility"]["grade"],
                report["difference"]["ssim"],
            ]
        table.writerow([_cell(row.photo), row.state, _cell(row.file), *figures, _cell(row.words)])
    return text.getvalue()


def _cell(text: str) -> str:
    """Text that a spreadsheet takes for text: a file's name may begin as a formula does."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
