"""A result outlives a reload of the page, for its browser alone and for minutes only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import browser_fixtures
import pytest
from browser_fixtures import needs_chromium, protect, remove, upload
from page_helpers import wait_until

from page.handlers import visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

demo = browser_fixtures.demo
browser = browser_fixtures.browser
options = browser_fixtures.options
tab = browser_fixtures.tab
photo = browser_fixtures.photo

pytestmark = needs_chromium


def test_a_reload_brings_the_result_back(tab: Page, browser: Browser, photo: Path) -> None:
    upload(tab, photo)
    tab.get_by_text("Invisible", exact=True).click()
    heading = protect(tab)
    tab.locator("#survival b").wait_for()
    sentence = tab.locator("#survival").inner_text()
    tab.reload()
    tab.locator("#verdict h2").wait_for()
    assert tab.locator("#verdict h2").inner_text() == heading
    assert tab.locator("#survival").inner_text() == sentence
    with tab.expect_download() as download:
        tab.locator("#download").click()
    assert Path(download.value.path()).stat().st_size > 0
    tab.wait_for_function("document.querySelector('#viewer .after')?.naturalWidth === 96")
    # Another browser has nothing of it.
    with browser.new_context() as context:
        other = context.new_page()
        other.goto(tab.url)
        other.locator("#protect").wait_for()
        other.wait_for_timeout(1000)
        assert other.locator("#verdict h2").count() == 0


def test_what_was_taken_away_does_not_come_back(tab: Page, photo: Path) -> None:
    upload(tab, photo)
    tab.get_by_text("Invisible", exact=True).click()
    protect(tab)
    tab.locator("#survival b").wait_for()
    remove(tab)
    tab.reload()
    tab.locator("#protect").wait_for()
    tab.wait_for_timeout(1000)
    assert tab.locator("#verdict h2").count() == 0


def test_after_its_time_nothing_is_left(
    tab: Page, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit.KEEPING, "grace_seconds", 1.0)
    upload(tab, photo)
    tab.get_by_text("Invisible", exact=True).click()
    protect(tab)
    tab.locator("#survival b").wait_for()
    secret, kept = list(visit.KEEPING._kept.items())[-1]
    # The photo itself lies where others uploaded the same one.
    files = [Path(path) for path in kept.files[1:]]
    assert files and all(path.exists() for path in files)
    tab.goto("about:blank")
    assert wait_until(lambda: not any(path.exists() for path in files), 40)
    assert secret not in visit.KEEPING._kept
