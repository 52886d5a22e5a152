"""Where things are, on a laptop and on a phone: nobody has to look for the button or the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import browser_fixtures
import pytest
from browser_fixtures import LAPTOP, PHONE, is_in_window, needs_chromium, upload
from page_helpers import EndlessAttack

if TYPE_CHECKING:
    from playwright.sync_api import Page

demo = browser_fixtures.demo
browser = browser_fixtures.browser
tab = browser_fixtures.tab
photo = browser_fixtures.photo
attack = browser_fixtures.attack

pytestmark = needs_chromium


@pytest.fixture(params=[LAPTOP, PHONE], ids=["laptop", "phone"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"viewport": request.param, "has_touch": request.param is PHONE}


def test_the_button_the_progress_and_the_result_are_in_the_window(
    tab: Page, photo: Path, options: dict[str, Any]
) -> None:
    assert is_in_window(tab, "#protect"), "before a photo is chosen"
    upload(tab, photo)
    tab.get_by_text("Invisible", exact=True).click()
    tab.evaluate("scrollTo(0, 0)")
    assert is_in_window(tab, "#protect"), "before"
    # By touch where there is one.
    button = tab.locator("#protect")
    if options["has_touch"]:
        button.tap()
    else:
        button.click()
    tab.locator("#verdict h2").wait_for()
    tab.wait_for_function("document.documentElement.dataset.state === 'done'")
    assert is_in_window(tab, "#verdict h2"), "after"
    assert is_in_window(tab, "#download"), "after"
    tab.locator("#survival b").wait_for()
    assert is_in_window(tab, "#verdict h2"), "after the rehearsal"
    assert is_in_window(tab, "#download"), "after the rehearsal"


def test_the_progress_is_in_the_window(tab: Page, photo: Path, attack: EndlessAttack) -> None:
    upload(tab, photo)
    tab.locator("#protect").click()
    assert attack.started.wait(20)
    tab.locator("#progress .progress").wait_for()
    assert is_in_window(tab, "#progress .progress") and is_in_window(tab, "#cancel")
    tab.locator("#cancel").click()
    tab.locator("#verdict h2").wait_for()


def test_nothing_is_wider_than_the_window(tab: Page, options: dict[str, Any]) -> None:
    width = options["viewport"]["width"]
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
