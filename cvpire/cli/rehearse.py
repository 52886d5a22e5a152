"""`cvpire rehearse FILE`: what a protected photo survives, a line for each thing that happens."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cvpire.classifiers.registry import load_classifier
from cvpire.cli.console import PROGRAM, BarWatch, Parser, add_group, progress_bar, tell
from cvpire.errors import SettingsError
from cvpire.images.reading import read_photo
from cvpire.images.views import DEFAULT_VIEW, VIEWS
from cvpire.rehearsal import Outcome, find_scene, find_scenes, other_classifiers, rehearse
from cvpire.reports.target import Target
from cvpire.runs import DEFAULT_RUN, find_run
from cvpire.weights.store import file_sha256


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"{PROGRAM} rehearse",
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
    add_group(parser, "it was made to hide the whole kind of place, and is judged by that")
    parser.add_argument("--classifier", metavar="NAME", help="it was made against (default: auto)")
    parser.add_argument("--view", choices=VIEWS, help="it was made for (default: resize)")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Carry out the subcommand and return its exit code."""
    options = _parser().parse_args(arguments)
    target = None if options.report is None else _read_target(options)
    if target is None:
        view = options.view or DEFAULT_VIEW
        classifier = load_classifier(options.classifier or "auto", view=view)
        run = find_run(options.run or DEFAULT_RUN, group=options.group)
    else:
        classifier = load_classifier(target.classifier, view=target.view)
        run = target.find_run(classifier)
    run.check(classifier.labels)
    photo = read_photo(options.file)
    if target is not None:
        target.check_file(file_sha256(options.file), options.file.name)
    original = None if options.original is None else read_photo(options.original)
    label = options.label if target is None else str(target.label_index)
    attacked = find_scene(classifier, original, label, run=run)
    scenes = find_scenes(attacked, other_classifiers(classifier), original)
    with progress_bar("trial") as bar:
        outcomes = rehearse(photo, original, scenes, watch=BarWatch(bar))
    for scene in scenes:
        name = scene.classifier.spec.name
        mine = [outcome for outcome in outcomes if outcome.classifier == name]
        lost = sum(outcome.protected.is_lost for outcome in mine)
        who = f"{name}{'' if scene.is_attacked else ', not attacked'}: {scene.label}"
        by = f" (run {run.name})" if scene.is_attacked else ""
        tell(f"{who}: {scene.words}{by} in {lost} of {len(mine)}.")
        for outcome in mine:
            tell(f"  {_outcome(outcome)}")
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
