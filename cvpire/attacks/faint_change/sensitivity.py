"""What a change of a whole photo costs the eye, and the change that gains most for what it costs.

The eye sees a change by its contrast: opponent colours, each frequency as the eye is sensitive to
it (Mullen 1985, doi:10.1113/jphysiol.1985.sp015591), and less where the photo is busy or its
colour-variance bound is narrow. A norm of the fourth power over the pixels makes a few strong
specks as dear as they are visible. The frequencies are those of a screen with about 67 pixels a
degree, as FLIP and others take it: a laptop at arm's length.

Since sensitivity is a filter that can be undone, the best change for a gradient has a closed form:
no descent has to find it. Planes are (3, H, W) float32 in grey levels, sRGB.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Planes = NDArray[np.float32]

# Lightness (Rec. 601), red against green, and yellow against blue, of a change (r, g, b).
_TO_OPPONENT = np.array([[0.299, 0.587, 0.114], [0.5, -0.5, 0.0], [0.25, 0.25, -0.5]], np.float32)
_FROM_OPPONENT = np.linalg.inv(_TO_OPPONENT).astype(np.float32)

# Of the three: how dear a level is at low frequencies, and the frequency, in cycles a pixel, at
# which it is half as dear.
_WEIGHT = (1.0, 2.5, 2.5)
_HALF_FREQUENCY = (0.2, 0.08, 0.07)

# How steeply sensitivity falls there, and the share of it that is left at the highest frequencies.
_STEEPNESS, _FLOOR = 3.0, 0.25

# No change is made above this frequency, in cycles a pixel: codecs and sizes would take it away.
_HIGHEST_FREQUENCY, _CUT_STEEPNESS = 0.35, 8.0

# A change costs less where lightness deviates by so many levels within a Gaussian of this sigma.
_MASKING_LEVELS, _MASKING_SIGMA = 8.0, 2.0

# A change of lightness costs this many times as much on a plain surface as in texture. Colours
# cost the same on both.
_PLAIN_COST = 3.0

# Texture: fine detail (lightness above the first sigma, averaged by the second) of about so many
# levels, and no less anywhere near (a Gaussian of the third sigma, in pixels of the screen: as far
# as ripples reach from an edge). The last keeps a detail of 0 from deciding alone.
_TEXTURE_LEVELS = 3.0
_DETAIL_SIGMA, _DETAIL_MEAN_SIGMA, _NEIGHBOURHOOD_SIGMA = 1.5, 1.0, 4.0
_LEAST_DETAIL = 0.3

# Where the bound is below about so many levels, a change costs more: it could not be made in full.
_ROOM_LEVELS, _LEAST_ROOM = 3.0, 0.02

# Of the norm over the pixels.
_POWER = 4.0


class ContrastCost:
    """The visible contrast of a change to one photo.

    It is the fourth-power mean, over the pixels, of the contrast that is seen of the change there:
    at the frequencies that are seen best, about 1 for a change of lightness by one grey level in
    texture, and 3 on a plain surface.

    Args:
        sights: what is seen of the photo, (3, H, W) each, levels from 0 to 255 (several where it
            has transparency).
        bound: (H, W), the most that is seen of a change, in levels.
        scale: the photo's width as given here, as a share of that on the screen.
        masking: the power by which a change costs less in busy places, 0 for none. Much of it
            pleases SSIMULACRA2 and ColorVideoVDP, and is seen by FLIP.

    Example:
        >>> photo = np.full((3, 32, 32), 128.0, np.float32)
        >>> cost = ContrastCost([photo], np.full((32, 32), 64.0, np.float32))
        >>> fine = np.zeros_like(photo)
        >>> fine[:, :, ::4], fine[:, :, 2::4] = 1.0, -1.0
        >>> bool(cost.contrast(fine) < cost.contrast(np.ones_like(photo)))
        True
    """

    def __init__(
        self,
        sights: Sequence[Planes],
        bound: NDArray[np.float32],
        *,
        scale: float = 1.0,
        masking: float = 0.25,
    ) -> None:
        height, width = bound.shape
        vertical = np.arange(height, dtype=np.float32)[:, None] / (2.0 * height)
        horizontal = np.arange(width, dtype=np.float32)[None] / (2.0 * width)
        frequency = np.hypot(vertical, horizontal)
        kept = 1.0 / (1.0 + (frequency / _HIGHEST_FREQUENCY) ** _CUT_STEEPNESS)
        self._insensitivity = np.stack(
            [
                kept / (weight * (1.0 / (1.0 + (scale * frequency / half) ** _STEEPNESS) + _FLOOR))
                for weight, half in zip(_WEIGHT, _HALF_FREQUENCY, strict=True)
            ]
        ).astype(np.float32)
        hidden = np.minimum.reduce([_masked(sight, masking) for sight in sights])
        room = np.maximum(np.tanh(bound / _ROOM_LEVELS), _LEAST_ROOM)
        texture = np.minimum.reduce([_texture(sight, scale) for sight in sights])
        plain = 1.0 / _PLAIN_COST
        self._cheapness = np.stack(
            [share * hidden * room for share in (plain + (1.0 - plain) * texture, 1.0, 1.0)]
        ).astype(np.float32)

    def contrast(self, change: Planes) -> float:
        """The visible contrast of a change; what lies beyond the highest frequency is very dear.

        Args:
            change: (3, H, W), in levels.
        """
        seen = _filtered(_mixed(_TO_OPPONENT, change), 1.0 / self._insensitivity)
        return _norm(seen / self._cheapness)

    def best_change(self, gain: Planes) -> Planes:
        """The change of visible contrast 1 that gains most.

        Args:
            gain: (3, H, W), of one level more of each channel.

        Returns:
            (3, H, W) in levels, not rounded and not bounded; 0 everywhere for a gain of 0.
        """
        # By Hoelder's inequality, in the coordinates in which the cost is a plain norm.
        seen = _filtered(_mixed(_FROM_OPPONENT.T, gain), self._insensitivity) * self._cheapness
        length = np.sqrt(np.square(seen).sum(axis=0))
        if not (mean := float(length.mean())) > 0.0:
            return np.zeros_like(gain)
        length = np.maximum(length / mean, 1e-12)
        seen *= length ** (1.0 / (_POWER - 1.0) - 1.0) / mean
        seen *= self._cheapness / _norm(seen)
        return _mixed(_FROM_OPPONENT, _filtered(seen, self._insensitivity))


def _masked(sight: Planes, power: float) -> NDArray[np.float32]:
    """(H, W), at least 1: by how much less a change is seen at each pixel."""
    lightness = _lightness(sight)
    mean = gaussian_filter(lightness, _MASKING_SIGMA)
    variance = gaussian_filter(np.square(lightness - mean), _MASKING_SIGMA)
    masked: NDArray[np.float32] = (1.0 + variance / _MASKING_LEVELS**2) ** (power / 2.0)
    return masked


def _texture(sight: Planes, scale: float) -> NDArray[np.float32]:
    """(H, W), from 0 on a plain surface, up to its very edge, to 1 in texture."""
    lightness = _lightness(sight)
    detail = np.abs(lightness - gaussian_filter(lightness, _DETAIL_SIGMA))
    detail = gaussian_filter(detail, _DETAIL_MEAN_SIGMA)
    # A harmonic mean: one edge does not make a neighbourhood busy, one plain half makes it plain.
    inverse = gaussian_filter(1.0 / (detail + _LEAST_DETAIL), scale * _NEIGHBOURHOOD_SIGMA)
    texture: NDArray[np.float32] = np.tanh((1.0 / inverse - _LEAST_DETAIL) / _TEXTURE_LEVELS)
    return texture


def _lightness(sight: Planes) -> NDArray[np.float32]:
    lightness: NDArray[np.float32] = np.tensordot(_TO_OPPONENT[0], sight, 1)
    return lightness


def _mixed(matrix: NDArray[np.float32], planes: Planes) -> Planes:
    mixed: Planes = np.tensordot(matrix, planes, 1)
    return mixed


def _filtered(planes: Planes, by_frequency: Planes) -> Planes:
    """The planes, mirrored at their borders, with each frequency multiplied."""
    spectrum = scipy.fft.dctn(planes, axes=(1, 2), norm="ortho", workers=-1)
    spectrum *= by_frequency
    filtered: Planes = scipy.fft.idctn(
        spectrum, axes=(1, 2), norm="ortho", workers=-1, overwrite_x=True
    )
    return filtered


def _norm(seen: Planes) -> float:
    powers = np.square(seen).sum(axis=0) ** (_POWER / 2.0)
    return float(powers.mean(dtype=np.float64) ** (1.0 / _POWER))
