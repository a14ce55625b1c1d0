"""The body of a webhook: the end of a job, and its record as in the list."""

from collections.abc import Sequence
from typing import Any

import orjson

from munsit_denoise.records import HISTORY_COLUMNS
from munsit_denoise.routes.munsit.wire import entries, timestamp

STATUS = HISTORY_COLUMNS.index("status")


def message(base: str, values: Sequence[Any], ended_at_us: int) -> bytes:
    """Return the body for a row of `HISTORY_COLUMNS`, with URLs on this base."""
    record = orjson.Fragment(entries(base)([values])[1:-1])
    body = {"type": f"denoise.{values[STATUS]}", "timestamp": timestamp(ended_at_us), "data": record}
    return orjson.dumps(body)
