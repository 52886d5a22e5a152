"""The viewer: original and protected photo on top of each other, down to single pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

_ASSETS = Path(__file__).parent / "assets"


def asset(name: str) -> str:
    """The text of one of the page's own files for the browser."""
    return (_ASSETS / name).read_text(encoding="utf-8")


def asset_bytes(name: str) -> bytes:
    """The same of a file that is no text."""
    return (_ASSETS / name).read_bytes()


class Viewer(gr.HTML):
    """Shows what `view_of` gives it, and nothing before.

    Compare (a border to drag), Difference (amplified) and Where (maps), as a whole, at 100% and at
    400%, where each pixel of the photo is a square; the place of the strongest change, and the
    original for as long as a button is held.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(
            html_template=asset("viewer.html"),
            css_template=asset("viewer.css"),
            js_on_load=asset("viewer.js"),
            **options,
        )

    def api_info(self) -> dict[str, Any]:
        """What a client of the API gets."""
        return {"type": "object", "description": "what the page's viewer shows"}
