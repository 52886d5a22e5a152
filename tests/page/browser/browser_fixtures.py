"""What the tests in the system's Chromium share: the page, served, and a tab that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import gradio as gr
import pytest
from page_helpers import EndlessAttack, endless_attack, serve, small_photo

from cvpire.edits.posting import TRANSFORMATIONS
from cvpire.rehearsal import rehearse
from page.orders import single

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Response
else:
    pytest.importorskip("playwright", reason="playwright is not installed")

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS = 1000.0

needs_chromium = pytest.mark.skipif(
    not CHROMIUM.is_file(), reason=f"{CHROMIUM} is missing: install Debian's package chromium"
)

LAPTOP = {"width": 1366, "height": 768}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def demo() -> Iterator[gr.Blocks]:
    """The page. What is tried of a result are two things: `tests/page/api` tries all of them."""
    few = (TRANSFORMATIONS["jpeg-85"], TRANSFORMATIONS["blur"])
    with pytest.MonkeyPatch.context() as patch, serve() as page:
        patch.setattr(single, "rehearse", partial(rehearse, transformations=few))
        yield page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def options() -> dict[str, Any]:
    """Of the browser's context; a test that wants others has a fixture of this name."""
    return {"viewport": LAPTOP}


@pytest.fixture
def tab(demo: gr.Blocks, browser: Browser, options: dict[str, Any]) -> Iterator[Page]:
    """The open page; in the end, nothing may have gone wrong or asked for another host."""
    troubles: list[str] = []
    with browser.new_context(**options) as context:
        tab = context.new_page()
        # A busy machine may take a minute for a run.
        tab.set_default_timeout(25 * SECONDS)
        tab.on("pageerror", lambda error: troubles.append(f"page error: {error}"))
        tab.on("console", lambda message: _note_error(message, troubles))
        tab.on("response", lambda response: _note_refusal(response, troubles))
        tab.on("request", lambda request: _check_host(request.url, troubles))
        tab.goto(str(demo.local_url))
        tab.locator("#protect").wait_for()
        yield tab
    assert not troubles, troubles


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return small_photo(tmp_path)


@pytest.fixture
def attack() -> Iterator[EndlessAttack]:
    with endless_attack() as attack:
        yield attack


def _note_error(message: ConsoleMessage, troubles: list[str]) -> None:
    if message.type == "error":
        troubles.append(f"console: {message.text}")


def _note_refusal(response: Response, troubles: list[str]) -> None:
    if response.status >= 400:
        troubles.append(f"{response.status} for {response.request.method} {response.url}")


def _check_host(url: str, troubles: list[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1":
        troubles.append(f"request to {parts.hostname}")


def upload(tab: Page, path: Path) -> None:
    """Choose a photo, and wait until the page has read it."""
    tab.locator("#photo input[type=file]").set_input_files(str(path))
    tab.locator("#note .received").wait_for()


def choose_other_run(tab: Page, title: str) -> None:
    """Choose a run of the list for researchers."""
    unfold(tab, "For researchers")
    tab.locator("#other-run input").click()
    tab.get_by_role("option", name=title, exact=True).click()


def unfold(tab: Page, title: str) -> None:
    """Open a folded part of the page by its title."""
    tab.locator("button.label-wrap").filter(has_text=re.compile(f"^{re.escape(title)}")).click()


def protect(tab: Page) -> str:
    """Press Protect; the verdict's heading."""
    tab.locator("#protect").click()
    tab.locator("#verdict h2").wait_for()
    return tab.locator("#verdict h2").inner_text()


def remove(tab: Page) -> None:
    """Take the photo away again."""
    tab.locator("#photo").get_by_role("button", name="Remove Image").click()
    tab.locator("#note .received").wait_for(state="detached")


def is_in_window(tab: Page, selector: str) -> bool:
    """Whether an element is in the window as a whole, without scrolling."""
    box = tab.locator(selector).bounding_box()
    size = tab.viewport_size
    assert box is not None and size is not None, selector
    return bool(
        box["x"] >= 0
        and box["y"] >= 0
        and box["x"] + box["width"] <= size["width"]
        and box["y"] + box["height"] <= size["height"]
    )
