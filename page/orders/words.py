"""Numbers as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Seconds in words, rounded up: "8 s", "3 min"."""
    whole = int(seconds) + 1
    return f"{whole} s" if whole < 120 else f"{-(-whole // 60)} min"


def percent(share: float) -> str:
    """A probability with as many digits as tell something: "73%", "0.02%"."""
    if share >= 0.0995:
        return f"{share:.0%}"
    if share >= 0.00995:
        return f"{share:.1%}"
    return f"{share:.2%}" if share >= 0.00005 else "below 0.01%"
