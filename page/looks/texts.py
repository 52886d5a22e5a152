"""What the page says besides its results."""

from __future__ import annotations

import base64
import json
from html import escape

from page.looks.viewer import asset, asset_bytes
from page.orders.words import percent

HEADER = """
<header id="head">
  <h1>CV-PIRE</h1>
  <p>Hide from AI which place your photo shows, with as little visible change as it takes.</p>
</header>
"""


def intro() -> str:
    """What happens to a photo, and a stored example (`docs/page_example.py` makes it)."""
    example = json.loads(asset("example.json"))
    picture = base64.b64encode(asset_bytes("example.webp")).decode()
    label, now = escape(example["label"]), escape(example["now"])
    return f"""
<div id="intro">
  <h2>Example</h2>
  <img src="data:image/webp;base64,{picture}"
    alt="A computed landscape, twice: before and after. They look the same.">
  <p>Left, AI sees “{label}”: {percent(example["before"])}. Right, it does not:
    {percent(example["after"])}; it guesses “{now}”. This survives {example["survived"]} of
    {example["tried"]} things that may happen after posting.</p>
  <h2>What happens to your photo</h2>
  <p>An AI that recognises places looks at it. Then its pixels are changed a little, where the eye
    looks least, until the AI sees something else. You look at the change as closely as you like,
    and download the protected photo.</p>
  <p>Choose a photo, or one to try, and press <b>Protect my photo</b>.</p>
</div>
"""


# One line for the queue's messages of the page's own script.
SAID = '<p id="said" role="status" aria-live="polite"></p>'


def limits(classifier: str, keep_words: str) -> str:
    """What the page cannot do, always in sight.

    Args:
        classifier: that photos are protected from, "ResNet-50, ...".
        keep_words: how long files stay, "60 minutes".
    """
    return (
        '<div id="limits"><p><b>Know the limits.</b> Made and tested against one classifier '
        f"({escape(classifier)}): others may still recognise the place. Faces, text "
        "and number plates are not hidden. Your photo is deleted minutes after you left this page, "
        f"and after {keep_words} at the latest.</p></div>"
    )
