"""The page as a visitor meets it: a photo goes in, the protected one comes out."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import browser_fixtures
import pytest
from browser_fixtures import choose_other_run, needs_chromium, protect, remove, unfold, upload
from page_helpers import EndlessAttack, wait_until
from PIL import Image

from cvpire.watch import Watch
from page.handlers import visit
from page.orders import single

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

demo = browser_fixtures.demo
browser = browser_fixtures.browser
options = browser_fixtures.options
tab = browser_fixtures.tab
photo = browser_fixtures.photo
attack = browser_fixtures.attack

pytestmark = needs_chromium


def test_a_photo_is_protected_and_a_new_one_clears_the_results(
    tab: Page, photo: Path, tmp_path: Path
) -> None:
    assert not tab.locator("#download").is_visible()
    upload(tab, photo)
    assert "96 × 96 pixels" in tab.locator("#note").inner_text()
    tab.get_by_text("Invisible", exact=True).click()
    tab.locator("#kind").get_by_text("PNG").click()
    heading = protect(tab)
    assert re.search(r"AI no longer sees “.+”: \d+(\.\d)?% → ", heading)
    tab.wait_for_function("document.activeElement.closest('#verdict') !== null")

    with tab.expect_download() as download:
        tab.locator("#download").click()
    assert download.value.suggested_filename == "protected.png"
    served = Path(download.value.path()).read_bytes()
    unfold(tab, "Report")
    report = tab.locator("#record")
    report.get_by_text("file_sha256").wait_for()
    assert hashlib.sha256(served).hexdigest() in report.inner_text()
    with tab.expect_download() as download:
        tab.locator("#report").click()
    assert hashlib.sha256(served).hexdigest() in Path(download.value.path()).read_text()

    unfold(tab, "Threshold map")
    tab.locator("#heatmap img").wait_for()
    assert tab.locator("#heatmap img").evaluate("image => image.naturalWidth") == 96
    unfold(tab, "All measurements")
    assert re.search(r"SSIM\t0\.\d{5}\t", tab.locator("#scores").inner_text())
    first = tab.locator("#top5 tbody tr").first.inner_text()
    assert re.search(r"\d+%", first), "the protected class, before and after"

    other = tmp_path / "other.png"
    Image.new("RGB", (40, 30), "navy").save(other)
    remove(tab)
    tab.locator("#download").wait_for(state="hidden")
    upload(tab, other)
    assert tab.locator("#scores").is_hidden() and tab.locator("#viewer").is_hidden()
    assert tab.locator("#intro").is_visible()


def test_a_jpeg_stays_one_and_is_rehearsed_by_itself(tab: Page, photo: Path) -> None:
    upload(tab, photo)
    unfold(tab, "For researchers")
    tab.locator("#kilobytes input").fill("9")
    protect(tab)
    tab.locator("#survival b").wait_for()
    assert re.search(r"Survives \d+ of \d+", tab.locator("#survival").inner_text())
    with tab.expect_download() as download:
        tab.locator("#download").click()
    assert download.value.suggested_filename == "protected.jpg"
    assert Path(download.value.path()).stat().st_size <= 9000
    unfold(tab, "What it survives")
    tables = tab.locator("#rehearsal table")
    tables.first.wait_for()
    assert "out of the first five in" in tables.first.inner_text()
    assert "not recognised" in tables.first.inner_text()
    assert "(not attacked)" in tables.nth(1).inner_text()
    command = tab.locator("#command").inner_text()
    assert "--run Posting" in command and "--format jpeg --quality 90 --max-bytes 9000" in command
    # Another file clears what was rehearsed.
    remove(tab)
    tables.first.wait_for(state="detached")


def test_a_whole_kind_of_place_is_hidden(tab: Page, photo: Path) -> None:
    checkbox = tab.get_by_label("Hide the whole kind of place")
    checkbox.wait_for()
    choose_other_run(tab, "As in the paper: Top1-L1")
    checkbox.wait_for(state="hidden")
    tab.get_by_text("Invisible", exact=True).click()
    tab.get_by_text("The change that the eye sees least").wait_for()
    assert tab.locator("#other-run input").input_value() == "As chosen above"
    checkbox.wait_for()
    checkbox.check()
    upload(tab, photo)
    assert "AI no longer sees" in protect(tab)
    assert "--run Invisible --group" in (tab.locator("#command").text_content() or "")


def test_settings_changed_after_a_result_mark_it_as_old(tab: Page, photo: Path) -> None:
    upload(tab, photo)
    tab.get_by_text("Invisible", exact=True).click()
    protect(tab)
    assert tab.evaluate("document.documentElement.dataset.old") is None
    tab.get_by_text("Balanced", exact=True).click()
    assert wait_until(lambda: tab.evaluate("document.documentElement.dataset.old") == "yes", 10)
    content = "getComputedStyle(document.querySelector('#verdict'), '::before').content"
    assert "You changed the settings since" in tab.evaluate(content)
    tab.locator("#protect").click()
    assert wait_until(lambda: tab.evaluate("document.documentElement.dataset.old") is None, 10)


def test_the_checking_can_be_stopped_and_tried_again(tab: Page, photo: Path) -> None:
    def endless(*_: object, watch: Watch, **__: object) -> None:
        while True:
            watch.check()
            time.sleep(0.02)

    upload(tab, photo)
    tab.get_by_text("Invisible", exact=True).click()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(single, "rehearse", endless)
        heading = protect(tab)
        tab.locator("#stop-checking").click()
        tab.locator("#survival").get_by_text("The rehearsal is not finished").wait_for()
    assert tab.locator("#verdict h2").inner_text() == heading
    assert tab.locator("#download").is_visible() and tab.locator("#stop-checking").is_hidden()
    unfold(tab, "What it survives")
    tab.locator("#rehearse").click()
    tab.locator("#survival b").wait_for()


def test_stop_ends_the_work(tab: Page, photo: Path, attack: EndlessAttack) -> None:
    upload(tab, photo)
    tab.locator("#protect").click()
    assert attack.started.wait(20)
    tab.locator("#progress").get_by_text("Step 1 of at most").wait_for()
    assert tab.locator("#protect").is_hidden()
    tab.locator("#cancel").click()
    tab.locator("#verdict").get_by_text("Cancelled").wait_for()
    assert attack.is_stopped_at_next_step()
    assert not tab.locator("#download").is_visible()
    tab.locator("#protect").wait_for()
    assert tab.locator("#progress .progress").count() == 0


def test_another_photo_stops_the_work(tab: Page, photo: Path, attack: EndlessAttack) -> None:
    upload(tab, photo)
    tab.locator("#protect").click()
    assert attack.started.wait(20)
    (job,) = visit.JOBS._jobs.values()
    assert not job.is_stopped
    remove(tab)
    assert wait_until(lambda: job.is_stopped)
    assert attack.is_stopped_at_next_step()
    tab.locator("#protect").wait_for()


def test_who_waits_is_told_how_many_are_before(
    tab: Page, browser: Browser, photo: Path, attack: EndlessAttack
) -> None:
    upload(tab, photo)
    tab.locator("#protect").click()
    assert attack.started.wait(20)
    with browser.new_context() as context:
        other = context.new_page()
        other.goto(tab.url)
        other.locator("#protect").wait_for()
        upload(other, photo)
        other.locator("#protect").click()
        other.locator("#progress").get_by_text("1 before you, about").wait_for()


def test_closing_the_tab_deletes_the_photo(
    tab: Page, browser: Browser, photo: Path, tmp_path: Path
) -> None:
    named = photo.rename(photo.with_name("of a tab that closes.jpg"))
    with browser.new_context() as context:
        closing = context.new_page()
        closing.goto(tab.url)
        closing.locator("#protect").wait_for()
        upload(closing, named)
        (held,) = [
            Path(path)
            for paths in visit.HOLDINGS._held.values()
            for path in paths
            if path.endswith(named.name)
        ]
        assert held.exists()
        closing.close()
        assert wait_until(lambda: not held.exists(), 30)
