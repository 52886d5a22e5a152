"""What the tests of the server share: the served page, a client, a gate and a photo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from page_helpers import serve, small_photo, wait_until
from server_helpers import QUICK, Api, Gate

from page.handlers import single, visit
from page.server.blocks import Page
from page.server.visitor_queue import VisitorQueue


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gradio.utils.get_heartbeat_rate", lambda: 0.2)
        with serve(QUICK) as page:
            yield page


@pytest.fixture
def api(page: Page) -> Iterator[Api]:
    api = Api(page)
    yield api
    assert wait_until(lambda: not list(queue(page)._events())), "a test left jobs behind"
    assert not visit.JOBS._jobs and not queue(page)._arriving


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr(single, "carry_out", gate)
    yield gate
    gate.go_on.set()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return small_photo(tmp_path)


@pytest.fixture
def path(api: Api, photo: Path) -> str:
    return api.upload(photo)


def queue(page: Page) -> VisitorQueue:
    assert isinstance(page._queue, VisitorQueue)
    return page._queue
