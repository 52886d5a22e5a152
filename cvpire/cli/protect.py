"""`cvpire protect PHOTO... -o DIR --run NAME`, or the same without the word.

Prints one verdict line for each photo; whatever happens to one, the next ones are done. A folder
stands for the photos in it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from cvpire import __version__
from cvpire.classifiers.classifier import Classifier
from cvpire.classifiers.registry import CLASSIFIERS, load_classifier
from cvpire.cli.console import PROGRAM, BarWatch, Parser, add_group, complain, progress_bar, tell
from cvpire.cli.outputs import Claims, Outputs, make_outputs
from cvpire.errors import PhotoError, SettingsError
from cvpire.failures import failure_sentence
from cvpire.images.folder import list_folder, others_sentence
from cvpire.images.formats import KINDS, USUAL_QUALITY, FileFormat
from cvpire.images.photo import Photo, encode_png, write_bytes
from cvpire.images.reading import read_photo
from cvpire.images.views import DEFAULT_VIEW, VIEWS
from cvpire.protection import protect
from cvpire.reports.report import Report
from cvpire.runs import DEFAULT_RUN, RUNS, Run, find_run

_EPILOG = (
    f"{PROGRAM} rehearse --help: what a protected photo survives. "
    f"{PROGRAM} weights --help: download the paper's classifier, or import its file."
)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        description="Protect photos from a scene classifier; writes files without metadata.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "photos", nargs="+", type=_path, metavar="PHOTO", help="a file, or a folder of photos"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="made if new")
    parser.add_argument(
        "--run",
        default=DEFAULT_RUN,
        metavar="NAME",
        help=f"{', '.join(RUNS)} (default: {DEFAULT_RUN})",
    )
    add_group(parser, "hide the whole kind of place, such as every room of a home")
    parser.add_argument(
        "--classifier", default="auto", metavar="NAME", help=", ".join(("auto", *CLASSIFIERS))
    )
    parser.add_argument(
        "--view",
        default=DEFAULT_VIEW,
        choices=VIEWS,
        help="how the classifier gets the photo to size (default: resize, the whole at 256x256)",
    )
    parser.add_argument(
        "--format",
        default="png",
        choices=[kind.lower() for kind in KINDS],
        help="of the files (default: png, which loses nothing); what is protected is the decoded "
        "file",
    )
    parser.add_argument(
        "--quality",
        type=int,
        metavar="N",
        help=f"of a lossy format, 1 to 100 (default: {USUAL_QUALITY}, or what --max-bytes leaves)",
    )
    parser.add_argument(
        "--max-bytes", type=int, metavar="N", help="the largest file, in a lossy format"
    )
    parser.add_argument(
        "--neutral-names", action="store_true", help="call the files photo-1, photo-2, ..."
    )
    parser.add_argument(
        "--bound",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="how far pixels may move, as a factor of the run's own bound (default: 1)",
    )
    parser.add_argument("--seed", type=_seed, default=0, help="of whatever is random")
    parser.add_argument("--map", action="store_true", help="also write the threshold map")
    parser.add_argument("--report", action="store_true", help="also write a report in JSON")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    parser.add_argument("--version", action="version", version=f"cvpire {__version__}")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Carry out the subcommand and return its exit code."""
    options = _parser().parse_args(arguments)
    run = find_run(options.run, group=options.group).with_bound(options.bound)
    file_format = _file_format(options)
    classifier = load_classifier(options.classifier, view=options.view)
    run.check(classifier.labels)
    _make_folder(options.out)
    photos = list(_expand(options.photos, options.out))
    claims = Claims(photos)
    suffixes = {"photo": file_format.suffix}
    if options.map:
        suffixes["map"] = ".map.png"
    if options.report:
        suffixes["report"] = ".json"
    failures = 0
    for number, photo in enumerate(photos, start=1):
        name = photo.name or str(photo)
        stem = f"photo-{number}" if options.neutral_names else photo.stem
        try:
            targets = make_outputs(stem, options.out, suffixes)
            is_success, verdict = _protect_file(
                photo, targets, claims, classifier, run, file_format, options
            )
            line = f"{name}: {verdict}"
        except Exception as error:  # the photo's own trouble, whatever it is
            is_success, sentence = False, failure_sentence(error)
            # Of a photo that cannot be read it begins with the name already.
            line = sentence if sentence.startswith(f"{name} ") else f"{name}: {sentence}"
        tell(line)
        failures += not is_success
    return 1 if failures else 0


def _expand(paths: Sequence[Path], out: Path) -> Iterator[Path]:
    """Folders become the photos in them; one without any stays, and is told of in its line."""
    for path in paths:
        try:
            contents = list_folder(path) if path.is_dir() else None
        except (OSError, ValueError):  # reading it says what is wrong
            contents = None
        if contents is not None and path.samefile(out):  # "FOLDER/*" names it, once it is there
            complain(f"{path} was left out: it is the folder to write to.")
        elif contents is None or not contents.photos:
            yield path
        else:
            yield from contents.photos
            if contents.others:
                complain(f"{path}: {others_sentence(contents.others)}")


def _file_format(options: argparse.Namespace) -> FileFormat:
    kind = next(kind for kind in KINDS if kind.lower() == options.format)
    quality: int | None = options.quality
    if not KINDS[kind].is_lossless and quality is None and options.max_bytes is None:
        quality = USUAL_QUALITY
    return FileFormat(kind, quality, options.max_bytes)


def _protect_file(
    source: Path,
    targets: Outputs,
    claims: Claims,
    classifier: Classifier,
    run: Run,
    file_format: FileFormat,
    options: argparse.Namespace,
) -> tuple[bool, str]:
    """Protect one file: whether it is protected, and the verdict line."""
    claims.check(source, targets)
    older = [path for path in targets.paths.values() if path.exists()]
    if older and not options.overwrite:
        raise PhotoError(f"{older[0]} is already there: remove it, or ask for --overwrite.")
    if source.is_dir():
        raise PhotoError(_no_photos(source))
    photo = read_photo(source)
    with progress_bar("step") as bar:
        protected = protect(
            photo,
            classifier,
            run,
            file_format=file_format,
            seed=options.seed,
            watch=BarWatch(bar),
        )
    report = protected.report
    notes = " ".join(("", *photo.notes))
    if not report.verdict.is_success:
        kept = f" {older[0]} is an older file and was left as it was." if older else ""
        return False, f"{report.sentence()}{kept}{notes}"
    contents = {"photo": protected.data}
    if options.map:
        from cvpire.color.heatmap import heatmap  # matplotlib is imported for a map only

        contents["map"] = encode_png(Photo(heatmap(protected.threshold_map)))
    if options.report:
        contents["report"] = json.dumps(report.as_record(), indent=2, allow_nan=False).encode()
    try:
        for kind, data in contents.items():
            write_bytes(targets.paths[kind], data)
    finally:
        claims.take(source, targets)
    difference = report.difference
    ssim = "undefined" if math.isnan(difference.ssim) else f"{difference.ssim:.4f}"
    shortened = " The name was shortened to fit." if targets.is_shortened else ""
    saved = "" if protected.file_format.is_lossless else f" as {protected.file_format}"
    return True, (
        f"{report.sentence()} {_visibility(report)} SSIM {ssim}, "
        f"mean dE00 {difference.delta_e_mean:.3f}, "
        f"{report.steps} steps, {report.file_bytes:,} bytes{saved}: {targets.paths['photo']}"
        f"{shortened}{notes}"
    )


def _visibility(report: Report) -> str:
    """How visible the change is, and beside it what a JPEG alone does to the photo."""
    seen = report.visibility
    beside = "".join(
        f"; saving as {reference.file_format} alone: {reference.visibility.grade.value}, "
        f"{reference.visibility.figures()}"
        for reference in report.references[:1]
    )
    unavailable = f" {seen.unavailable}" if seen.unavailable else ""
    return f"The change: {seen.grade.value} ({seen.figures()}{beside}).{unavailable}"


def _no_photos(folder: Path) -> str:
    others = others_sentence(list_folder(folder).others)
    return " ".join(filter(None, ("There are no photos in this folder.", others)))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The folder {folder} cannot be made ({error.strerror}): choose another place."
        ) from error
    except ValueError as error:  # a zero character in the path
        raise SettingsError("That path cannot be a folder's: choose another place.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(f"The folder {folder} cannot be written to: choose another place.")


def _path(text: str) -> Path:
    if not text:  # as an unset variable gives it: a Path of it would be the folder we are in
        raise argparse.ArgumentTypeError("expected a path, got nothing")
    return Path(text)


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(
            f"expected a whole number from 0 to 2^63 - 1, got {text!r}"
        )
    return int(text)
