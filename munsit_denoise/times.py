"""Parses times: `30d` from now, a date, or a date with time."""

import re
from datetime import UTC, datetime

from munsit_denoise.errors import InvalidOption

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
LONGEST_S = 100 * 366 * 86_400


def duration_s(text: str) -> int:
    """Return the seconds of a duration such as `24h`, `30d` or `0`. Raises InvalidOption."""
    found = re.fullmatch(r"(\d{1,9})([smhdw])|0", text.strip(), re.ASCII | re.IGNORECASE)
    seconds = int(found[1]) * UNITS_S[found[2].lower()] if found and found[1] else 0
    if found is None or seconds > LONGEST_S:
        raise InvalidOption(f"{text!r} is not a length of time. Write it like 30d, 24h or 15m.")
    return seconds


def moment_us(text: str, now_us: int) -> int:
    """Return the time after a duration from now, or of the beginning of a day (UTC), in microseconds since 1970.

    Raises InvalidOption, also for a time in the past.
    """
    if re.fullmatch(r"\d+[smhdw]", text.strip(), re.ASCII | re.IGNORECASE):
        found_us = now_us + duration_s(text) * 1_000_000
    else:
        found_us = _date_us(text.strip())
    if found_us <= now_us:
        raise InvalidOption(f"{text!r} is in the past. Please give a time in the future.")
    return found_us


def _date_us(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        raise InvalidOption(f"{text!r} is not a time. Write it like 30d or 2027-01-01.") from None
