"""The page's pictures: `python docs/screenshots.py` writes docs/page-{before,during,after}.png.

The photo is the computed landscape of `docs/figure.py`, so that the pictures belong to the project.
The system's Chromium (/usr/bin/chromium) takes them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]


WIDTH, HEIGHT = 1366, 768


def main() -> None:
    """Serve the page, protect the landscape, and take a picture of each state."""
    # Imported late: the root is on the path only now.
    from figure import landscape

    import app

    page = app.build_page()
    page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, inbrowser=False, **app.LAUNCH
    )
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        photo = Path(folder) / "landscape.png"
        Image.fromarray(landscape()).save(photo)
        browser = driver.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        tab.set_default_timeout(180_000)
        tab.goto(str(page.local_url))
        tab.locator("#photo input[type=file]").set_input_files(str(photo))
        tab.locator("#note .received").wait_for()
        tab.wait_for_timeout(1000)
        tab.screenshot(path=ROOT / "docs" / "page-before.png")
        tab.locator("#protect").click()
        tab.locator("#progress").get_by_text("left: step").wait_for()
        tab.screenshot(path=ROOT / "docs" / "page-during.png")
        tab.locator("#survival b").wait_for()
        tab.wait_for_timeout(1500)
        tab.screenshot(path=ROOT / "docs" / "page-after.png")
        browser.close()
    page.close(verbose=False)


if __name__ == "__main__":
    main()
