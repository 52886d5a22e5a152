"""gradio's components, handing over what came as it came.

gradio's own preprocessing re-encodes photos, and words its refusals for programmers. The handlers
check each value themselves and refuse it in a sentence.
"""

from __future__ import annotations

from typing import Any

import gradio as gr


def _as_it_came(_: Any, payload: Any) -> Any:
    """What came."""
    return payload


class RawDropdown(gr.Dropdown):
    """A choice whose handler knows the choices."""

    is_template = True  # the browser shows it as a gr.Dropdown
    preprocess = _as_it_came


class RawRadio(gr.Radio):
    """A choice whose handler knows the choices."""

    is_template = True  # the browser shows it as a gr.Radio
    preprocess = _as_it_came


class RawCheckbox(gr.Checkbox):
    """A yes or no that the handler checks."""

    is_template = True  # the browser shows it as a gr.Checkbox
    preprocess = _as_it_came


class RawSlider(gr.Slider):
    """A number whose handler knows the range."""

    is_template = True  # the browser shows it as a gr.Slider
    preprocess = _as_it_came


class RawNumber(gr.Number):
    """A number whose handler knows the range."""

    is_template = True  # the browser shows it as a gr.Number
    preprocess = _as_it_came


class RawImage(gr.Image):
    """An upload that hands over the file as it came.

    gradio's own preprocessing would re-encode or clip what `read_photo` reads rightly.
    """

    is_template = True

    def preprocess(self, payload: Any) -> str | None:
        """The uploaded file's path."""
        return None if payload is None else payload.path

    def example_payload(self) -> Any:
        """What the page's API examples send: a file of the reader's own, not one of the network."""
        path = self.example_value()
        return {"path": path, "url": path, "meta": {"_type": "gradio.FileData"}}

    def example_value(self) -> Any:
        """As `example_payload`."""
        return "/path/to/your/photo.jpg"
