"""What the tests of the page's API share: the page, a client of it, and a photo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client, handle_file
from page_helpers import serve, small_photo

from page.looks.results import Results

# On small photos, their own pixels cost a tenth of the 256x256 that the page takes by default.
SETTINGS: dict[str, Any] = {
    "run": "Top1-L1",
    "kind": "PNG",
    "classifier": "lite0-imagenet",
    "view": "native",
    "metric": "",
}


@pytest.fixture(scope="module")
def demo() -> Iterator[gr.Blocks]:
    with pytest.MonkeyPatch.context() as patch:
        # Seconds between two looks whether a visitor is still there; gradio's own 15 are long.
        patch.setattr("gradio.utils.get_heartbeat_rate", lambda: 0.2)
        with serve() as page:
            yield page


@pytest.fixture(scope="module")
def client(demo: gr.Blocks) -> Iterator[Client]:
    client = Client(str(demo.local_url), verbose=False)
    yield client
    client.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return small_photo(tmp_path)


def run(client: Client, path: Path, **changes: Any) -> Results:
    """What a client gets for a photo, with `SETTINGS` but for some changes."""
    settings = {**SETTINGS, **changes}
    answer = client.predict(photo=handle_file(str(path)), **settings, api_name="/protect")
    return Results(*answer)
