"""The least scale at which a change passes: a search for the root of a rising function."""

from __future__ import annotations

from collections.abc import Callable

# A step while one side is unknown: at least and at most by these factors.
_LEAST_STEP, _MOST_STEP = 1.08, 1.6

# A step between two known sides stays away from both by this share of the way.
_AWAY = 0.15


def least_scale(
    measure: Callable[[float], float],
    start: float,
    at_zero: float,
    *,
    precision: float,
    most: int,
) -> float | None:
    """Find about the least scale at which a measure is above 0.

    The measure is taken to rise about linearly from 0, where it is known; where it does not, what
    is found passes all the same, and is only not the least.

    Args:
        measure: of a scale above 0; called up to `most` times.
        start: the first scale to try, above 0.
        at_zero: the measure at scale 0, below 0.
        precision: ends the search once the least scale that passes is at most this factor above
            one that does not, such as 1.05.
        most: calls of the measure.

    Returns:
        The least scale found to pass, or None where none did.

    Example:
        >>> found = least_scale(lambda scale: scale - 2.0, 1.0, -2.0, precision=1.01, most=9)
        >>> round(found, 2)
        2.02
    """
    passing: tuple[float, float] | None = None
    failing = (0.0, at_zero)
    scale = start
    for _ in range(most):
        value = measure(scale)
        if value > 0.0:
            passing = (scale, value)
        elif scale > failing[0]:
            failing = (scale, value)
        if passing is None:
            # Where the line through 0 and here crosses 0.
            risen = value - at_zero
            step = -at_zero / risen if risen > 0.0 else _MOST_STEP
            scale *= min(max(step, _LEAST_STEP), _MOST_STEP)
            continue
        if failing[0] > 0.0 and passing[0] <= failing[0] * precision:
            break
        share = failing[1] / (failing[1] - passing[1])
        away = _AWAY if failing[0] > 0.0 else 0.0
        share = min(max(share, away), 1.0 - away)
        scale = failing[0] + share * (passing[0] - failing[0])
        # Just beyond where the border is expected, unless that is here already.
        scale = min(scale * (1.0 + (precision - 1.0) / 2.0), passing[0] / precision**0.5)
    return None if passing is None else passing[0]
