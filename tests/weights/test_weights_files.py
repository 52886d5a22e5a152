"""Files of weights: where they lie, how they are found and checked, and how one is imported."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import download_helpers
import pytest
from download_helpers import BODY, NAME, names, put, weights_file

from cvpire.errors import WeightsError
from cvpire.weights import store as weights
from cvpire.weights.store import WeightsFile, find_weights, import_weights, weights_dir

home = download_helpers.home


def test_weights_dir_follows_the_environment_and_creates_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert weights_dir() == home
    monkeypatch.delenv("CVPIRE_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert weights_dir() == tmp_path / "cache" / "cvpire" / "weights"
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    for unusable in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert weights_dir() == tmp_path / "me" / ".cache" / "cvpire" / "weights"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("filename", "sha256", "size"),
    [
        ("a/b", "0" * 64, 1),
        ("..", "0" * 64, 1),
        ("", "0" * 64, 1),
        ("a", "A" * 64, 1),
        ("a", "0" * 7, 1),
        ("a", "0" * 64, 0),
    ],
)
def test_a_weights_file_is_checked_at_the_door(filename: str, sha256: str, size: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        WeightsFile(filename, (), sha256, size)


def test_find_hashes_once_and_notices_a_change(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hashed: list[Path] = []
    hashing = weights.file_sha256

    def counting(path: Path) -> str:
        hashed.append(path)
        return hashing(path)

    monkeypatch.setattr(weights, "file_sha256", counting)
    wanted = weights_file()
    assert find_weights(wanted) is None
    assert caplog.text == ""  # nothing is wrong yet
    path = put(home / NAME, BODY)
    assert find_weights(wanted) == find_weights(wanted) == path
    assert len(hashed) == 1
    assert find_weights(weights_file(body=b"other")) is None

    put(path, b"x" + BODY[1:])
    later = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(later, later))
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert find_weights(wanted) is None
    assert str(path) in caplog.text


def test_import_copies_the_right_file(home: Path, tmp_path: Path) -> None:
    brought = put(tmp_path / "Downloads" / "other name", BODY)
    path = import_weights(brought, weights_file())
    assert path == home / NAME == find_weights(weights_file())
    assert brought.read_bytes() == path.read_bytes() == BODY
    assert import_weights(path, weights_file()) == path
    assert names(home) == {NAME}


@pytest.mark.parametrize("body", [BODY[:-1], b"", BODY * 2])
def test_import_refuses_a_wrong_file(home: Path, tmp_path: Path, body: bytes) -> None:
    put(home / NAME, BODY)
    brought = put(tmp_path / "brought", body)
    with pytest.raises(WeightsError, match=r"expected .*brought"):
        import_weights(brought, weights_file("http://example.org/net"))
    assert names(home) == {NAME}
    assert (home / NAME).read_bytes() == BODY


def test_import_needs_a_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(WeightsError, match="none at"):
            import_weights(path, weights_file())


def test_a_file_of_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"first")
    status = path.stat()
    assert weights.has_sha256(path, hashlib.sha256(b"first").hexdigest())
    for content, how in ((b"other", "in place"), (b"third", "by another file")):
        if how == "in place":
            path.write_bytes(content)
        else:
            (tmp_path / "new").write_bytes(content)
            (tmp_path / "new").replace(path)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert path.stat().st_mtime_ns == status.st_mtime_ns
        assert not weights.has_sha256(path, hashlib.sha256(b"first").hexdigest())
        assert weights.has_sha256(path, hashlib.sha256(content).hexdigest())
