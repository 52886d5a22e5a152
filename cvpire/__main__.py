"""The command line: `python -m cvpire PHOTO... -o DIR --run NAME`, `rehearse` and `weights`.

Prints one verdict line for each photo, or for each thing that may happen to one. Exit codes: 0
every photo is protected, 1 at least one is not, 2 the command was wrong, 130 it was interrupted,
141 nobody read on.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cvpire import __version__
from cvpire.aesthetics import NIMA_WEIGHTS
from cvpire.attack import AttackStep
from cvpire.classifiers import CLASSIFIERS, Classifier, DownloadedWeights, load_classifier
from cvpire.errors import CvpireError, PhotoError, SettingsError, WeightsError
from cvpire.formats import KINDS, FileFormat
from cvpire.images.photo import Photo, encode_png, write_bytes
from cvpire.images.reading import read_photo
from cvpire.memory import keep_freed_memory
from cvpire.protect import protect
from cvpire.rehearsal import Outcome, Scene, find_scene, find_scenes, rehearse
from cvpire.runs import DEFAULT_RUN, RUNS, Run, find_run
from cvpire.target import Target
from cvpire.views import VIEWS
from cvpire.weights import (
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
    try:
        code = _carry_out(arguments)
        sys.stdout.flush()  # else a reader who left is noticed when nobody can answer any more
        return code
    except CvpireError as error:
        print(f"cvpire: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("cvpire: interrupted; finished photos are kept.", file=sys.stderr)
        return 130


def _carry_out(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["weights"]:
        return _weights(_weights_parser().parse_args(arguments[1:]))
    if arguments[:1] == ["rehearse"]:
        return _rehearse(_rehearse_parser().parse_args(arguments[1:]))
    return _protect(_protect_parser().parse_args(arguments))


def _protect_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cvpire",
        description="Protect photos from a scene classifier; writes files without metadata.",
        epilog=_EPILOG,
    )
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="made if new")
    parser.add_argument(
        "--run",
        default=DEFAULT_RUN,
        metavar="NAME",
        help=f"{', '.join(RUNS)} (default: {DEFAULT_RUN})",
    )
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


def _protect(options: argparse.Namespace) -> int:
    run = find_run(options.run)
    file_format = _file_format(options)
    classifier = load_classifier(options.classifier, view=options.view)
    run.check(classifier.labels)
    every_target = [
        _targets(f"photo-{number}" if options.neutral_names else photo.stem, file_format, options)
        for number, photo in enumerate(options.photos, start=1)
    ]
    _check_targets(options.photos, every_target)
    _make_folder(options.out)
    failures = 0
    for photo, targets in zip(options.photos, every_target, strict=True):
        try:
            is_success, line = _protect_file(photo, targets, classifier, run, file_format, options)
        except CvpireError as error:
            is_success, line = False, str(error)
        _clear_progress()
        # A sentence on a file names it already.
        print(line if line.startswith(photo.name) else f"{photo.name}: {line}", flush=True)
        failures += not is_success
    return 1 if failures else 0


def _file_format(options: argparse.Namespace) -> FileFormat:
    kind = next(kind for kind in KINDS if kind.lower() == options.format)
    quality: int | None = options.quality
    if not KINDS[kind].is_lossless and quality is None and options.max_bytes is None:
        quality = _QUALITY
    return FileFormat(kind, quality, options.max_bytes)


class _Targets(NamedTuple):
    """The files that one photo may become; None where one was not asked for."""

    photo: Path
    map: Path | None
    report: Path | None

    @property
    def paths(self) -> list[Path]:
        return [path for path in self if path is not None]


def _targets(stem: str, file_format: FileFormat, options: argparse.Namespace) -> _Targets:
    folder: Path = options.out
    return _Targets(
        folder / f"{stem}{file_format.suffix}",
        folder / f"{stem}.map.png" if options.map else None,
        folder / f"{stem}.json" if options.report else None,
    )


def _check_targets(photos: Sequence[Path], every_target: Sequence[_Targets]) -> None:
    """Refuse what would overwrite an input, or one output with another."""
    first_of: dict[Path, Path] = {}
    inputs = {photo.resolve() for photo in photos}
    for photo, targets in zip(photos, every_target, strict=True):
        for target in targets.paths:
            place = target.resolve()
            if place in inputs:
                raise SettingsError(
                    f"{target} would overwrite an input photo: choose another folder."
                )
            if place in first_of:
                raise SettingsError(
                    f"{first_of[place]} and {photo} would both become {target}: give one another "
                    "name."
                )
            first_of[place] = photo


def _protect_file(
    source: Path,
    targets: _Targets,
    classifier: Classifier,
    run: Run,
    file_format: FileFormat,
    options: argparse.Namespace,
) -> tuple[bool, str]:
    """Protect one file: whether it is protected, and the verdict line."""
    older = [path for path in targets.paths if path.exists()]
    if older and not options.overwrite:
        raise PhotoError(f"{older[0]} is already there: remove it, or ask for --overwrite.")
    photo = read_photo(source)
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
    write_bytes(targets.photo, protected.data)
    if targets.map is not None:
        from cvpire.heatmap import heatmap  # matplotlib is imported for a map only

        write_bytes(targets.map, encode_png(Photo(heatmap(protected.threshold_map))))
    if targets.report is not None:
        text = json.dumps(report.as_record(), indent=2, allow_nan=False)
        write_bytes(targets.report, text.encode())
    difference = report.difference
    ssim = "undefined" if math.isnan(difference.ssim) else f"{difference.ssim:.4f}"
    saved = "" if protected.file_format.is_lossless else f" as {protected.file_format}"
    return True, (
        f"{report.sentence()} SSIM {ssim}, mean dE00 {difference.delta_e_mean:.3f}, "
        f"{report.steps} steps, {report.file_bytes:,} bytes{saved}: {targets.photo}{notes}"
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The folder {folder} cannot be made ({error.strerror}): choose another place."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(f"The folder {folder} cannot be written to: choose another place.")


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(
            f"expected a whole number from 0 to 2^63 - 1, got {text!r}"
        )
    return int(text)


def _rehearse_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
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
    run = find_run(options.run or DEFAULT_RUN) if target is None else target.find_run(classifier)
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
        print(f"{who}: {scene.words}{by} in {lost} of {len(mine)}.")
        for outcome in mine:
            print(f"  {_outcome(outcome)}")
    return 0 if all(o.protected.is_lost for o in outcomes if o.is_attacked) else 1


def _read_target(options: argparse.Namespace) -> Target:
    for name in ("label", "run", "classifier", "view"):
        if getattr(options, name) is not None:
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
    parser = argparse.ArgumentParser(
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
            print(f"{name}: {weights.filename}, {weights.size / 1e6:.0f} MB: {place}")
        return 0
    if options.action == "import":
        name = options.name or _name_of(options.file, files)
        print(f"{name}: {import_weights(options.file, files[name])}")
        return 0
    unknown = [name for name in options.names if name not in files]
    if unknown:
        raise SettingsError(
            f"There are no weights {unknown[0]!r}; the known ones: {', '.join(files)}."
        )
    failures = 0
    for name in options.names or _published_files():
        show = _show_download if _is_terminal() else None
        try:
            line = f"{name}: {download_weights(files[name], progress=show)}"
        except WeightsError as error:  # one host may be down and the next not
            line, failures = f"{name}: {error}", failures + 1
        _clear_progress()
        print(line, flush=True)
    return 1 if failures else 0


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


def _is_terminal() -> bool:
    return sys.stderr.isatty()


def _show_step(step: AttackStep) -> None:
    _show(f"step {step.step} of at most {step.max_steps}")


def _show_download(progress: DownloadProgress) -> None:
    total = f" of {progress.total / 1e6:.0f}" if progress.total else ""
    _show(f"{progress.received / 1e6:.0f}{total} MB (attempt {progress.attempt})")


def _show(text: str) -> None:
    print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _clear_progress() -> None:
    if _is_terminal():
        _show("")


if __name__ == "__main__":
    sys.exit(main())
