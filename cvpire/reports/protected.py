"""What a photo becomes: its file, the threshold map, and the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvpire.errors import PhotoError
from cvpire.images.formats import FileFormat, kind_of
from cvpire.images.photo import Photo, write_bytes
from cvpire.reports.report import Report


@dataclass(frozen=True, eq=False)
class Protected:
    """A photo that went the whole way.

    Attributes:
        photo: as read back from `data`.
        data: the bytes of the file, without metadata; what the report speaks of.
        file_format: of these bytes; its quality is known, whatever was asked for.
        threshold_map: (H, W) float32 in [0, 1].
        report: verdict and figures. Unless `report.verdict.is_success`, the photo is *not*
            protected, only the best attempt.

    Example:
        >>> from cvpire import Photo, protect
        >>> pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        >>> protected = protect(Photo(pixels), run="Top1-min")
        >>> protected.threshold_map.shape
        (64, 64)
    """

    photo: Photo
    data: bytes
    file_format: FileFormat
    threshold_map: NDArray[np.float32]
    report: Report

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all, over one that is there.

        Args:
            path: ending as files of `file_format` do, or without a suffix.

        Raises:
            PhotoError: if the photo is not protected, so that nobody posts it by mistake; if the
                name is that of another kind of file; or if it cannot be written.
        """
        path = Path(path)
        if not self.report.verdict.is_success:
            raise PhotoError(f"Nothing was written to {path.name}. {self.report.sentence()}")
        if path.suffix and kind_of(path) != self.file_format.kind:
            raise PhotoError(
                f"expected a name that ends in {self.file_format.suffix}, since the file is a "
                f"{self.file_format.kind}, got {path.name}: protect the photo as another "
                "file_format, or choose another name."
            )
        write_bytes(path, self.data)
