"""The whole family of errors: what went wrong outside the program, said to its user.

The message of each is one sentence (or a few) for people: what was expected, what came, what to do.
Command line, page and evaluation show it as it is. Every other exception is a fault of the program
and is shown as one (`internal_error`), never as the user's mistake.
"""

from __future__ import annotations

import errno


class CvpireError(Exception):
    """Something outside the program went wrong; the message is for its user.

    Example:
        >>> from cvpire.images.reading import read_photo
        >>> try:
        ...     read_photo(b"Dear sir,")
        ... except CvpireError as error:
        ...     print(str(error)[:52])
        The photo is not a picture of a kind that can be rea
    """


class SettingsError(CvpireError, ValueError):
    """What was asked for cannot be done: an unknown name, a value out of range, or two settings
    that do not go together.

    Example:
        >>> from cvpire import FileFormat
        >>> try:
        ...     FileFormat("JPEG", 400)
        ... except SettingsError as error:
        ...     print(error)
        expected a quality of 1 to 100, got 400
    """


class PhotoError(CvpireError, ValueError):
    """A photo cannot be read, protected or written.

    Example:
        >>> from cvpire import read_photo
        >>> try:
        ...     read_photo("nowhere.jpg")
        ... except PhotoError as error:
        ...     print(error)
        nowhere.jpg could not be read: there is no such file or folder, check the path.
    """


class OutOfMemoryError(PhotoError):
    """A photo needs more memory than the machine or its accelerator has free."""


class WeightsError(CvpireError, RuntimeError):
    """Weights are missing, damaged, not those expected, or cannot be fetched or stored.

    Example:
        >>> issubclass(WeightsError, CvpireError)
        True
    """


class Stopped(CvpireError):  # noqa: N818 - an end, not an error
    """The work was cancelled, or took longer than it may.

    Example:
        >>> str(Stopped("Cancelled."))
        'Cancelled.'
    """


def internal_error(error: BaseException) -> str:
    """What to say of an exception that is no `CvpireError`: a fault of the program.

    Args:
        error: what was raised.

    Returns:
        A sentence or two, in one line.

    Example:
        >>> internal_error(KeyError("label"))[:31]
        "Internal error, KeyError: 'labe"
    """
    words = " ".join(str(error).split())
    what = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return (
        f"Internal error, {what.rstrip('.')}. This is a fault of CV-PIRE, not of your photo: "
        "please report it."
    )


_REASONS = {
    errno.ENOENT: "there is no such file or folder, check the path",
    errno.ENOTDIR: "there is no such file or folder, check the path",
    errno.EISDIR: "a folder is at that path, choose a file's path",
    errno.EACCES: "permission was denied, choose another place or change its permissions",
    errno.EPERM: "permission was denied, choose another place or change its permissions",
    errno.EROFS: "that disk can only be read, choose another place",
    errno.ENOSPC: "the disk is full, free some space and try again",
    errno.EDQUOT: "the disk is full, free some space and try again",
    errno.ENAMETOOLONG: "its name or path is too long, give it a shorter one",
}


def reason(error: OSError) -> str:
    """What went wrong and what to do, without the path, which may tell more than a user wants."""
    other = f"the system says '{error.strerror or error}', try another place"
    return _REASONS.get(error.errno or 0, other)
