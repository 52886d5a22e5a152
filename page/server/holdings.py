"""Which visitor holds which files: a file that nobody holds any more is deleted."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Collection
from pathlib import Path

from gradio.utils import get_upload_folder

from page.server.files import HASH_FOLDER, remove_if_empty

_logger = logging.getLogger(__name__)


class Holdings:
    """Which session holds which file, so that files can go when their holders have gone."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, tuple[int, int]]] = {}
        self._lock = threading.Lock()

    def hold(self, session: str, path: str | None) -> None:
        """Note that a session uploaded a file, or was given one; None for no file."""
        if path is None or not _is_ours(path):
            return
        try:
            mark = _mark(path)
        except OSError:
            return  # it has gone already
        with self._lock:
            self._held.setdefault(session, {})[path] = mark

    def release(self, session: str, paths: Collection[str | None] | None = None) -> None:
        """Delete the files that only this session holds: all of them, or those of some paths.

        A file that somebody else has uploaded anew in the meantime, under the same name and with
        the same bytes, is another one and stays.
        """
        with self._lock:
            held_by_session = self._held.pop(session, {})
            mine = {
                path: mark
                for path, mark in held_by_session.items()
                if paths is None or path in paths
            }
            if left := {path: held_by_session[path] for path in held_by_session.keys() - mine}:
                self._held[session] = left
            others = {path for held in self._held.values() for path in held}
        for path, mark in mine.items():
            if path not in others:
                _delete_if(path, mark)

    def forget_gone(self) -> None:
        """Forget files that are gone, so that the notes do not grow for ever."""
        with self._lock:
            for session, held in list(self._held.items()):
                left = {path: mark for path, mark in held.items() if os.path.lexists(path)}
                if left:
                    self._held[session] = left
                else:
                    del self._held[session]


def _is_ours(path: str) -> bool:
    """Whether gradio, or `keep_result`, made a file where visitors' files lie."""
    folder = os.path.realpath(get_upload_folder())
    parent = Path(path).parent
    return bool(HASH_FOLDER.fullmatch(parent.name)) and str(parent.parent) in (
        folder,
        get_upload_folder(),
    )


def _mark(path: str) -> tuple[int, int]:
    """What tells a file from another one that takes its place."""
    status = os.lstat(path)
    return status.st_ino, status.st_mtime_ns


def _delete_if(path: str, mark: tuple[int, int]) -> None:
    try:
        if _mark(path) == mark:
            Path(path).unlink()
            remove_if_empty(Path(path).parent)
    except FileNotFoundError:
        return
    except OSError as error:
        _logger.warning("A visitor's file could not be deleted: %s", error)
