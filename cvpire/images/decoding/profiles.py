"""ICC colour profiles: a picture's own colours to sRGB, as browsers and editors do it.

Whatever goes wrong in a profile, which is a file of its own and as hostile as the photo's, ends in
a note and leaves the colours as they are stored.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from cvpire.images.decoding.decoded import Model
from cvpire.images.decoding.samples import PROBE, as_rgb

_MODES = {Model.GREY: "L", Model.RGB: "RGB", Model.CMYK: "CMYK", Model.LAB: "LAB"}
# Of ICC.1, 7.2.6.
_SPACES = {"GRAY": Model.GREY, "RGB": Model.RGB, "CMYK": Model.CMYK, "Lab": Model.LAB}
# Classes of profiles that describe the colours of a picture: input, display, output, colour space.
_PICTURE_CLASSES = ("scnr", "mntr", "prtr", "spac")


class ProfileError(Exception):
    """A profile cannot be used; the message is a note: one short sentence."""


class OtherModelError(ProfileError):
    """A profile for another model of colours. Browsers then pass over what else the file says."""


def profile_to_srgb(
    pixels: NDArray[np.uint8], model: Model, profile: bytes
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """8-bit samples in sRGB, by their ICC profile.

    Args:
        pixels: (H, W) of grey, else (H, W, channels); L*a*b* as ICC encodes it: L* 0 to 255, a* and
            b* with 128 for 0.
        model: what the channels are.
        profile: a file of its own, and as hostile.

    Returns:
        (H, W, 3), and what was done, in short sentences; none where the profile is sRGB's.

    Raises:
        ProfileError: if the profile is damaged, or not one for such a picture.
    """
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = opened.profile.xcolor_space.strip()
        if opened.profile.device_class.strip() not in _PICTURE_CLASSES:
            raise ProfileError(
                "Its colour profile is not one that describes a picture's colours and was ignored."
            )
        # A grey picture is one of equal red, green and blue.
        if model is Model.GREY and space == "RGB":
            pixels, model = as_rgb(pixels), Model.RGB
        if _SPACES.get(space) is not model:
            meant = _SPACES[space].value if space in _SPACES else space
            raise OtherModelError(
                f"Its colour profile is for {meant} pictures, which this one is not, and was"
                " ignored."
            )
        return _by_profile(pixels, model, opened)
    except ProfileError:
        raise
    except Exception as error:
        raise ProfileError("Its colour profile is damaged and was ignored.") from error


def without_profile(
    pixels: NDArray[np.uint8], model: Model
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """The same where the file says nothing of their colours."""
    if model is Model.GREY:
        return as_rgb(pixels), ()
    if model is Model.RGB:
        return pixels, ()
    if model is Model.LAB:
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        converted = _transform(lab, "LAB").apply(_image(pixels, model))
        return np.array(converted), ("Converted from L*a*b* to sRGB.",)
    converted = _image(pixels, model).convert("RGB")
    note = "Converted from CMYK without a colour profile: its colours are approximate."
    return np.array(converted), (note,)


def _image(pixels: NDArray[np.uint8], model: Model) -> Image.Image:
    pixels = np.ascontiguousarray(pixels)
    if model is not Model.LAB:
        mode = _MODES[model]
        return Image.frombuffer(mode, pixels.shape[1::-1], pixels, "raw", mode, 0, 1)
    # Pillow stores a* and b* as bytes with 128 for 0, but unpacks them as signed.
    signed = pixels.copy()
    signed[..., 1:] ^= 0x80
    return Image.frombytes("LAB", pixels.shape[1::-1], signed.tobytes())


def _by_profile(
    pixels: NDArray[np.uint8], model: Model, profile: ImageCms.ImageCmsProfile
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    transform = _transform(profile, _MODES[model])
    if model in (Model.GREY, Model.RGB) and _is_identity(transform, model):
        return without_profile(pixels, model)
    name = " ".join(ImageCms.getProfileDescription(profile).split())[:60]
    which = f"the colour profile '{name}'" if name and name.isprintable() else "its colour profile"
    if model is Model.GREY:  # 256 greys, each computed once
        greys = _image(np.arange(256, dtype=np.uint8)[None], model)
        converted = np.array(transform.apply(greys))[0][pixels]
    else:
        converted = np.array(transform.apply(_image(pixels, model)))
    return converted, (f"Converted from {which} to sRGB.",)


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


def _is_identity(transform: ImageCms.ImageCmsTransform, model: Model) -> bool:
    """Whether a profile is sRGB but for rounding; then the pixels are better left alone.

    Its effect is looked at, not its name: sRGB goes by many names, and any profile may bear it.
    """
    probe = PROBE[..., 0] if model is Model.GREY else PROBE
    before = without_profile(probe, model)[0].astype(int)
    after = np.array(transform.apply(_image(probe, model)), int)
    return bool(np.abs(after - before).max() <= 2)
