"""`cvpire weights list`, `download` and `import`: files of weights that do not come along."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from cvpire.classifiers.registry import CLASSIFIERS
from cvpire.classifiers.sources import WeightsSource
from cvpire.cli.console import PROGRAM, Parser, advance, progress_bar, tell
from cvpire.errors import SettingsError, WeightsError
from cvpire.metrics.aesthetics import NIMA_WEIGHTS
from cvpire.weights.download import DownloadProgress, download_weights
from cvpire.weights.store import WeightsFile, find_weights, import_weights


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"{PROGRAM} weights",
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


def main(arguments: Sequence[str]) -> int:
    """Carry out the subcommand and return its exit code."""
    options = _parser().parse_args(arguments)
    files = _weights_files()
    if options.action == "list":
        for name, weights in files.items():
            place = find_weights(weights) or "not on this machine"
            tell(f"{name}: {weights.filename}, {weights.size / 1e6:.0f} MB: {place}")
        return 0
    if options.action == "import":
        name = options.name or _name_of(options.file, files)
        tell(f"{name}: {import_weights(options.file, files[name])}")
        return 0
    own = {spec.name: spec.weights for spec in CLASSIFIERS.values()}
    known: dict[str, WeightsFile | WeightsSource] = {**own, **files}
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
        tell(line)
    return 1 if failures else 0


def _fetched(weights: WeightsFile | WeightsSource) -> str:
    """Where weights lie, downloaded if they were not here and somebody publishes them."""
    if isinstance(weights, WeightsFile):
        with progress_bar("B", unit_scale=True) as bar:
            return str(download_weights(weights, progress=partial(_show, bar)))
    path = weights.locate()
    if path is None:
        raise WeightsError(f"There is nothing to download. {weights.advice()}")
    return f"nothing to download, it comes along in {path}"


def _weights_files() -> dict[str, WeightsFile]:
    files = {
        spec.name: spec.weights
        for spec in CLASSIFIERS.values()
        if isinstance(spec.weights, WeightsFile)
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


def _show(bar: tqdm[NoReturn], progress: DownloadProgress) -> None:
    words = f"attempt {progress.attempt}" if progress.attempt else "another process downloads it"
    advance(bar, progress.received, progress.total, words)
