"""Colour profiles: a picture's own colours to sRGB, as browsers and editors do it.

Pictures are 8-bit Pillow images. Whatever goes wrong in a profile, which is a file of its own and
as hostile as the photo's, ends in a note and leaves the colours as they are stored.
"""

import io

import numpy as np
from PIL import Image, ImageCms


def to_srgb(image: Image.Image, stored: str) -> tuple[Image.Image, *tuple[str, ...]]:
    """An 8-bit picture in sRGB, by its embedded profile where that can be used.

    Args:
        image: of mode 1, L, LA, RGB, RGBA, CMYK, LAB or another that Pillow converts to RGB; alpha
            is dropped.
        stored: Pillow's raw mode of the file, such as "RGB;16B".

    Returns:
        The picture (mode RGB), then what was done, one short sentence each.
    """
    # Pillow holds 16-bit grey with alpha as RGBA; a profile for it is one for grey.
    is_grey = image.mode in ("1", "L", "LA") or stored.startswith("LA;16")
    if image.mode == "LAB":
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        return _transform(lab, "LAB").apply(image), "Converted from L*a*b* to sRGB."
    if image.mode != "CMYK":
        image = image.convert("L" if is_grey else "RGB")
    notes = []
    if "icc_profile" in image.info:  # None where Pillow could not unpack it
        try:
            return _by_profile(image, image.info["icc_profile"])
        except Exception:  # the profile is a file of its own, and as hostile
            notes.append("Its colour profile is damaged and was ignored.")
    if image.mode == "CMYK":
        notes.append("Converted from CMYK without a colour profile: its colours are approximate.")
    return image.convert("RGB"), *notes


def _by_profile(image: Image.Image, data: bytes) -> tuple[Image.Image, str]:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
    transform = _transform(profile, image.mode)
    if _is_identity(transform, image.mode):
        return image.convert("RGB"), ""
    name = " ".join(ImageCms.getProfileDescription(profile).split())[:60]
    which = f"the colour profile '{name}'" if name and name.isprintable() else "its colour profile"
    if image.mode == "L":  # 256 greys, each computed once
        greys = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
        converted = Image.fromarray(np.array(transform.apply(greys))[0][np.array(image)])
    else:
        converted = transform.apply(image)
    return converted, f"Converted from {which} to sRGB."


def _transform(profile: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    """To sRGB, as browsers and editors do it by default.

    Relative colorimetric keeps every colour that sRGB has and takes white to white; black point
    compensation takes black to black, so that the shadows of a print profile do not run together.
    """
    # For grey, LittleCMS's shortcut is a table of 33 points: up to 10 levels off in the shadows.
    exactly = ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE
    return ImageCms.buildTransform(
        profile,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION | exactly,
    )


def _is_identity(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a profile is sRGB but for rounding; then the pixels are better left alone.

    Its effect is looked at, not its name: sRGB goes by many names, and any profile may bear it.
    """
    if mode == "CMYK":
        return False
    levels = np.linspace(0, 255, 18).astype(np.uint8)  # every 15th
    axes = np.meshgrid(*[levels] * len(mode), indexing="ij")  # one for L, three for RGB
    probe = Image.merge(mode, [Image.fromarray(axis.reshape(len(levels), -1)) for axis in axes])
    before, after = (np.array(i, int) for i in (probe.convert("RGB"), transform.apply(probe)))
    return bool(np.abs(after - before).max() <= 2)
