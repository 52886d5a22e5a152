"""What becomes of a photo after it was posted: codecs, sizes, edits, and chains of them.

Each is done by Pillow on 8-bit pixels, as a platform or an app does it, and gives the pixels that
the next reader gets. Photos are those of `cvpire.images.photo`; transparency ends at a JPEG, on
white.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from cvpire.images.encoders import encode_avif, encode_jpeg, encode_webp, has_avif, on_white
from cvpire.images.photo import Photo
from cvpire.images.reading import read_written
from cvpire.images.views import RESIZED_SIDE

Edit = Callable[[Photo], Photo]

_SEEN = (RESIZED_SIDE, RESIZED_SIDE)


@dataclass(frozen=True)
class Transformation:
    """One thing that may happen to a posted photo.

    Attributes:
        name: in the registry and in reports.
        title: for people.
        apply: the photo to what is left of it. Where there is nothing to do, such as shrinking a
            photo that is small enough, it returns the photo itself.
        is_by_platforms: whether platforms do it by themselves.
    """

    name: str
    title: str
    apply: Edit
    is_by_platforms: bool = True


def jpeg(quality: int, subsampling: str = "4:2:0") -> Edit:
    """Saved as JPEG of this quality, on white."""

    def edit(photo: Photo) -> Photo:
        data = encode_jpeg(on_white(photo), quality, subsampling=subsampling)
        return read_written(data, photo)

    return edit


def webp(quality: int) -> Edit:
    """Saved as lossy WebP of this quality."""
    return lambda photo: read_written(encode_webp(photo, quality), photo)


def avif(quality: int) -> Edit:
    """Saved as AVIF of this quality."""
    return lambda photo: read_written(encode_avif(photo, quality), photo)


def _by_pillow(change: Callable[[Image.Image], Image.Image]) -> Edit:
    def edit(photo: Photo) -> Photo:
        both = photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
        changed = np.array(change(Image.fromarray(both)))
        return Photo(changed[..., :3], None if photo.alpha is None else changed[..., 3])

    return edit


def scale(factor: float, way: Image.Resampling = Image.Resampling.LANCZOS) -> Edit:
    """Both sides times the factor, with antialiasing."""

    def resized(image: Image.Image) -> Image.Image:
        width, height = (max(1, round(side * factor)) for side in image.size)
        return image.resize((width, height), way)

    return _by_pillow(resized)


def fit(side: int) -> Edit:
    """The longest side shrunk to so many pixels; a smaller photo stays as it is."""

    def edit(photo: Photo) -> Photo:
        longest = max(photo.width, photo.height)
        return photo if longest <= side else scale(side / longest)(photo)

    return edit


def _read_at_once(shrink: Callable[[Image.Image], Image.Image]) -> Edit:
    """Shrunk to what a classifier sees, by other means than ours."""
    change = _by_pillow(shrink)
    return lambda photo: photo if (photo.width, photo.height) == _SEEN else change(photo)


def read_bicubic() -> Edit:
    """Shrunk to what a classifier sees by Pillow's bicubic filter."""
    return _read_at_once(lambda image: image.resize(_SEEN, Image.Resampling.BICUBIC))


def read_aliased() -> Edit:
    """Shrunk to what a classifier sees by four pixels for each, whatever lies between them."""
    extent, bilinear = Image.Transform.EXTENT, Image.Resampling.BILINEAR
    return _read_at_once(
        lambda image: image.transform(_SEEN, extent, (0, 0, *image.size), bilinear)
    )


def crop(share: float, *, left: float = 0.7, top: float = 0.3) -> Edit:
    """Cut that share off each side's length; of it, these shares at the left and at the top."""

    def cut(image: Image.Image) -> Image.Image:
        width, height = image.size
        x, y = round(left * share * width), round(top * share * height)
        right, bottom = x + round((1.0 - share) * width), y + round((1.0 - share) * height)
        return image.crop((x, y, max(right, x + 1), max(bottom, y + 1)))

    return _by_pillow(cut)


def rotate(degrees: float) -> Edit:
    """Straighten by some degrees, and cut off the corners that turn black."""

    def turn(image: Image.Image) -> Image.Image:
        width, height = image.size
        turned = image.rotate(degrees, Image.Resampling.BICUBIC)
        slope = math.tan(math.radians(abs(degrees)))
        x = min(math.ceil(slope * height / 2.0), (width - 1) // 2)
        y = min(math.ceil(slope * width / 2.0), (height - 1) // 2)
        return turned.crop((x, y, width - x, height - y))

    return _by_pillow(turn)


def blur(radius: float, share: float = 0.0) -> Edit:
    """A Gaussian of this sigma in pixels, or this share of the longest side where that is more."""
    return _filter(lambda side: ImageFilter.GaussianBlur(max(radius, side * share)))


def sharpen(radius: float, percent: int, share: float = 0.0) -> Edit:
    """An unsharp mask of this strength; the radius as for `blur`."""
    return _filter(lambda side: ImageFilter.UnsharpMask(max(radius, side * share), percent, 0))


def median() -> Edit:
    """The median of 3x3 pixels."""
    return _filter(lambda side: ImageFilter.MedianFilter(3))


def _filter(make: Callable[[int], ImageFilter.Filter]) -> Edit:
    """A filter made for the photo's longest side, in pixels."""

    def filtered(image: Image.Image) -> Image.Image:
        own = make(max(image.size))
        if image.mode != "RGBA":
            return image.filter(own)
        # Multiplied by alpha, as Pillow resizes, so that colours of clear pixels do not bleed.
        return image.convert("RGBa").filter(own).convert("RGBA")

    return _by_pillow(filtered)


def posterize(bits: int) -> Edit:
    """So many bits a channel."""
    step = 256 >> bits

    def edit(photo: Photo) -> Photo:
        middle = photo.pixels // step * step + step // 2
        return Photo(middle.astype(np.uint8), photo.alpha)

    return edit


def chain(*edits: Edit) -> Edit:
    """One after the other."""

    def edit(photo: Photo) -> Photo:
        for each in edits:
            photo = each(photo)
        return photo

    return edit


screenshot = chain(fit(1440), scale(0.85, Image.Resampling.BILINEAR))


# All that may happen to a posted photo; AVIF is missing where Pillow was built without it.
_ALL = (
    Transformation("jpeg-95", "JPEG 95, full colour (4:4:4)", jpeg(95, "4:4:4")),
    Transformation("jpeg-85", "JPEG 85", jpeg(85)),
    Transformation("jpeg-75", "JPEG 75", jpeg(75)),
    Transformation("jpeg-50", "JPEG 50", jpeg(50), is_by_platforms=False),
    Transformation("webp-80", "WebP 80", webp(80)),
    *((Transformation("avif-60", "AVIF 60", avif(60)),) if has_avif() else ()),
    Transformation("resize-2048", "shrunk to 2048 pixels", fit(2048)),
    Transformation("resize-1600", "shrunk to 1600 pixels", fit(1600)),
    Transformation("resize-1080", "shrunk to 1080 pixels", fit(1080)),
    Transformation("resize-720", "shrunk to 720 pixels", fit(720)),
    Transformation("half", "shrunk by half", scale(0.5)),
    Transformation(
        "read-bicubic",
        "read at 256x256 by Pillow, bicubic",
        read_bicubic(),
        is_by_platforms=False,
    ),
    Transformation(
        "read-aliased",
        "read at 256x256 without antialiasing",
        read_aliased(),
        is_by_platforms=False,
    ),
    Transformation("crop", "cropped by 4%", crop(0.04), is_by_platforms=False),
    Transformation("rotate", "turned by 1 degree", rotate(1.0), is_by_platforms=False),
    Transformation("blur", "blurred", blur(0.8, 1 / 1000), is_by_platforms=False),
    Transformation("sharpen", "sharpened", sharpen(1.0, 100, 1 / 800), is_by_platforms=False),
    Transformation("median", "median of 3x3", median(), is_by_platforms=False),
    Transformation("5-bit", "32 levels a channel", posterize(5), is_by_platforms=False),
    Transformation("screenshot", "a screenshot", screenshot),
    Transformation(
        "resize-jpeg", "shrunk to 1080 pixels, then JPEG 75", chain(fit(1080), jpeg(75))
    ),
    Transformation("screenshot-jpeg", "a screenshot, then JPEG 85", chain(screenshot, jpeg(85))),
    Transformation("jpeg-jpeg", "JPEG 85, then JPEG 75", chain(jpeg(85), jpeg(75))),
)
TRANSFORMATIONS: Mapping[str, Transformation] = {one.name: one for one in _ALL}

# What platforms do by themselves: codecs down to JPEG 75, smaller sizes, screenshots, and chains of
# these. Nobody edits the picture, and no other reader shrinks it for a classifier.
CODECS_AND_SIZES: Mapping[str, Transformation] = {
    name: one for name, one in TRANSFORMATIONS.items() if one.is_by_platforms
}
