"""What the page shows before the first photo: `python docs/page_example.py` makes it anew.

The computed landscape of `docs/figure.py`, protected by the page's usual run, beside the original;
and what became of it, in words. The weights' sha256 stands with them: a test tells when they are
older than the classifier.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

ASSETS = ROOT / "page" / "looks" / "assets"
WIDTH = 320


def main() -> None:
    """Protect the landscape and write the picture and the words."""
    # Imported late: the root is on the path only now.
    from figure import landscape

    from cvpire import Photo, find_run, find_scene, load_classifier, protect, rehearse
    from cvpire.runs import DEFAULT_RUN

    classifier, run = load_classifier("scenes", view="resize"), find_run(DEFAULT_RUN)
    original = Photo(landscape())
    protected = protect(original, classifier, run)
    scene = find_scene(classifier, original, None, run=run)
    outcomes = rehearse(protected.photo, original, [scene])
    report = protected.report
    pictures = [
        Image.fromarray(each.pixels).resize((WIDTH, WIDTH * each.height // each.width))
        for each in (original, protected.photo)
    ]
    both = Image.fromarray(np.hstack([np.array(picture) for picture in pictures]))
    both.save(ASSETS / "example.webp", quality=88)
    words = {
        "run": run.name,
        "weights_sha256": report.weights_sha256,
        "label": report.label.name,
        "before": report.label.probability,
        "after": report.label_probability_after,
        "now": report.after[0].name,
        "grade": report.visibility.grade.value,
        "survived": sum(outcome.protected.is_lost for outcome in outcomes),
        "tried": len(outcomes),
    }
    (ASSETS / "example.json").write_text(json.dumps(words, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
