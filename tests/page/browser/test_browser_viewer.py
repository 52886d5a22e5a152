"""The viewer shows the very pixels of the files."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import browser_fixtures
import numpy as np
import pytest
from browser_fixtures import needs_chromium, protect, upload
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from cvpire.images.reading import read_photo
from page.handlers import visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

demo = browser_fixtures.demo
browser = browser_fixtures.browser
options = browser_fixtures.options
tab = browser_fixtures.tab

pytestmark = needs_chromium


@pytest.fixture
def shown(tab: Page, tmp_path: Path) -> dict[str, NDArray[np.uint8]]:
    """Original and protected photo, which the viewer shows."""
    path = tmp_path / "coffee.png"
    Image.fromarray(data.coffee()[:240, :320]).save(path)
    upload(tab, path)
    tab.get_by_text("Invisible", exact=True).click()
    protect(tab)
    tab.wait_for_function("document.querySelector('#viewer .after')?.naturalWidth === 320")
    # Those of earlier tests are kept for a while.
    held = {path for paths in visit.HOLDINGS._held.values() for path in map(Path, paths)}
    results = [path for path in held if path.name == "protected.png"]
    protected = max(results, key=lambda path: path.stat().st_mtime_ns)
    return {"before": read_photo(path).pixels, "after": read_photo(protected).pixels}


def stage(tab: Page) -> NDArray[np.uint8]:
    """What the stage shows, pixel by pixel."""
    shot = tab.locator("#viewer .stage").screenshot()
    # Without border, scroll bars, and the handle at either edge.
    return np.array(Image.open(io.BytesIO(shot)).convert("RGB"))[3:-20, 8:-24]


def part_of(tab: Page, enlarged: NDArray[np.uint8], seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The part of an enlarged photo that is seen.

    The stage scrolls by whole pixels of the screen, but may begin between two: of the places around
    where it says it is, the one that fits best.
    """
    x, y = tab.locator("#viewer .stage").evaluate("stage => [stage.scrollLeft, stage.scrollTop]")
    height, width = seen.shape[:2]
    places = itertools.product(range(round(y), round(y) + 4), range(round(x) + 5, round(x) + 9))
    parts = [enlarged[down : down + height, right : right + width] for down, right in places]
    return min(parts, key=lambda part: int(np.abs(part.astype(int) - seen).sum()))


def test_at_400_percent_each_pixel_is_a_square_of_its_colour(
    tab: Page, shown: dict[str, NDArray[np.uint8]]
) -> None:
    tab.locator("#viewer [data-zoom='4']").click()
    split = tab.locator("#viewer input[type=range]")
    for which, value in (("before", "100"), ("after", "0")):
        split.fill(value)
        tab.wait_for_timeout(300)
        seen = stage(tab)
        expected = part_of(tab, shown[which].repeat(4, axis=0).repeat(4, axis=1), seen)
        assert np.array_equal(seen, expected), which


def test_the_strongest_change_is_in_the_middle(
    tab: Page, shown: dict[str, NDArray[np.uint8]]
) -> None:
    tab.locator("#viewer [data-do=strongest]").click()
    assert tab.locator("#viewer .mark").is_visible()
    # No line over the place; and the original for as long as the button is held, at once.
    assert tab.locator("#viewer input[type=range]").input_value() == "0"
    tab.locator("#viewer [data-do=hold]").hover()
    tab.mouse.down()
    assert tab.locator("#viewer .after").evaluate("i => getComputedStyle(i).visibility") == "hidden"
    tab.mouse.up()
    assert tab.locator("#viewer .after").evaluate("i => getComputedStyle(i).visibility") != "hidden"
    mark = tab.locator("#viewer .mark").bounding_box()
    box = tab.locator("#viewer .stage").bounding_box()
    assert mark is not None and box is not None
    assert box["x"] <= mark["x"] + 20 <= box["x"] + box["width"]
    assert box["y"] <= mark["y"] + 20 <= box["y"] + box["height"]


def test_the_difference_is_amplified_by_its_scale(
    tab: Page, shown: dict[str, NDArray[np.uint8]]
) -> None:
    tab.locator("#viewer button[data-view=difference]").click()
    tab.locator("#viewer [data-zoom='4']").click()
    tab.wait_for_timeout(300)
    assert "made 10 times as strong" in tab.locator("#viewer .caption").inner_text()
    seen = stage(tab)
    difference = np.abs(shown["after"].astype(int) - shown["before"])
    enlarged = (10 * difference).clip(0, 255).astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    expected = part_of(tab, enlarged, seen)
    assert expected.max() > 0
    assert np.abs(seen.astype(int) - expected).max() <= 2


def test_maps_keys_and_the_original(tab: Page, shown: dict[str, NDArray[np.uint8]]) -> None:
    tab.locator("#viewer button[data-view=where]").click()
    assert "The change, blurred" in tab.locator("#viewer .caption").inner_text()
    tab.locator("#viewer button[data-layer=map]").click()
    assert "The threshold map" in tab.locator("#viewer .caption").inner_text()
    tab.locator("#viewer button[data-view=compare]").click()
    # By keyboard: the border, the size, and the original for as long as the key is held.
    split = tab.locator("#viewer input[type=range]")
    split.focus()
    split.press("Home")
    assert split.input_value() == "0"
    place = tab.locator("#viewer .stage")
    place.focus()
    place.press("+")
    assert "%" in tab.locator("#viewer .caption").inner_text()
    tab.keyboard.down("o")
    assert tab.locator("#viewer .after").evaluate("i => getComputedStyle(i).visibility") == "hidden"
    tab.keyboard.up("o")
    assert tab.locator("#viewer .after").evaluate("i => getComputedStyle(i).visibility") != "hidden"
    place.press("0")
    assert tab.locator("#viewer [data-zoom=fit]").get_attribute("aria-pressed") == "true"
    # The wheel scrolls the page, and enlarges with Ctrl alone.
    place.hover()
    tab.mouse.wheel(0, -100)
    assert tab.locator("#viewer [data-zoom=fit]").get_attribute("aria-pressed") == "true"
    tab.keyboard.down("Control")
    tab.mouse.wheel(0, -100)
    tab.keyboard.up("Control")
    tab.wait_for_timeout(200)
    assert tab.locator("#viewer [data-zoom=fit]").get_attribute("aria-pressed") == "false"
