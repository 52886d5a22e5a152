"""Many photos in the browser: a row each, Stop keeps what is done, a ZIP with a table."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import browser_fixtures
from browser_fixtures import needs_chromium
from page_helpers import EndlessAttack, small_photo, wait_until

from cvpire.images.reading import read_photo
from page.handlers import visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

demo = browser_fixtures.demo
browser = browser_fixtures.browser
options = browser_fixtures.options
tab = browser_fixtures.tab
attack = browser_fixtures.attack

pytestmark = needs_chromium


def choose(tab: Page, *paths: Path) -> None:
    """Choose many photos, and the quickest of the plain runs."""
    tab.get_by_role("tab", name="Many photos").click()
    tab.locator("#photos input[type=file]").set_input_files([str(path) for path in paths])
    tab.locator("#photos").get_by_text(paths[-1].stem, exact=True).wait_for()
    tab.get_by_text("Invisible", exact=True).click()


def two_photos(folder: Path) -> tuple[Path, Path]:
    """Two of one name but for its letters' case, which one folder may not hold."""
    photos = []
    for part, name in (("a", "Place.jpg"), ("b", "place.jpg")):
        (folder / part).mkdir()
        photos.append(small_photo(folder / part).rename(folder / part / name))
    return photos[0], photos[1]


def test_each_photo_has_its_row_and_its_file(tab: Page, tmp_path: Path) -> None:
    broken = tmp_path / "=broken.jpg"
    broken.write_bytes(b"no photo")
    first, second = two_photos(tmp_path)
    choose(tab, first, broken, second)
    tab.locator("#protect-all").click()
    tab.locator("#archive").wait_for()
    rows = tab.locator("#rows tbody tr")
    assert [row.locator("td").first.inner_text() for row in rows.all()] == [
        *("✓ protected", "✗ failed", "✓ protected")
    ]
    assert "is not a picture" in rows.nth(1).inner_text()
    assert "2 protected of 3" in tab.locator("#rows caption").inner_text()
    with tab.expect_download() as download:
        tab.locator("#archive").click()
    with zipfile.ZipFile(download.value.path()) as packed:
        names = packed.namelist()
        assert names == [
            *("Place-protected.jpg", "place-protected-2.jpg", "results.csv", "results.json")
        ]
        table = list(csv.DictReader(io.StringIO(packed.read("results.csv").decode())))
        records = json.loads(packed.read("results.json"))
        assert read_photo(packed.read(names[0])).pixels.shape == (96, 96, 3)
        assert b"SecretCamera" not in packed.read(names[0])
    assert [row["state"] for row in table] == ["protected", "failed", "protected"]
    assert float(table[0]["after"]) < float(table[0]["before"])
    # A spreadsheet would take the name for a formula.
    assert table[1]["photo"] == "'=broken.jpg"
    assert table[1]["words"].startswith("'=broken.jpg is not a picture")
    assert records[0]["report"]["verdict"] == "protected" and records[1]["report"] is None


def test_stop_keeps_what_is_done(tab: Page, tmp_path: Path, attack: EndlessAttack) -> None:
    first, second = two_photos(tmp_path)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    choose(tab, broken, first, second)
    tab.locator("#protect-all").click()
    assert attack.started.wait(20)
    tab.locator("#rows").get_by_text("✗ failed").wait_for()
    tab.locator("#progress").get_by_text("Photo 2 of 3: step 1").wait_for()
    tab.locator("#cancel").click()
    assert wait_until(lambda: all(job.is_stopped for job in visit.JOBS._jobs.values()))
    attack.resume.release()
    rows = tab.locator("#rows tbody tr")
    tab.locator("#rows").get_by_text("■ stopped").first.wait_for()
    assert [row.locator("td").first.inner_text() for row in rows.all()] == [
        *("✗ failed", "■ stopped", "■ stopped")
    ]
    tab.locator("#protect-all").wait_for()
