"""Files to photos: what a user's file shows, as a viewer shows it.

The photo is that of `cvpire.images.photo`.
"""

import errno
import io
import re
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from cvpire.errors import PhotoError
from cvpire.images.photo import Photo, reason
from cvpire.images.profiles import to_srgb

DEFAULT_MAX_PIXELS = 64_000_000
DEFAULT_MAX_BYTES = 100_000_000

# The white list. Pillow's reader classes are called directly, not through Image.open, which judges
# the size by a limit of the whole process. A JPEG with further pictures inside ("MPO", many phones)
# is read as a plain JPEG, which gives its first picture.
_SIGNATURES: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (rb"\x89PNG\r\n\x1a\n", PngImageFile),
    (rb"\xff\xd8\xff", JpegImageFile),
    (rb"RIFF....WEBP", WebPImageFile),
    (rb"GIF8[79]a", GifImageFile),
    (rb"BM", BmpImageFile),
    (rb"II[*+]\0|MM\0[*+]", TiffImageFile),
    (rb"....ftyp(....)*avi[fs]", AvifImageFile),
)
_HEIF_SIGNATURE = rb"....ftyp(hei[cmxs]|hev[cmxs]|mif1|msf1)"
_HEIF_SEQUENCE = rb"....ftyp(hev[cmxs]|msf1)"

# EXIF orientation -> what turns the stored picture upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION_TAG, _SUBFILE_TYPE_TAG, _DNG_VERSION_TAG = 274, 254, 50706

# Reading holds this lock, because Pillow's switches (see _decoding) belong to the whole process.
# It also means that no two big photos are unpacked in memory at the same time.
_PILLOW = threading.Lock()


def read_photo(
    source: str | Path | bytes,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Photo:
    """Read a PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF or HEIC picture as a viewer would show it.

    Orientation is applied, colours are brought to 8-bit sRGB, transparency is kept beside them.

    Args:
        source: a file's path, or a file's content.
        max_pixels: the largest width x height, judged before anything is unpacked.
        max_bytes: the largest file.

    Raises:
        PhotoError: if the file cannot be read, is too large, damaged, cut off, animated, or of
            another kind. No other exception leaves this function because of a file's content.
    """
    name, data = _load_bytes(source, max_bytes)
    with _decoding(name):
        image = _open(name, data)
        _check_size(name, image.size, max_pixels)
        _check_single(name, image, data)
        return _convert(name, image)


def read_written(data: bytes, photo: Photo) -> Photo:
    """Read a file that was made of a photo: no limits, since it is ours and the photo was let in.

    Args:
        data: the file.
        photo: of which it was made.
    """
    return read_photo(data, max_pixels=photo.width * photo.height, max_bytes=len(data))


def _load_bytes(source: str | Path | bytes, max_bytes: int) -> tuple[str, bytes]:
    """A name for messages, and the content: at most max_bytes, and at least one."""
    if isinstance(source, bytes):
        name, size, data = "The photo", len(source), source
    else:
        path = Path(source)
        name = path.name or "The photo"
        try:
            size, data = _load_file(path, max_bytes)
        except OSError as error:
            raise PhotoError(f"{name} could not be read: {reason(error)}.") from error
        except ValueError as error:  # a zero character inside the path
            raise PhotoError("That path cannot be a file's, check it.") from error
    if size > max_bytes:
        raise PhotoError(
            f"{name} has {size / 1e6:.1f} MB and at most {max_bytes / 1e6:g} MB are accepted:"
            " make it smaller and try again."
        )
    if not data:
        raise PhotoError(f"{name} is empty (0 bytes): export or download it again.")
    return name, data


def _load_file(path: Path, max_bytes: int) -> tuple[int, bytes]:
    """Size and content; the content is left out where the size alone forbids it."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, "Is a directory")
    if not stat.S_ISREG(status.st_mode):  # a pipe would wait, a device would never end
        raise OSError(errno.EINVAL, "Not a regular file")
    if status.st_size > max_bytes:
        return status.st_size, b""
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)  # it may have grown since
    return len(data), data


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Let nothing out of Pillow but a PhotoError: no other exception, no warning.

    Decoders meet hostile bytes with nearly every exception there is, so all are taken.
    """
    with _PILLOW, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Some libraries switch this on; then half a photo would pass, its rest grey.
        tolerant, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        try:
            yield
        except PhotoError:
            raise
        except MemoryError as error:
            raise PhotoError(
                f"{name} needs more memory than there is: make it smaller and try again."
            ) from error
        except Exception as error:
            raise PhotoError(
                f"{name} is cut off or damaged and cannot be read: export or download it again."
            ) from error
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = tolerant


def _open(name: str, data: bytes) -> ImageFile.ImageFile:
    """Read the header only, by the reader that the first bytes ask for."""
    for signature, reader in _SIGNATURES:
        if re.match(signature, data[:64], re.DOTALL):
            return reader(io.BytesIO(data))
    if re.match(_HEIF_SIGNATURE, data[:64], re.DOTALL):
        return _open_heif(name, data)
    raise PhotoError(
        f"{name} is not a picture of a kind that can be read:"
        " save it as JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF and try again."
    )


def _open_heif(name: str, data: bytes) -> ImageFile.ImageFile:
    try:
        from pillow_heif import HeifImageFile  # only this format needs it
    except ImportError as error:
        raise PhotoError(
            f"{name} is a HEIC picture, which needs the package pillow-heif:"
            " install it (pip install pillow-heif) or save the photo as JPEG."
        ) from error
    reader: Callable[[io.BytesIO], ImageFile.ImageFile] = HeifImageFile
    return reader(io.BytesIO(data))


def _check_size(name: str, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise PhotoError(
            f"{name} has {width} x {height} pixels ({width * height / 1e6:.1f} megapixels) and at"
            f" most {max_pixels / 1e6:g} megapixels are accepted: make it smaller and try again."
        )


def _check_single(name: str, image: ImageFile.ImageFile, data: bytes) -> None:
    """Refuse what is more or less than one picture."""
    if isinstance(image, TiffImageFile):
        # A raw file's first page is a thumbnail, which nobody wants instead of the photo.
        if int(image.tag_v2.get(_SUBFILE_TYPE_TAG, 0)) & 1 or _DNG_VERSION_TAG in image.tag_v2:
            raise PhotoError(f"{name} is a camera's raw file: export it as JPEG and try again.")
        if image.is_animated:  # pages are not counted: a file may hold millions
            raise PhotoError(
                f"{name} has several pages and a single picture was expected:"
                " save one page and try again."
            )
        return
    # Several still pictures in a HEIC file are no animation; its main one is read.
    is_heif_still = image.format == "HEIF" and not re.match(_HEIF_SEQUENCE, data, re.DOTALL)
    frames = 1 if is_heif_still else getattr(image, "n_frames", 1)
    if frames > 1:
        raise PhotoError(
            f"{name} is an animation of {frames} frames and a single picture was expected:"
            " save one frame and try again."
        )


def _convert(name: str, image: ImageFile.ImageFile) -> Photo:
    stored = " ".join(str(tile.args) for tile in image.tile)  # Pillow's raw mode, e.g. "RGB;16B"
    upright, turn_note = _upright(image)
    plain = _without_palette(upright)
    alpha = _alpha(plain, stored)
    eight_bit, depth_note = _to_eight_bits(name, plain, stored)
    srgb, *colour_notes = to_srgb(eight_bit, stored)
    notes = (turn_note, depth_note, *colour_notes)
    return Photo(np.array(srgb), alpha, tuple(note for note in notes if note))


def _upright(image: ImageFile.ImageFile) -> tuple[Image.Image, str]:
    # Pillow turns a TIFF while it loads and forgets the tag; pillow-heif does so with HEIC.
    is_turned = isinstance(image, TiffImageFile) and image.tag_v2.get(_ORIENTATION_TAG) in _TURNS
    image.load()
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # damaged EXIF data says nothing, and the picture itself is whole
        turn = None
    note = "Turned upright as its EXIF orientation says." if turn is not None or is_turned else ""
    return (image if turn is None else image.transpose(turn)), note


def _without_palette(image: Image.Image) -> Image.Image:
    """Palettes become colours, and colours multiplied by alpha become straight ones."""
    if image.mode in ("La", "RGBa"):
        return image.convert(image.mode.upper())
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image


def _alpha(image: Image.Image, stored: str) -> NDArray[np.uint8] | None:
    """(H, W) transparency from the channel, or from one transparent colour; None without either."""
    if image.mode in ("LA", "RGBA"):
        return np.array(image.getchannel("A"))
    key = image.info.get("transparency")
    if key is None:
        return None
    # PNG gives the colour in the file's own depth; Pillow spreads 2 and 4 bits over 0 to 255, and
    # keeps of 16-bit RGB the high bytes only.
    if depth := re.match(r"L;([24])", stored):
        key = key * 255 // (2 ** int(depth[1]) - 1)
    if image.mode == "RGB" and ";16" in stored:
        key = [value >> 8 for value in key]
    values = np.atleast_3d(np.array(image.convert("L") if image.mode == "1" else image))
    return np.where((values == key).all(axis=-1), 0, 255).astype(np.uint8)


def _to_eight_bits(name: str, image: Image.Image, stored: str) -> tuple[Image.Image, str]:
    """Grey of more than 8 bits becomes L; Pillow has already reduced the rest, which is noted."""
    values = np.array(image) if image.mode.startswith(("I", "F")) else None
    if values is None:
        bits = 16 if ";16" in stored else image.info.get("bit_depth", 8)
        return image, f"Reduced from {bits} to 8 bits a channel." if bits > 8 else ""
    if image.mode.startswith("I;16"):  # 12 bits come in this mode too, not scaled
        bits = 12 if ";12" in stored else 16
        grey, note = values >> (bits - 8), f"Reduced from {bits} to 8 bits a channel."
    else:
        grey, note = _scaled(name, values)
    result = Image.fromarray(grey.astype(np.uint8))
    result.info = image.info
    return result, note


def _scaled(name: str, grey: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """(H, W) int32 or float32 to 0..255; such files do not say which value is white.

    A file that stays within 0..255 (integers) or 0..1 (floats) is taken to use that range: read as
    the larger one (0..65535, 0..255) it would be black.
    """
    is_float = grey.dtype.kind == "f"
    low, high, small, large = grey.min(), grey.max(), *((1, 255) if is_float else (255, 65535))
    if not (low >= 0 and high <= large):  # so put, NaN fails it too
        raise PhotoError(
            f"{name} has grey values from {low:g} to {high:g} and 0 to {small} or 0 to {large} was"
            " expected: save it with 8 or 16 bits a channel."
        )
    white = small if high <= small else large
    eight_bit = np.rint(grey * (255 / white)) if is_float else grey >> (8 if white > 255 else 0)
    return eight_bit, f"Read its {grey.dtype} values as 0 to {white} and reduced them to 8 bits."
