"""gradio's components, handing over what came as it came, and described for programs.

gradio's own preprocessing re-encodes photos, and words its refusals for programmers. The handlers
check each value themselves and refuse it in a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.utils import get_function_description


class _AsItCame:
    """What each component here has before its own class of gradio.

    Attributes:
        block: the component that the browser shows it as.
        meaning: what the value is, for programs that call the page.
    """

    is_template = True
    block = ""
    meaning = ""

    def get_block_name(self) -> str:
        """The component that the browser shows."""
        return self.block

    def preprocess(self, payload: Any) -> Any:
        """What came."""
        return payload

    def api_info(self) -> dict[str, Any]:
        """What a program sends: any text or number, since the handler checks it."""
        info: dict[str, Any] = super().api_info()  # type: ignore[misc]
        free = {name: value for name, value in info.items() if name != "enum"}
        return {**free, "additional_description": self.meaning}


class RawDropdown(_AsItCame, gr.Dropdown):
    """A choice whose handler knows the choices."""

    block = "dropdown"


class RawRadio(_AsItCame, gr.Radio):
    """A choice whose handler knows the choices."""

    block = "radio"


class RawCheckbox(_AsItCame, gr.Checkbox):
    """A yes or no that the handler checks."""

    block = "checkbox"


class RawSlider(_AsItCame, gr.Slider):
    """A number whose handler knows the range."""

    block = "slider"


class RawNumber(_AsItCame, gr.Number):
    """A number whose handler knows the range."""

    block = "number"


class RawImage(_AsItCame, gr.Image):
    """An upload that hands over the file as it came.

    gradio's own preprocessing would re-encode or clip what `read_photo` reads rightly.
    """

    block = "image"

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


class RawFiles(_AsItCame, gr.File):
    """Uploads that hand over the files as they came."""

    block = "file"

    def preprocess(self, payload: Any) -> list[str] | None:
        """The uploaded files' paths."""
        return None if payload is None else [file.path for file in payload.root]

    def example_payload(self) -> Any:
        """As of `RawImage`."""
        return [
            {"path": path, "url": path, "meta": {"_type": "gradio.FileData"}}
            for path in self.example_value()
        ]

    def example_value(self) -> Any:
        """As of `RawImage`."""
        return ["/path/to/a.jpg", "/path/to/b.jpg"]


def describe(components: Sequence[_AsItCame], handler: Callable[..., Any]) -> None:
    """Give components the meaning that the handler's docstring says of its parameters, in order."""
    _, meanings, _ = get_function_description(handler)
    for component, meaning in zip(components, meanings.values(), strict=False):
        component.meaning = meaning
