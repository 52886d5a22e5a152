"""Nothing that axe-core calls critical or serious: in light and dark, on a phone, before and after.

No part of gradio's own is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import browser_fixtures
import pytest
from browser_fixtures import LAPTOP, PHONE, needs_chromium, protect, upload

if TYPE_CHECKING:
    from playwright.sync_api import Page

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

demo = browser_fixtures.demo
browser = browser_fixtures.browser
tab = browser_fixtures.tab
photo = browser_fixtures.photo

pytestmark = needs_chromium


@pytest.fixture(
    params=[(LAPTOP, "light"), (LAPTOP, "dark"), (PHONE, "light")],
    ids=["laptop, light", "laptop, dark", "phone, light"],
)
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    size, scheme = request.param
    return {"viewport": size, "color_scheme": scheme}


def findings(tab: Page) -> list[str]:
    """What axe calls critical or serious, with where it is."""
    violations = axe.Axe().run(tab).response["violations"]
    return [
        f"{violation['id']} ({violation['impact']}): {node['target']}"
        for violation in violations
        if violation["impact"] in ("critical", "serious")
        for node in violation["nodes"]
    ]


def test_nothing_keeps_people_out(tab: Page, photo: Path) -> None:
    assert findings(tab) == []
    upload(tab, photo)
    tab.get_by_text("Invisible", exact=True).click()
    protect(tab)
    tab.locator("#survival b").wait_for()
    for fold in tab.locator("button.label-wrap").all():
        fold.click()
    tab.wait_for_timeout(500)  # colours fade in
    assert findings(tab) == []
    tab.get_by_role("tab", name="Many photos").click()
    tab.locator("#protect-all").wait_for()
    assert findings(tab) == []
