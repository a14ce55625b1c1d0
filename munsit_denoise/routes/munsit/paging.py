"""Pages of lists, and the streaming of long lists."""

import re
from collections.abc import AsyncIterator

from starlette.requests import Request

from munsit_denoise.errors import InvalidPage

LARGEST = 2**63 - 1
DIGITS = re.compile(r"\d{1,19}", re.ASCII)


def page_of(request: Request) -> tuple[int, int | None]:
    """Return offset and limit of the query; None means no limit. Raises InvalidPage."""
    offset = _number(request, "offset", 0, "offset must be a non-negative number") or 0
    return offset, _number(request, "limit", 1, "limit must be a positive number")


async def joined(first: bytes, arrays: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield one JSON array made of several; only the first of these may be empty."""
    yield first[:-1]
    async for array in arrays:
        yield b"," + array[1:-1]
    yield b"]"


def _number(request: Request, name: str, least: int, complaint: str) -> int | None:
    """Return an integer of the query, or None if it is absent. Raises InvalidPage."""
    value = request.query_params.get(name)
    if value is None:
        return None
    if not DIGITS.fullmatch(value) or not least <= int(value) <= LARGEST:
        raise InvalidPage(complaint)
    return int(value)
