"""The command line: `python -m cvpire PHOTO... -o DIR --run NAME`, `rehearse` and `weights`.

Prints one verdict line for each photo, or for each thing that may happen to one; whatever happens
to one photo, the next ones are done. A folder stands for the photos in it. Exit codes: 0 every
photo is protected, 1 at least one is not, 2 the command was wrong, 70 a fault of the program, 130
it was interrupted, 141 nobody read on. With the environment variable CVPIRE_DEBUG set, the
traceback of a fault is written to standard error.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from cvpire import __version__
from cvpire.attacks.base import AttackStep
from cvpire.classifiers.registry import (
    CLASSIFIERS,
    Classifier,
    DownloadedWeights,
    WeightsSource,
    load_classifier,
)
from cvpire.console import printable, say
from cvpire.errors import CvpireError, PhotoError, SettingsError, WeightsError
from cvpire.failures import exit_code, failure_sentence, show_tracebacks
from cvpire.images.folder import list_folder, others_sentence
from cvpire.images.formats import KINDS, FileFormat
from cvpire.images.photo import Photo, encode_png, write_bytes
from cvpire.images.reading import read_photo
from cvpire.images.views import VIEWS
from cvpire.memory import keep_freed_memory
from cvpire.metrics.aesthetics import NIMA_WEIGHTS
from cvpire.outputs import Claims, Outputs, make_outputs
from cvpire.protection import protect
from cvpire.rehearsal import Outcome, Scene, find_scene, find_scenes, rehearse
from cvpire.reports.report import Report
from cvpire.reports.target import Target
from cvpire.runs import DEFAULT_RUN, RUNS, Run, find_run
from cvpire.weights.store import (
    DownloadProgress,
    WeightsFile,
    download_weights,
    file_sha256,
    find_weights,
    import_weights,
)

# Of lossy files, where neither quality nor size is asked for.
_QUALITY = 90

_EPILOG = (
    "python -m cvpire rehearse --help: what a protected photo survives. "
    "python -m cvpire weights --help: download the paper's classifier, or import its file."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    keep_freed_memory()
    show_tracebacks()
    try:
        code = _carry_out(arguments)
        # Flush here, so that a closed pipe raises BrokenPipeError inside this try.
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except CvpireError as error:
        _complain(str(error))
        return 2
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        _complain("interrupted; finished photos are kept.")
        return 130
    except Exception as error:
        _clear_progress()
        _complain(failure_sentence(error))
        return exit_code(error)


class _Parser(argparse.ArgumentParser):
    """Whatever a word on the command line holds, the message about it is plain text."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def _carry_out(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["weights"]:
        return _weights(_weights_parser().parse_args(arguments[1:]))
    if arguments[:1] == ["rehearse"]:
        return _rehearse(_rehearse_parser().parse_args(arguments[1:]))
    return _protect(_protect_parser().parse_args(arguments))


def _protect_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m cvpire",
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
    _add_group(parser, "hide the whole kind of place, such as every room of a home")
    parser.add_argument(
        "--classifier", default="auto", metavar="NAME", help=", ".join(("auto", *CLASSIFIERS))
    )
    parser.add_argument(
        "--view",
        default="resize",
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
        help=f"of a lossy format, 1 to 100 (default: {_QUALITY}, or what --max-bytes leaves)",
    )
    parser.add_argument(
        "--max-bytes", type=int, metavar="N", help="the largest file, in a lossy format"
    )
    parser.add_argument(
        "--neutral-names", action="store_true", help="call the files photo-1, photo-2, ..."
    )
    parser.add_argument("--seed", type=_seed, default=0, help="of whatever is random")
    parser.add_argument("--map", action="store_true", help="also write the threshold map")
    parser.add_argument("--report", action="store_true", help="also write a report in JSON")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    parser.add_argument("--version", action="version", version=f"cvpire {__version__}")
    return parser


def _add_group(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--group", action="store_true", help=f"{what} (the run's -group variant)")


def _protect(options: argparse.Namespace) -> int:
    run = find_run(options.run, group=options.group)
    file_format = _file_format(options)
    classifier = load_classifier(options.classifier, view=options.view)
    run.check(classifier.labels)
    _make_folder(options.out)
    photos = list(_expand(options.photos, options.out))
    claims = Claims(photos)
    failures = 0
    for number, photo in enumerate(photos, start=1):
        name = photo.name or str(photo)
        stem = f"photo-{number}" if options.neutral_names else photo.stem
        try:
            targets = make_outputs(
                stem,
                options.out,
                file_format.suffix,
                with_map=options.map,
                with_report=options.report,
            )
            is_success, verdict = _protect_file(
                photo, targets, claims, classifier, run, file_format, options
            )
            line = f"{name}: {verdict}"
        except _UnreadableError as error:
            is_success, line = False, str(error)
        except Exception as error:  # the photo's own trouble, whatever it is
            is_success, line = False, f"{name}: {failure_sentence(error)}"
        _clear_progress()
        _tell(line)
        failures += not is_success
    return 1 if failures else 0


def _expand(paths: Sequence[Path], out: Path) -> Iterator[Path]:
    """Folders become the photos in them; one without any stays, and is told of in its line."""
    for path in paths:
        try:
            contents = list_folder(path) if path.is_dir() else None
        except (OSError, ValueError):  # reading it says what is wrong
            contents = None
        if contents is None:
            yield path
        elif path.samefile(out):  # "FOLDER/*" names it too, once it is there
            _complain(f"{path} was left out: it is the folder to write to.")
        elif not contents.photos:
            yield path
        else:
            yield from contents.photos
            if contents.others:
                _complain(f"{path}: {others_sentence(contents.others)}")


class _UnreadableError(PhotoError):
    """A photo that cannot be read; the message begins with its name."""


def _read(source: Path) -> Photo:
    try:
        return read_photo(source)
    except PhotoError as error:
        sentence = str(error)
        is_named = sentence.startswith(f"{source.name} ")
        raise _UnreadableError(sentence if is_named else f"{source.name}: {sentence}") from error


def _file_format(options: argparse.Namespace) -> FileFormat:
    kind = next(kind for kind in KINDS if kind.lower() == options.format)
    quality: int | None = options.quality
    if not KINDS[kind].is_lossless and quality is None and options.max_bytes is None:
        quality = _QUALITY
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
    older = [path for path in targets.paths if path.exists()]
    if older and not options.overwrite:
        raise PhotoError(f"{older[0]} is already there: remove it, or ask for --overwrite.")
    if source.is_dir():
        raise PhotoError(_no_photos(source))
    photo = _read(source)
    protected = protect(
        photo,
        classifier,
        run,
        file_format=file_format,
        seed=options.seed,
        on_step=_show_step if _is_terminal() else None,
    )
    report = protected.report
    notes = " ".join(("", *photo.notes))
    if not report.verdict.is_success:
        kept = f" {older[0]} is an older file and was left as it was." if older else ""
        return False, f"{report.sentence()}{kept}{notes}"
    files = {targets.photo: protected.data}
    if targets.map is not None:
        from cvpire.color.heatmap import heatmap  # matplotlib is imported for a map only

        files[targets.map] = encode_png(Photo(heatmap(protected.threshold_map)))
    if targets.report is not None:
        files[targets.report] = json.dumps(report.as_record(), indent=2, allow_nan=False).encode()
    try:
        for path, data in files.items():
            write_bytes(path, data)
    finally:
        claims.take(source, targets)
    difference = report.difference
    ssim = "undefined" if math.isnan(difference.ssim) else f"{difference.ssim:.4f}"
    shortened = " The name was shortened to fit." if targets.is_shortened else ""
    saved = "" if protected.file_format.is_lossless else f" as {protected.file_format}"
    return True, (
        f"{report.sentence()} {_visibility(report)} SSIM {ssim}, "
        f"mean dE00 {difference.delta_e_mean:.3f}, "
        f"{report.steps} steps, {report.file_bytes:,} bytes{saved}: {targets.photo}"
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


def _rehearse_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m cvpire rehearse",
        description="Try on a protected photo what may happen to it: codecs, sizes, edits.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--original",
        type=Path,
        metavar="FILE",
        help="the photo before: tells the class, and is tried beside it as a control",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="JSON",
        help="that was written with the file: tells run, class, classifier and view",
    )
    parser.add_argument(
        "--label", metavar="CLASS", help="the class, by name or index, without report and original"
    )
    parser.add_argument(
        "--run", metavar="NAME", help=f"that made it and judges it (default: {DEFAULT_RUN})"
    )
    _add_group(parser, "it was made to hide the whole kind of place, and is judged by that")
    parser.add_argument("--classifier", metavar="NAME", help="it was made against (default: auto)")
    parser.add_argument("--view", choices=VIEWS, help="it was made for (default: resize)")
    return parser


def _rehearse(options: argparse.Namespace) -> int:
    target = None if options.report is None else _read_target(options)
    name, view = (
        (options.classifier or "auto", options.view or "resize")
        if target is None
        else (target.classifier, target.view)
    )
    classifier = load_classifier(name, view=view)
    if target is None:
        run = find_run(options.run or DEFAULT_RUN, group=options.group)
    else:
        run = target.find_run(classifier)
    run.check(classifier.labels)
    photo = read_photo(options.file)
    if target is not None:
        target.check_file(file_sha256(options.file), options.file.name)
    original = None if options.original is None else read_photo(options.original)
    if target is None:
        attacked = find_scene(classifier, original, options.label, run=run)
    else:
        attacked = Scene(
            classifier, target.label_position, is_attacked=True, make_condition=run.condition
        )
    others = [
        load_classifier(spec.name, view=view)
        for spec in CLASSIFIERS.values()
        if spec.is_ready and spec.name != classifier.spec.name
    ]
    scenes = find_scenes(attacked, others, original)
    show = _show_rehearsal if _is_terminal() else None
    outcomes = rehearse(photo, original, scenes, on_outcome=show)
    _clear_progress()
    for scene in scenes:
        name = scene.classifier.spec.name
        mine = [outcome for outcome in outcomes if outcome.classifier == name]
        lost = sum(outcome.protected.is_lost for outcome in mine)
        who = f"{name}{'' if scene.is_attacked else ', not attacked'}: {scene.label}"
        by = f" (run {run.name})" if scene.is_attacked else ""
        _tell(f"{who}: {scene.words}{by} in {lost} of {len(mine)}.")
        for outcome in mine:
            _tell(f"  {_outcome(outcome)}")
    return 0 if all(o.protected.is_lost for o in outcomes if o.is_attacked) else 1


def _read_target(options: argparse.Namespace) -> Target:
    for name in ("label", "run", "group", "classifier", "view"):
        if getattr(options, name) not in (None, False):
            raise SettingsError(f"--report tells the {name} already: leave out --{name}.")
    return Target.read(options.report)


def _outcome(outcome: Outcome) -> str:
    done = outcome.transformation.title if outcome.transformation else "the file as it is"
    sight, control = outcome.protected, outcome.control
    first = sight.top[0]
    state = "not recognised" if sight.is_lost else f"RECOGNISED, {sight.probability:.1%}"
    where = f" on {sight.background}" if sight.background else ""
    line = f"{done}: {state}{where}; first {first.name} {first.probability:.1%}"
    if control is None:
        return line
    alone = "not recognised either" if control.is_lost else f"recognised, {control.probability:.1%}"
    return f"{line}; the original so: {alone}"


def _show_rehearsal(done: int, total: int) -> None:
    _show(f"{done} of {total}")


def _weights_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m cvpire weights",
        description="Files of weights that are too large to come along.",
    )
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="show what is on this machine")
    names = ", ".join(_published_files())
    download = actions.add_parser("download", help="fetch weights, resuming and checking them")
    download.add_argument("names", nargs="*", metavar="NAME", help=f"{names} (default: all)")
    take = actions.add_parser("import", help="take a file that you fetched by other means")
    take.add_argument("file", type=Path, metavar="FILE")
    take.add_argument("--name", choices=_weights_files(), help="default: by the file's name")
    return parser


def _weights(options: argparse.Namespace) -> int:
    files = _weights_files()
    if options.action == "list":
        for name, weights in files.items():
            place = find_weights(weights) or "not on this machine"
            _tell(f"{name}: {weights.filename}, {weights.size / 1e6:.0f} MB: {place}")
        return 0
    if options.action == "import":
        name = options.name or _name_of(options.file, files)
        _tell(f"{name}: {import_weights(options.file, files[name])}")
        return 0
    known: dict[str, WeightsFile | WeightsSource] = {**files, **_own_files()}
    unknown = [name for name in options.names if name not in known]
    if unknown:
        raise SettingsError(
            f"There are no weights {unknown[0]!r}; the known ones: {', '.join(known)}."
        )
    failures = 0
    for name in options.names or _published_files():
        try:
            line = f"{name}: {_fetched(known[name])}"
        except WeightsError as error:  # one host may be down and the next not
            line, failures = f"{name}: {error}", failures + 1
        _clear_progress()
        _tell(line)
    return 1 if failures else 0


def _fetched(weights: WeightsFile | WeightsSource) -> str:
    """Where weights lie, downloaded if they were not here and somebody publishes them."""
    if isinstance(weights, WeightsFile):
        show = _show_download if _is_terminal() else None
        return str(download_weights(weights, progress=show))
    path = weights.locate()
    if path is None:
        raise WeightsError(f"There is nothing to download. {weights.advice()}")
    return f"nothing to download, it comes along in {path}"


def _own_files() -> dict[str, WeightsSource]:
    """Weights that come with this project, or with a package that is installed."""
    return {
        spec.name: spec.weights
        for spec in CLASSIFIERS.values()
        if not isinstance(spec.weights, DownloadedWeights)
    }


def _weights_files() -> dict[str, WeightsFile]:
    files = {
        spec.name: spec.weights.file
        for spec in CLASSIFIERS.values()
        if isinstance(spec.weights, DownloadedWeights)
    }
    return {**files, "nima": NIMA_WEIGHTS}


def _published_files() -> list[str]:
    return [name for name, weights in _weights_files().items() if weights.urls]


def _name_of(file: Path, files: dict[str, WeightsFile]) -> str:
    for name, weights in files.items():
        if weights.filename == file.name:
            return name
    raise SettingsError(
        f"{file.name} is not the name of a known file of weights: say which it is with --name, one "
        f"of {', '.join(files)}."
    )


def _tell(text: str) -> None:
    say(printable(text), sys.stdout)


def _complain(text: str) -> None:
    say(f"cvpire: {printable(text)}", sys.stderr)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _show_step(step: AttackStep) -> None:
    _show(f"step {step.step} of at most {step.max_steps}")


def _show_download(progress: DownloadProgress) -> None:
    total = f" of {progress.total / 1e6:.0f}" if progress.total else ""
    _show(f"{progress.received / 1e6:.0f}{total} MB (attempt {progress.attempt})")


def _show(text: str) -> None:
    say(f"\r\x1b[K{text}", sys.stderr, end="")


def _clear_progress() -> None:
    if _is_terminal():
        _show("")


if __name__ == "__main__":
    sys.exit(main())
