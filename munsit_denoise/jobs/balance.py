"""Converts between minutes, as users write them, and milliseconds."""

from math import isfinite

from munsit_denoise.errors import InvalidOption

MS_PER_MINUTE = 60_000
MOST_MINUTES = 1e9


def credit_ms(minutes: float) -> int:
    """Return minutes in milliseconds. Raises InvalidOption."""
    if not isfinite(minutes) or not 0 < minutes <= MOST_MINUTES or round(minutes * MS_PER_MINUTE) == 0:
        raise InvalidOption(f"minutes must be a positive number, up to {MOST_MINUTES:.0f}.")
    return round(minutes * MS_PER_MINUTE)


def minutes_of(amount_ms: int) -> float:
    """Return milliseconds in minutes, with enough digits to distinguish single milliseconds."""
    return round(amount_ms / MS_PER_MINUTE, 6)
