"""The page as a visitor sees it, in the system's Chromium."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import gradio as gr
import pytest
from page_helpers import EndlessAttack, small_photo, wait_until
from PIL import Image

import app
from page import handlers, work

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

pytestmark = pytest.mark.skipif(
    not CHROMIUM.is_file(), reason=f"{CHROMIUM} is missing: install Debian's package chromium"
)


@pytest.fixture(scope="module")
def demo() -> Iterator[gr.Blocks]:
    page = app.build_page()
    page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, inbrowser=False, **app.LAUNCH
    )
    yield page
    page.close(verbose=False)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def tab(demo: gr.Blocks, browser: Browser) -> Iterator[Page]:
    """The open page; in the end, nothing may have gone wrong or asked for another host."""
    troubles: list[str] = []
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        tab = context.new_page()
        # A busy machine may take a minute for a run.
        tab.set_default_timeout(180 * SECONDS)
        tab.on("pageerror", lambda error: troubles.append(f"page error: {error}"))
        tab.on("console", lambda message: _note_error(message, troubles))
        tab.on("response", lambda response: _note_refusal(response, troubles))
        tab.on("request", lambda request: _check_host(request.url, troubles))
        tab.goto(str(demo.local_url))
        tab.locator("#protect").wait_for()
        yield tab
    assert not troubles


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return small_photo(tmp_path)


@pytest.fixture
def attack(monkeypatch: pytest.MonkeyPatch) -> Iterator[EndlessAttack]:
    attack = EndlessAttack()
    monkeypatch.setattr(work, "protect", attack)
    yield attack
    for event in list(handlers.JOBS._jobs):
        handlers.JOBS.leave(event)
    attack.resume.release(5)


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
    # A click before the page has taken the photo in would race with what a new photo cancels.
    with tab.expect_response(lambda response: "/run/predict" in response.url):
        tab.locator("#photo input[type=file]").set_input_files(str(path))
    tab.locator("#photo img").wait_for()


def choose(tab: Page, title: str) -> None:
    """Choose a run by what the list calls it."""
    tab.locator("#run input").click()
    tab.get_by_role("option", name=title, exact=True).click()


def test_a_photo_is_protected_and_a_new_one_clears_the_results(
    tab: Page, photo: Path, tmp_path: Path
) -> None:
    assert not tab.locator("#download").is_visible()
    upload(tab, photo)
    tab.locator("#protect").click()
    tab.locator("#verdict h2").wait_for()
    assert "Protected" in tab.locator("#verdict h2").inner_text()

    with tab.expect_download() as download:
        tab.locator("#download").click()
    assert download.value.suggested_filename == "protected.png"
    served = Path(download.value.path()).read_bytes()
    tab.get_by_text("Report (JSON)").click()
    report = tab.locator("#record")
    report.get_by_text("file_sha256").wait_for()
    assert hashlib.sha256(served).hexdigest() in report.inner_text()

    assert tab.locator("#slider img").count() == 2
    tab.locator("#heatmap img").wait_for()
    assert tab.locator("#heatmap img").evaluate("image => image.naturalWidth") == 96
    assert re.search(r"SSIM\t0\.\d{5}\t", tab.locator("#scores").inner_text())
    tab.get_by_role("tab", name="Side by side").click()
    tab.locator("#before img").wait_for()
    tab.locator("#after img").wait_for()

    other = tmp_path / "other.png"
    Image.new("RGB", (40, 30), "navy").save(other)
    tab.locator("#photo").get_by_role("button", name="Remove Image").click()
    tab.locator("#download").wait_for(state="hidden")
    upload(tab, other)
    assert tab.locator("#scores").is_hidden() and tab.locator("#slider").is_hidden()
    assert "appear here" in tab.locator("#verdict").inner_text()


def test_a_jpeg_is_saved_and_rehearsed(tab: Page, photo: Path) -> None:
    upload(tab, photo)
    assert tab.locator("#quality").is_hidden()
    tab.locator("#kind").get_by_text("JPEG").click()
    tab.locator("#quality").wait_for()
    tab.locator("#kilobytes input").fill("9")
    tab.locator("#protect").click()
    tab.locator("#rehearse").wait_for()
    with tab.expect_download() as download:
        tab.locator("#download").click()
    assert download.value.suggested_filename == "protected.jpg"
    assert Path(download.value.path()).stat().st_size <= 9000
    tab.locator("#rehearse").click()
    tables = tab.locator("#rehearsal table")
    tables.first.wait_for()
    assert "out of the first five in" in tables.first.inner_text()
    assert "not recognised" in tables.first.inner_text()
    assert "(not attacked)" in tables.nth(1).inner_text()
    # Another file clears what was rehearsed.
    tab.locator("#photo").get_by_role("button", name="Remove Image").click()
    tables.first.wait_for(state="detached")


def test_a_whole_kind_of_place_is_hidden(tab: Page, photo: Path) -> None:
    checkbox = tab.get_by_label("Hide the whole kind of place")
    choose(tab, "As in the paper: Top1-L1")
    checkbox.wait_for(state="hidden")
    choose(tab, "Invisible")
    tab.get_by_text("The change that the eye sees least").wait_for()
    checkbox.wait_for()
    checkbox.check()
    # Another run without such a variant takes the tick away.
    choose(tab, "Top5-min")
    checkbox.wait_for(state="hidden")
    choose(tab, "Invisible")
    checkbox.wait_for()
    assert not checkbox.is_checked()
    checkbox.check()
    upload(tab, photo)
    tab.locator("#protect").click()
    tab.locator("#verdict h2").wait_for()
    assert "Protected" in tab.locator("#verdict h2").inner_text()
    tab.get_by_text("Report (JSON)").click()
    tab.locator("#record").get_by_text("Invisible-group").wait_for()


def test_cancel_stops_the_work(tab: Page, photo: Path, attack: EndlessAttack) -> None:
    upload(tab, photo)
    tab.locator("#protect").click()
    assert attack.started.wait(20)
    tab.locator("#verdict").get_by_text("Step 1 of at most").wait_for()
    tab.locator("#protect").click()
    tab.get_by_text("still in work").wait_for()
    tab.locator("#cancel").click()
    tab.locator("#verdict").get_by_text("Cancelled").wait_for()
    assert attack.is_stopped_at_next_step()
    assert not tab.locator("#download").is_visible()


def test_another_photo_stops_the_work(tab: Page, photo: Path, attack: EndlessAttack) -> None:
    upload(tab, photo)
    tab.locator("#protect").click()
    assert attack.started.wait(20)
    (job,) = handlers.JOBS._jobs.values()
    assert not job.is_stopped
    tab.locator("#photo").get_by_role("button", name="Remove Image").click()
    assert wait_until(lambda: job.is_stopped)
    assert attack.is_stopped_at_next_step()


def test_a_bad_file_gets_a_sentence(tab: Page, tmp_path: Path) -> None:
    tab.locator("#protect").click()
    tab.get_by_text("Choose a photo first.").wait_for()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"I am not a photo.")
    tab.locator("#photo input[type=file]").set_input_files(str(broken))
    tab.locator("#photo img").wait_for(state="attached")
    tab.locator("#protect").click()
    tab.get_by_text("is not a picture of a kind that can be read").wait_for()


@pytest.mark.parametrize("name", ["photo", "photo.heics", "photo.hif", "photo.jfif", "photo.odd"])
@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_a_photo_is_taken_whatever_its_name(tab: Page, photo: Path, name: str, way: str) -> None:
    named = photo.rename(photo.with_name(name))
    if way == "chosen":
        upload(tab, named)
    else:
        drop = """([name, data]) => {
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name));
            const target = document.querySelector("#photo input[type=file]").parentElement;
            for (const kind of ["dragenter", "dragover", "drop"]) {
                const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
                target.dispatchEvent(new DragEvent(kind, options));
            }
        }"""
        with tab.expect_response(lambda response: "/run/predict" in response.url):
            tab.evaluate(drop, [name, base64.b64encode(named.read_bytes()).decode()])
        tab.locator("#photo img").wait_for(state="attached")
    assert tab.locator(".toast-body").count() == 0


def test_closing_the_tab_deletes_the_photo(demo: gr.Blocks, browser: Browser, photo: Path) -> None:
    named = photo.rename(photo.with_name("of a tab that closes.jpg"))
    with browser.new_context() as context:
        tab = context.new_page()
        tab.goto(str(demo.local_url))
        tab.locator("#protect").wait_for()
        upload(tab, named)
        (held,) = [
            Path(path)
            for paths in handlers.HOLDINGS._held.values()
            for path in paths
            if path.endswith(named.name)
        ]
        assert held.exists()
        tab.close()
        assert wait_until(lambda: not held.exists(), 30)


def test_the_page_fits_a_phone(tab: Page) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
