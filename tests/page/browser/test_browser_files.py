"""Files of all names, pasted and dropped, and those that are refused at once."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

import browser_fixtures
import pytest
from browser_fixtures import needs_chromium, remove, upload
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

demo = browser_fixtures.demo
browser = browser_fixtures.browser
options = browser_fixtures.options
tab = browser_fixtures.tab
photo = browser_fixtures.photo

pytestmark = needs_chromium

# Files as if from outside the browser: on the photo's place, or from the clipboard.
HAND_OVER = """([kind, files]) => {
    const transfer = new DataTransfer();
    for (const [name, type, data] of files) {
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
    }
    const options = { bubbles: true, cancelable: true };
    if (kind === "paste") {
        const pasted = new ClipboardEvent("paste", { ...options, clipboardData: transfer });
        return document.body.dispatchEvent(pasted);
    }
    const target = document.querySelector("#photo input[type=file]").parentElement;
    for (const name of ["dragenter", "dragover", "drop"]) {
        target.dispatchEvent(new DragEvent(name, { ...options, dataTransfer: transfer }));
    }
}"""


def hand_over(tab: Page, kind: str, *files: tuple[Path, str]) -> None:
    """Drop or paste files of these types."""
    given = [[p.name, type_, base64.b64encode(p.read_bytes()).decode()] for p, type_ in files]
    tab.evaluate(HAND_OVER, [kind, given])


@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_a_photo_is_taken_whatever_its_name(tab: Page, photo: Path, way: str) -> None:
    for name in ("photo", "photo.heics", "photo.hif", "photo.jfif", "photo.odd"):
        photo = photo.rename(photo.with_name(name))
        if way == "chosen":
            upload(tab, photo)
        else:
            hand_over(tab, "drop", (photo, ""))
        tab.locator("#note").get_by_text("96 × 96 pixels").wait_for()
        assert tab.locator(".toast-body").count() == 0, name
        remove(tab)


def test_a_picture_of_the_clipboard_is_taken(tab: Page, photo: Path) -> None:
    hand_over(tab, "paste", (photo, "image/jpeg"))
    tab.locator("#note").get_by_text("96 × 96 pixels").wait_for()


def test_a_clipboard_without_a_picture_gets_a_sentence(tab: Page) -> None:
    hand_over(tab, "paste")
    tab.get_by_text("There is no picture in the clipboard").wait_for()


def test_of_several_dropped_files_the_first_is_taken_and_it_is_said(tab: Page, photo: Path) -> None:
    hand_over(tab, "drop", *[(photo, "image/jpeg")] * 3)
    tab.get_by_text("Only the first of these files was taken").wait_for()
    tab.locator("#note").get_by_text("96 × 96 pixels").wait_for()


def odd_files() -> dict[str, tuple[bytes, str]]:
    """Twelve files that cannot be protected, and what is said of each."""
    red, blue = (Image.new("RGB", (64, 64), color) for color in ("red", "blue"))

    def saved(image: Image.Image, kind: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    png, jpeg = saved(red, "PNG"), saved(red, "JPEG")
    both = {"save_all": True, "append_images": [blue]}
    return {
        "empty.png": (b"", "empty (0 bytes)"),
        "text.jpg": (b"I am not a photo.", "is not a picture of a kind that can be read"),
        "page.png": (b"<!doctype html><title>x</title>", "is not a picture"),
        "cut.png": (png[:60], "cut off or damaged"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "cut off or damaged"),
        "bomb.png": (saved(Image.new("1", (20_000, 20_000)), "PNG"), "megapixels are accepted"),
        "moving.png": (saved(red, "PNG", **both), "animation"),
        "moving.gif": (saved(red, "GIF", **both), "animation"),
        "pages.tif": (saved(red, "TIFF", **both), "several pages"),
        "film.mp4": (b"\0\0\0\x18ftypmp42" + bytes(64), "is not a picture"),
        "paper.pdf": (b"%PDF-1.7\n" + bytes(64), "is not a picture"),
        "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a picture"),
    }


def test_odd_files_are_refused_at_once_in_their_place(tab: Page, tmp_path: Path) -> None:
    for name, (data, sentence) in odd_files().items():
        path = tmp_path / name
        path.write_bytes(data)
        hand_over(tab, "drop", (path, ""))
        tab.locator("#note .refused").get_by_text(sentence).wait_for()
        remove(tab)


def test_a_picture_that_browsers_cannot_show_is_shown(tab: Page, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    Image.effect_noise((80, 60), 50).save(path)
    upload(tab, path)
    tab.locator("#note img").wait_for()
    assert tab.locator("#note img").evaluate("image => image.naturalWidth") == 80


def test_without_a_photo_nothing_begins(tab: Page) -> None:
    tab.locator("#protect").click()
    tab.get_by_text("Choose a photo first.").wait_for()
    tab.locator("#protect").wait_for()
