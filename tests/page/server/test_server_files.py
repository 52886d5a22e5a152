"""The server's folders and files: where they lie, and when they are swept."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import server_fixtures
from page_helpers import serve, wait_until
from server_helpers import QUICK, Api, order

from cvpire.errors import SettingsError
from page.server import files
from page.server.settings import ServerSettings

photo = server_fixtures.photo


def aged(path: Path, minutes: float, data: bytes = b"data") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    then = time.time() - 60 * minutes
    os.utime(path, (then, then))
    return path


def test_a_sweep_takes_old_files_of_gradio_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, outside = tmp_path / "gradio", tmp_path / "outside"
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(folder))
    a, b, c, d = ("a" * 64, "b" * 64, "0123456789abcdef" * 4, "d" * 64)
    old = [
        aged(folder / a / "old.jpg", 61),
        aged(folder / c / ".jpg", 61),
        aged(folder / c / "NFD u\u0308.png", 1e6),
        aged(folder / "tmpab12_xyz", 61),
        aged(folder / "deep_links" / "x-1" / "state.json", 61),
    ]
    stay = [
        aged(folder / b / "new.jpg", 59),
        aged(folder / b / "example.jpg", 1e6),
        aged(folder / "notes.txt", 1e6),
        aged(folder / "tmp.txt", 1e6),
        aged(folder / "holiday" / "old.jpg", 1e6),
        aged(folder / ("A" * 64) / "old.jpg", 1e6),
        aged(folder / a / "nested" / "old.jpg", 1e6),
        aged(outside / a / "old.jpg", 1e6),
        aged(outside / "old.jpg", 1e6),
    ]
    (folder / d).symlink_to(outside / a)
    link = folder / b / "link.jpg"
    link.symlink_to(outside / "old.jpg")
    assert files.sweep(3600, {str(folder / b / "example.jpg")}) == len(old)
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in [*stay, link, folder / d])
    # Folders go once they are old and empty.
    os.utime(folder / c, (0, 0))
    files.sweep(3600)
    assert not (folder / c).exists()
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "nowhere"))
    assert files.sweep(3600) == 0


def test_a_server_has_a_folder_of_its_own_and_clears_up_after_dead_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("page.server.files.tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(files, "_own_folder", None)
    monkeypatch.setattr(files, "_own_lock", None)
    monkeypatch.setattr("page.server.files.atexit.register", lambda *_, **__: None)
    monkeypatch.delenv(files.FOLDER_VARIABLE, raising=False)
    files.use_own_folder()
    own = Path(os.environ[files.FOLDER_VARIABLE])
    assert own.parent.parent == tmp_path
    assert own.stat().st_mode & 0o777 == own.parent.stat().st_mode & 0o777 == 0o700
    # A second page of the process has the same folder.
    files.use_own_folder()
    assert os.environ[files.FOLDER_VARIABLE] == str(own)

    living, dead = (own.parent / f"server-{digit * 16}" for digit in "ab")
    of_living = aged(living / ("a" * 64) / "old.jpg", 1e6)
    of_dead = [aged(dead / ("a" * 64) / "old.jpg", 61), aged(dead / ("b" * 64) / "new.jpg", 59)]
    stranger = aged(own.parent / "something" / ("a" * 64) / "old.jpg", 1e6)
    lock = files._lock(living)
    mine = aged(own / ("c" * 64) / "old.jpg", 61)
    assert files.sweep(3600) == 2
    assert of_living.exists() and stranger.exists() and of_dead[1].exists()
    assert not mine.exists() and not of_dead[0].exists()
    lock.release()
    assert files.sweep(3600) == 1
    for path in (of_dead[1], dead / ("a" * 64), dead / ("b" * 64)):
        os.utime(path, (0, 0))
    assert files.sweep(3600) == 1
    assert not dead.exists()


def test_the_operators_folder_is_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "mine"))
    files.use_own_folder()
    assert os.environ[files.FOLDER_VARIABLE] == str(tmp_path / "mine")


@pytest.mark.parametrize("kind", ["link", "file", "nowhere"])
def test_a_place_that_is_not_safe_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    base = tmp_path / f"cvpire-page-{os.getuid()}"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        base.symlink_to(tmp_path / "elsewhere")
    elif kind == "file":
        base.write_text("x")
    place = tmp_path / "no" / "where" if kind == "nowhere" else tmp_path
    monkeypatch.setattr("page.server.files.tempfile.gettempdir", lambda: str(place))
    monkeypatch.setattr(files, "_own_folder", None)
    monkeypatch.delenv(files.FOLDER_VARIABLE, raising=False)
    with pytest.raises(SettingsError, match=f"set {files.FOLDER_VARIABLE} to"):
        files.use_own_folder()


def test_what_an_earlier_server_left_behind_goes_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: Path
) -> None:
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "gradio"))
    with serve(QUICK) as page:
        left = Path(Api(page).upload(photo))
        still = Path(Api(page).upload(photo, "other.jpg"))
        copies = [path.with_name(f"copy of {path.name}") for path in (left, still)]
        for path, copy in zip((left, still), copies, strict=True):
            shutil.copy(path, copy)
    then = time.time() - 3600
    os.utime(copies[0], (then, then))
    with serve(QUICK) as page:
        assert wait_until(lambda: not copies[0].exists())
        assert copies[1].exists()
        # The examples are the page's own, however old they are.
        kept = [path for block in page.blocks.values() for path in block.keep_in_cache]
        assert kept and all(Path(path).exists() for path in kept)


def test_files_go_while_the_server_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: Path
) -> None:
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "gradio"))
    with serve(replace(QUICK, keep_minutes=0.05)) as page:
        path = Path(Api(page).upload(photo))
        begun = time.time()
        assert path.exists()
        assert wait_until(lambda: not path.exists())
        assert time.time() - begun > 1.0, "not before its time"
        kind, answer = Api(page).call(order(str(path)))
        assert kind == "error"
        assert answer["error"].startswith("The file is not on this server any more: choose")


@pytest.mark.parametrize(
    ("minutes", "words"), [(60, "60 minutes"), (1, "1 minute"), (2.5, "2.5 minutes")]
)
def test_the_promise_is_the_configured_number(minutes: float, words: str) -> None:
    import app

    settings = ServerSettings.from_environment({"CVPIRE_KEEP_MINUTES": str(minutes)})
    page = app.build_page(settings)
    texts = " ".join(str(getattr(block, "value", "")) for block in page.blocks.values())
    assert f"after {words} at the latest" in texts
    # A file that is just too young at one sweep goes at the next, before its time is over.
    assert settings.sweep_age + settings.sweep_seconds < 60 * minutes
    assert page.delete_cache is not None
    assert sum(page.delete_cache) <= max(60 * minutes, 2)
