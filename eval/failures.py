"""One photo's trouble, which is listed and ends nothing, and all other trouble, which does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cvpire.errors import CvpireError, PhotoError
from cvpire.failures import failure_sentence
from eval.errors import EvaluationError
from eval.records import Record


def expect_of_photo(error: Exception) -> None:
    """Let what is not one photo's trouble end the evaluation: settings, weights, a full disk.

    Raises:
        CvpireError: the error itself, if it is of the family and no `PhotoError`.
    """
    if isinstance(error, CvpireError) and not isinstance(error, PhotoError):
        raise error


def photo_failure(error: Exception, file: str) -> str:
    """What to list of an image that could not be measured, in a sentence that names it.

    Args:
        error: that ended the work on it; a fault of the program too.
        file: the image's name.

    Raises:
        CvpireError: see `expect_of_photo`.
    """
    expect_of_photo(error)
    sentence = failure_sentence(error)
    # A sentence on a file names it already; one on a view does not.
    return sentence if sentence.startswith(f"{file} ") else f"{file}: {sentence}"


def expect_some(originals: Sequence[Record], failures: Mapping[str, str]) -> tuple[Record, ...]:
    """The clean photos but for those that failed later.

    Args:
        originals: at least one.
        failures: name -> why.

    Raises:
        EvaluationError: if none is left.
    """
    left = tuple(original for original in originals if original.file not in failures)
    if not left:
        first = next(iter(failures.values()))
        raise EvaluationError(
            f"None of the {len(originals)} images could be measured; the first: {first}"
        )
    return left
