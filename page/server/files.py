"""Where visitors' files lie, who holds which, and that each is gone in time.

gradio keeps uploads and results in one folder, `<folder>/<64 hexadecimal digits>/<name>`, and
deletes only what its own process knows of. Here the folder is the server's own, and it is swept by
age: what an earlier process left behind is gone as well.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from filelock import FileLock
from gradio.utils import get_upload_folder

from cvpire.errors import SettingsError

FOLDER_VARIABLE = "GRADIO_TEMP_DIR"

_logger = logging.getLogger(__name__)

# gradio's own: folders by hash, deep links, and uploads that have not ended.
HASH_FOLDER = re.compile("[0-9a-f]{64}")
_UPLOAD = re.compile("tmp[0-9a-z_]{8}")
_LINKS = "deep_links"

_LOCK = ".in-use"
_SERVER_FOLDER = re.compile("server-[0-9a-f]{16}")

_own_folder: Path | None = None
_own_lock: FileLock | None = None


def use_own_folder() -> None:
    """Let gradio keep files in a folder of this process alone, unless the operator named one.

    The folder is nobody else's to read, carries a lock for as long as the process lives, and goes
    with it.

    Raises:
        SettingsError: if there is no safe place for it.
    """
    global _own_folder, _own_lock
    if os.environ.get(FOLDER_VARIABLE):
        return
    if _own_folder is not None:
        os.environ[FOLDER_VARIABLE] = str(_own_folder)
        return
    base = _make_base()
    folder = base / f"server-{secrets.token_hex(8)}"
    folder.mkdir(mode=0o700)
    _own_lock = _lock(folder)
    _own_folder = folder
    os.environ[FOLDER_VARIABLE] = str(folder)
    atexit.register(_remove_own, folder, os.getpid())


def sweep(max_age: float, keep: Collection[str] = ()) -> int:
    """Delete the files that are older than they may be: gradio's, and those of dead servers.

    Only regular files in folders as gradio makes them are touched; links are neither followed nor
    deleted.

    Args:
        max_age: in seconds since a file was written.
        keep: paths of files that belong to the page itself.

    Returns:
        How many files were deleted.
    """
    now = time.time()
    folder = Path(get_upload_folder())
    kept = {os.path.realpath(path) for path in keep}
    deleted = _sweep_folder(folder, now - max_age, kept)
    if _own_folder is not None and folder == _own_folder:
        for dead in _dead_servers(_own_folder):
            deleted += _sweep_folder(dead, now - max_age, set())
            if [entry.name for entry in _entries(dead)] == [_LOCK]:
                (dead / _LOCK).unlink(missing_ok=True)
                remove_if_empty(dead)
    return deleted


def keep_result(data: bytes, name: str) -> str:
    """Write a result where gradio serves files from.

    Args:
        data: the file.
        name: that a browser saves it under.

    Returns:
        Its path, in a folder of its own whose name nobody can guess.
    """
    folder = Path(get_upload_folder()).absolute() / secrets.token_hex(32)
    folder.mkdir(mode=0o700, parents=True)
    path = folder / name
    path.write_bytes(data)
    return str(path)


def _remove_own(folder: Path, process: int) -> None:
    if os.getpid() == process:  # and not a child that was forked off it
        shutil.rmtree(folder, ignore_errors=True)


def _make_base() -> Path:
    """The folder of all servers of this user, checked: its place is open to everybody."""
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    base = Path(tempfile.gettempdir()).resolve() / f"cvpire-page-{user}"
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        status = base.lstat()
        is_own = stat.S_ISDIR(status.st_mode) and (
            not hasattr(os, "getuid") or status.st_uid == os.getuid()
        )
        if is_own:
            base.chmod(0o700)
    except OSError as error:
        raise SettingsError(
            f"The folder {base} for visitors' files cannot be made ({error.strerror}): set "
            f"{FOLDER_VARIABLE} to a folder of your own."
        ) from error
    if not is_own:
        raise SettingsError(
            f"{base} is not a folder of this user: set {FOLDER_VARIABLE} to one that is."
        )
    return base


def _sweep_folder(folder: Path, before: float, kept: Collection[str]) -> int:
    """Delete what was written before a time, and the folders that are empty then."""
    deleted = 0
    for entry in _entries(folder):
        if entry.is_file(follow_symlinks=False):
            if _UPLOAD.fullmatch(entry.name):
                deleted += _delete_old(entry, before, kept)
        elif entry.is_dir(follow_symlinks=False):
            if HASH_FOLDER.fullmatch(entry.name):
                deleted += _sweep_files(Path(entry.path), before, kept)
            elif entry.name == _LINKS:
                for link in _entries(Path(entry.path)):
                    if link.is_dir(follow_symlinks=False):
                        deleted += _sweep_files(Path(link.path), before, kept)
    return deleted


def _sweep_files(folder: Path, before: float, kept: Collection[str]) -> int:
    try:
        is_old = folder.lstat().st_mtime <= before  # a fresh one may be waiting for its file
    except OSError:
        return 0
    files = [entry for entry in _entries(folder) if entry.is_file(follow_symlinks=False)]
    deleted = sum(_delete_old(entry, before, kept) for entry in files)
    if is_old:
        remove_if_empty(folder)
    return deleted


def _delete_old(entry: os.DirEntry[str], before: float, kept: Collection[str]) -> bool:
    try:
        if entry.stat(follow_symlinks=False).st_mtime > before:
            return False
        if os.path.realpath(entry.path) in kept:
            return False
        os.unlink(entry.path)  # noqa: PTH108 - an entry has its path as text
    except FileNotFoundError:
        return False
    except OSError as error:
        _logger.warning("A visitor's file could not be deleted: %s", error)
        return False
    return True


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from list(entries)
    except FileNotFoundError:
        return
    except OSError as error:
        _logger.warning("A folder of visitors' files could not be read: %s", error)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder in which there is nothing."""
    try:
        folder.rmdir()
    except OSError:
        return  # somebody's file is in it, or somebody else removed it


def _dead_servers(own: Path) -> Iterator[Path]:
    """Folders that processes left behind which do not live any more."""
    for entry in _entries(own.parent):
        folder = Path(entry.path)
        if (
            _SERVER_FOLDER.fullmatch(entry.name)
            and entry.is_dir(follow_symlinks=False)
            and folder != own
        ):
            try:
                _lock(folder).release()
            except OSError:
                continue  # its server lives
            yield folder


def _lock(folder: Path) -> FileLock:
    """Lock a server's folder until the lock is released, or this process ends.

    Raises:
        OSError: if its server lives.
    """
    lock = FileLock(folder / _LOCK, mode=0o600)
    lock.acquire(blocking=False)
    return lock
