"""The whole way by keyboard alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import browser_fixtures
from browser_fixtures import needs_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Page

demo = browser_fixtures.demo
browser = browser_fixtures.browser
options = browser_fixtures.options
tab = browser_fixtures.tab
photo = browser_fixtures.photo

pytestmark = needs_chromium


def tab_to(tab: Page, selector: str, *, most: int = 40) -> None:
    """Press Tab until the focus is on, or in, an element."""
    for _ in range(most):
        tab.keyboard.press("Tab")
        if tab.evaluate(f"document.activeElement.closest({selector!r}) !== null"):
            return
    raise AssertionError(f"{selector} cannot be reached by Tab")


def test_a_photo_is_protected_and_looked_at_by_keyboard(tab: Page, photo: Path) -> None:
    tab.on("filechooser", lambda chooser: chooser.set_files(str(photo)))
    tab_to(tab, "#photo button")
    tab.keyboard.press("Enter")
    tab.locator("#note .received").wait_for()
    tab_to(tab, "#run label:last-of-type")
    tab.keyboard.press("Space")
    tab.get_by_text("The change that the eye sees least").wait_for()
    tab_to(tab, "#protect")
    tab.keyboard.press("Enter")
    tab.locator("#verdict h2").wait_for()
    tab.wait_for_function("document.activeElement.closest('#verdict') !== null")
    tab_to(tab, "#download")
    with tab.expect_download() as download:
        tab.keyboard.press("Enter")
    assert download.value.suggested_filename == "protected.jpg"
    tab_to(tab, "#viewer [data-do=strongest]")
    tab.keyboard.press("Enter")
    assert tab.locator("#viewer [data-zoom='4']").get_attribute("aria-pressed") == "true"
    tab_to(tab, "#viewer [data-do=hold]")
    tab.keyboard.down("Enter")
    assert tab.locator("#viewer .after").evaluate("i => getComputedStyle(i).visibility") == "hidden"
    tab.keyboard.up("Enter")
    tab_to(tab, "#viewer input[type=range]")
    tab.keyboard.press("End")
    assert tab.locator("#viewer input[type=range]").input_value() == "100"


def test_every_run_is_reached_by_keyboard(tab: Page) -> None:
    tab.locator("button.label-wrap").filter(has_text="For researchers").click()
    tab.locator("#other-run input").focus()  # which opens the list
    tab.get_by_role("option").first.wait_for()
    count = tab.get_by_role("option").count()
    assert count > 10
    for _ in range(count - 1):
        tab.keyboard.press("ArrowDown")
        tab.wait_for_timeout(50)
    tab.keyboard.press("Enter")
    tab.wait_for_function("document.querySelector('#other-run input').value === 'Transfer'")
    tab.keyboard.press("Tab")
    tab.get_by_role("option", name="Transfer").wait_for(state="detached")
