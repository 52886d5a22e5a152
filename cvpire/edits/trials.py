"""Trials: what a protected photo is put through before its change is called enough.

They are kinds of edit that `cvpire.edits.posting` knows, by Pillow and on 8-bit pixels, at
strengths drawn around those of the rehearsal. A rehearsal stays a test of its own for most of them:
other qualities, another crop, another turn. Where there is but one way (the median, a reader
without antialiasing), or the draw falls on the same quality, it asks what was asked before.
"""

from __future__ import annotations

import random

from PIL import Image

from cvpire.edits.differentiable import USUAL_QUALITY
from cvpire.edits.posting import (
    Edit,
    avif,
    blur,
    chain,
    crop,
    jpeg,
    median,
    read_aliased,
    rotate,
    scale,
    sharpen,
    webp,
)
from cvpire.images.encoders import has_avif
from cvpire.images.photo import Photo

# A larger photo is tried at about so many pixels: an edit of more takes long, and a classifier sees
# it small all the same.
TRIAL_PIXELS = 1_000_000


def draw_trials(edits: str, seed: int) -> list[Edit]:
    """The trials for a set of edits; what "none" asks for is the photo as it is.

    Args:
        edits: one of `cvpire.edits.differentiable.EDITS`.
        seed: of the strengths.

    Returns:
        Functions from a photo without transparency to what is left of it.
    """
    draw = random.Random(seed)
    match edits:
        case "none":
            return []
        case "codecs and sizes":
            return _codecs_and_sizes(draw)
        case _:
            return _posting(draw)


def _codecs_and_sizes(draw: random.Random) -> list[Edit]:
    # About what the run promises to survive, and little beyond: that would be paid by every photo.
    return [
        jpeg(draw.randint(86, 95)),
        jpeg(draw.randint(76, 85)),
        jpeg(USUAL_QUALITY),
        webp(draw.randint(79, 83)),
        *([avif(draw.randint(59, 63))] if has_avif() else []),
        scale(draw.uniform(0.47, 0.53)),
        _screenshot(draw),
        chain(_screenshot(draw), jpeg(draw.randint(82, 88))),
        chain(scale(draw.uniform(0.6, 0.95)), jpeg(draw.randint(75, 78))),
        chain(jpeg(draw.randint(82, 88)), jpeg(draw.randint(75, 78))),
    ]


def _posting(draw: random.Random) -> list[Edit]:
    return [
        jpeg(USUAL_QUALITY),
        jpeg(draw.randint(48, 53)),
        webp(draw.randint(77, 82)),
        *([avif(draw.randint(57, 62))] if has_avif() else []),
        scale(draw.uniform(0.47, 0.53)),
        read_aliased(),
        # A change survives moving least, and each way of moving differently.
        *_crops(draw),
        rotate(draw.uniform(0.9, 1.1)),
        rotate(-draw.uniform(0.9, 1.1)),
        blur(draw.uniform(0.75, 0.9), 1 / 1000),
        sharpen(1.0, draw.randint(90, 110), 1 / 800),
        median(),
        chain(_screenshot(draw), jpeg(draw.randint(80, 88))),
        chain(jpeg(draw.randint(80, 88)), jpeg(draw.randint(72, 78))),
    ]


def _screenshot(draw: random.Random) -> Edit:
    return scale(draw.uniform(0.75, 0.95), Image.Resampling.BILINEAR)


def _crops(draw: random.Random) -> list[Edit]:
    """Three: anywhere, the opposite of it, and about the middle."""
    left, top = draw.random(), draw.random()
    places = [
        (left, top),
        (1.0 - left, 1.0 - top),
        (draw.uniform(0.4, 0.6), draw.uniform(0.4, 0.6)),
    ]
    return [crop(draw.uniform(0.035, 0.045), left=left, top=top) for left, top in places]


def trial_size(photo: Photo) -> Photo:
    """The photo at the size that it is tried at: the same for all but large ones."""
    pixels = photo.width * photo.height
    return photo if pixels <= TRIAL_PIXELS else scale((TRIAL_PIXELS / pixels) ** 0.5)(photo)
