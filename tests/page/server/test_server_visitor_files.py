"""The files of the server's visitors: what is deleted, what stays, and any name."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import server_fixtures
from gradio_client import Client, handle_file
from page_helpers import wait_until
from server_helpers import Api, Gate, order

from page.handlers import visit
from page.looks import results
from page.server import files
from page.server.blocks import Page
from page.server.holdings import Holdings

page = server_fixtures.page
api = server_fixtures.api
gate = server_fixtures.gate
photo = server_fixtures.photo


def test_closing_a_tab_deletes_the_visitors_files(page: Page, api: Api, photo: Path) -> None:
    # Of other tests, clients without a session hold the usual photo.
    photo = photo.rename(photo.with_name("of this test.jpg"))
    visitor = Client(str(page.local_url), verbose=False)
    settings = order("")[1:]
    visitor.predict(handle_file(str(photo)), *settings, api_name="/protect")
    held = [Path(path) for path in visit.HOLDINGS._held[visitor.session_hash]]
    assert sorted(path.name for path in held) == [
        *(photo.name, "original.png", "protected.png", "report.json", "threshold-map.png"),
        "what-could-be-seen.png",
    ]
    assert all(path.exists() for path in held)
    visitor.close()
    assert wait_until(lambda: not any(path.exists() for path in held), 20)
    # The folder of an upload goes by its content, which other tests uploaded as well.
    assert not any(path.parent.exists() for path in held if path.name != photo.name)
    assert visitor.session_hash not in visit.HOLDINGS._held


def test_results_that_nobody_waits_for_any_more_are_deleted(
    page: Page, api: Api, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled at the last moment: the results go, the photo stays for the next job."""
    path = api.upload(photo, "cancelled at the end.jpg")
    made: list[Path] = []
    make = files.keep_result

    def cancel_meanwhile(data: bytes, name: str) -> str:
        made.append(Path(make(data, name)))
        visit.JOBS.stop("late")
        return str(made[-1])

    monkeypatch.setattr(results, "keep_result", cancel_meanwhile)
    kind, answer = api.call(order(path), "late")
    assert kind == "complete" and "Cancelled" in answer[0] and answer[1] is None
    assert len(made) == 5 and not any(each.exists() for each in made)
    assert Path(path).exists()


def test_a_file_that_another_visitor_holds_stays(page: Page, api: Api, photo: Path) -> None:
    path = api.upload(photo)
    holdings = Holdings()
    for session in ("one", "two"):
        holdings.hold(session, path)
    holdings.hold("one", "/etc/hostname")
    holdings.hold("one", None)
    holdings.release("one")
    assert Path(path).exists() and Path("/etc").exists()
    holdings.release("two")
    assert not Path(path).exists()
    # One that was uploaded anew before its next holder is known is another one.
    assert api.upload(photo) == path
    holdings.hold("one", path)
    assert api.upload(photo) == path
    holdings.release("one")
    assert Path(path).exists()
    # Some of a session's files.
    other = api.upload(photo, "other.jpg")
    for each in (path, other):
        holdings.hold("four", each)
    holdings.release("four", [other, None])
    assert Path(path).exists() and not Path(other).exists()
    assert list(holdings._held["four"]) == [path]
    holdings.release("four", [])
    holdings.hold("three", path)
    Path(path).unlink()
    holdings.forget_gone()
    assert not holdings._held
    holdings.release("nobody")


NAMES = [
    *("photo", "photo.hif", "photo.heics", "photo.heifs", "photo.dib", "photo.apng"),
    *("photo.jfif", "photo.avifs", "photo.exe", ".jpg", "photo.", "a" * 251 + ".jpg", "ü" * 127),
    *(
        unicodedata.normalize("NFD", "Küche é.jpg"),
        "quo\"ted'.jpg",
        "two\nlines.jpg",
        "📷.jpg",
        "📷",
    ),
    *("a b  c.jpg", "../../x.jpg", "C:\\photos\\x.jpg", "%2e%2e.jpg", '"', "#", "[x](y).jpg", " "),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_photo_of_any_name_is_read(api: Api, photo: Path, gate: Gate, name: str) -> None:
    gate.go_on.set()  # "let go" comes once the photo has been read
    kind, answer = api.call(order(api.upload(photo, name)))
    assert (kind, answer["error"]) == ("error", "let go")
