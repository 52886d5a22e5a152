"""TIFF files: what their tags say that the samples mean.

TIFF 6.0 with its supplements, and BigTIFF. The tags are read by `tags`, the page is chosen by
`pages`, its samples are unpacked by libtiff and tifffile (`samples`) after `layout`
has found nothing wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvpire.errors import PhotoError
from cvpire.images.decoding.decoded import Decoded, Model
from cvpire.images.decoding.samples import reduction
from cvpire.images.decoding.tiff.bit_depth import Range, find_range, spread
from cvpire.images.decoding.tiff.colors import (
    from_palette,
    read_encoding,
    reference_black_white,
    to_icc_lab,
    to_straight,
    ycbcr_to_rgb,
)
from cvpire.images.decoding.tiff.fields import COLOURS, LAB, Photometric, SampleFormat
from cvpire.images.decoding.tiff.layout import Layout, picture_size, read_layout
from cvpire.images.decoding.tiff.pages import main_page
from cvpire.images.decoding.tiff.samples import read_samples
from cvpire.images.decoding.tiff.tags import (
    Directory,
    RefusedError,
    TiffBytes,
    UnsupportedError,
)
from cvpire.images.limits import check_size, damaged, not_supported

_ORIENTATION, _INK_SET, _EXTRA_SAMPLES, _ICC_PROFILE = 274, 332, 338, 34675
_ASSOCIATED, _UNASSOCIATED = 1, 2
_CMYK = 1

# What samples may take in memory: 1 GB, or as much as the largest accepted RGBA picture of floats.
# The number of pixels says little of it, for each may have many samples.
_MAX_BYTES, _MAX_BYTES_A_PIXEL = 1 << 30, 16

_MODELS = {
    Photometric.WHITE_IS_ZERO: Model.GREY,
    Photometric.BLACK_IS_ZERO: Model.GREY,
    Photometric.SEPARATED: Model.CMYK,
    **dict.fromkeys(LAB, Model.LAB),
}


def decode_tiff(name: str, data: bytes, max_pixels: int) -> Decoded:
    """The `Decoder` of TIFF; all that it raises for a file's content is PhotoError."""
    try:
        file = TiffBytes(data)
        directory, others = main_page(file)
        check_size(name, picture_size(directory), max_pixels)
        max_bytes = max(_MAX_BYTES, max_pixels * _MAX_BYTES_A_PIXEL)
        layout = read_layout(directory, data, max_bytes)
        return _decode(file, directory, layout, others)
    except UnsupportedError as error:
        raise not_supported(name, "TIFF", str(error)) from error
    except RefusedError as error:
        raise PhotoError(f"{name} {error}") from error
    except (PhotoError, MemoryError):
        raise
    except Exception as error:  # several classes, for whatever libtiff and tifffile meet
        raise damaged(name) from error


def _decode(file: TiffBytes, directory: Directory, layout: Layout, others: int) -> Decoded:
    extra = _extra_samples(directory, layout)
    is_separated = layout.photometric is Photometric.SEPARATED
    if is_separated and directory.integer(_INK_SET, _CMYK) != _CMYK:
        raise UnsupportedError("inks other than CMYK")
    stored = read_samples(file, layout)
    colours = COLOURS[layout.photometric]
    alpha_at = _alpha_channel(extra)
    samples, stored_alpha = _split(stored, colours, alpha_at)
    del stored
    samples, alpha, notes = _meaning(directory, layout, samples, stored_alpha)
    if alpha is not None and extra[alpha_at or 0] == _ASSOCIATED:
        to_straight(samples, alpha)
    if len(extra) > (alpha is not None):
        notes += ("Its extra channels, which are no transparency, were left out.",)
    if others:
        notes += ("Its smaller copies or masks on other pages were left out.",)
    profile = directory.data(_ICC_PROFILE)
    model = _MODELS.get(layout.photometric, Model.RGB)
    encoding = None
    if not profile and model in (Model.GREY, Model.RGB):
        inverted = layout.photometric is Photometric.WHITE_IS_ZERO
        samples, encoding, encoding_notes = read_encoding(
            directory, samples, layout.bits, inverted=inverted
        )
        notes += encoding_notes
    turn = directory.integer(_ORIENTATION, 1)
    return Decoded(
        samples,
        model,
        alpha=alpha,
        orientation=turn if 1 <= turn <= 8 else 1,
        profile=profile or None,
        encoding=encoding,
        notes=notes,
    )


def _extra_samples(directory: Directory, layout: Layout) -> list[int]:
    """What each sample beyond the colours is, by the tag ExtraSamples; 0 is "unspecified"."""
    number = layout.channels - COLOURS[layout.photometric]
    kinds = [int(value) for value in directory.integers(_EXTRA_SAMPLES)[:number]]
    if not kinds and number == 1:
        return [_UNASSOCIATED]  # RGBA by writers that forget the tag, as Pillow reads it
    return kinds + [0] * (number - len(kinds))


def _alpha_channel(extra: list[int]) -> int | None:
    """Which extra sample is the transparency.

    An unspecified one is none: it is how Photoshop stores a selection, and Photoshop and Pillow
    show such a photo as opaque. (libtiff's own RGBA reader takes it for transparency.)
    """
    kinds = (_ASSOCIATED, _UNASSOCIATED)
    return next((index for index, kind in enumerate(extra) if kind in kinds), None)


def _split(
    stored: NDArray[Any], colours: int, alpha_at: int | None
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Colours (H, W) or (H, W, colours), and alpha (H, W); no copy where there is nothing else."""
    alpha = None if alpha_at is None else stored[..., colours + alpha_at].copy()
    if stored.shape[2] > colours:
        stored = stored[..., :colours].copy()
    return (stored[..., 0] if colours == 1 else stored), alpha


def _meaning(
    directory: Directory,
    layout: Layout,
    samples: NDArray[Any],
    alpha: NDArray[Any] | None,
) -> tuple[NDArray[Any], NDArray[Any] | None, tuple[str, ...]]:
    """Samples and alpha as `Decoded` wants them, and notes of the reduction."""
    photometric, bits = layout.photometric, layout.bits
    whole = Range(0.0, 2.0**bits - 1, reduction(bits))
    if photometric is Photometric.PALETTE:
        indices = samples.view(np.uint8) if samples.dtype == np.bool_ else samples
        spread_alpha = None if alpha is None else spread(alpha, whole)
        return from_palette(indices, bits, directory), spread_alpha, ()
    if photometric in LAB or photometric is Photometric.YCBCR:
        # Bit patterns with a meaning of their own, whatever type of number the tags say.
        samples = samples.view(f"u{bits // 8}")
        if alpha is not None:
            alpha = spread(alpha.view(f"u{bits // 8}"), whole)
        if photometric in LAB:
            return to_icc_lab(samples, photometric, directory), alpha, whole.notes
        if not layout.becomes_rgb:
            samples = ycbcr_to_rgb(samples, directory, bits)
        return samples, alpha, whole.notes
    what = "grey" if samples.ndim == 2 else "colour"
    found = find_range(samples, layout, directory, what)
    if alpha is not None:
        is_float = layout.number is SampleFormat.FLOAT
        own = find_range(alpha, layout, directory, "transparency") if is_float else found
        alpha = spread(alpha, own)
    if photometric is Photometric.RGB:
        found = _with_reference(directory, layout, found)
    if photometric is Photometric.WHITE_IS_ZERO:
        found = Range(found.white, found.black, found.notes)
    return spread(samples, found), alpha, found.notes


def _with_reference(directory: Directory, layout: Layout, found: Range) -> Range:
    """The codes of black and white that the tag ReferenceBlackWhite gives for RGB.

    Some writers put 0 to 255 there whatever the depth: a white in the lower half is not believed.
    """
    if layout.number is not SampleFormat.UNSIGNED or layout.bits > 16:
        return found
    reference = reference_black_white(directory, layout.bits)
    if reference is None:
        return found
    black, white = reference
    is_believed = ((white >= found.white / 2) & (white <= found.white)).all()
    return Range(black, white, found.notes) if is_believed else found
