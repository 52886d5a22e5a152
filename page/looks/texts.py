"""What the page says besides its results."""

from __future__ import annotations

HEADER = """
<header id="head">
  <h1>CV-PIRE</h1>
  <p>Hide from AI what kind of place your photo shows, without anybody seeing a change.</p>
</header>
"""

INTRO = """
<div id="intro">
  <h2>What happens to your photo</h2>
  <ol>
    <li>An AI that recognises places looks at it: “kitchen, 73%”.</li>
    <li>Its pixels are changed a little, only where the eye does not look, until the AI sees
      something else.</li>
    <li>You look at the change as closely as you like, and download the protected photo.</li>
  </ol>
  <p>Choose a photo, or one of the examples, and press <b>Protect my photo</b>.</p>
</div>
"""

# One line for the queue's messages of the page's own script.
SAID = '<p id="said" role="status" aria-live="polite"></p>'


def limits(keep_words: str) -> str:
    """What the page cannot do, always in sight.

    Args:
        keep_words: how long files stay, "60 minutes".
    """
    return (
        '<div id="limits"><p><b>Know the limits.</b> Tested against the classifiers named here: '
        "others may still recognise the place. Faces, text and number plates are not hidden. Your "
        "photo is deleted minutes after you left this page, and after "
        f"{keep_words} at the latest.</p>"
        "</div>"
    )
