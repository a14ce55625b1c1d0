"""Checks URLs of clients, and sends results to them."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import anyio
import httpx2

from munsit_denoise.errors import InvalidOption
from munsit_denoise.names import last_component
from munsit_denoise.remote.client import RefusedAddress

SCHEMES = ("http", "https")
MAX_URL_LENGTH = 4096
CHUNK_BYTES = 256 * 1024
RETRY_PAUSES_S = (1.0, 4.0, 15.0)
REFUSED = "The URL leads to an address that this server does not connect to."


@dataclass(frozen=True)
class TransferLimits:
    """Limits of a transfer; None means no limit."""

    total_s: float
    max_bytes: int | None = None


def check_url(url: str) -> str:
    """Return a URL that is valid. Raises InvalidOption."""
    try:
        parsed, parts = httpx2.URL(url), urlsplit(url)
        reachable = bool(parsed.host) and parts.port != 0 and not re.search(r"\s", parts.netloc)
    except (httpx2.InvalidURL, TypeError, ValueError):  # ValueError for an invalid port or host
        raise InvalidOption("The URL cannot be parsed.") from None
    if parsed.scheme not in SCHEMES or not reachable or len(url) > MAX_URL_LENGTH:
        raise InvalidOption("The URL must begin with http:// or https:// and name a host.")
    return url


def name_in(url: str) -> str:
    """Return the file name at the end of a URL, or an empty string."""
    return last_component(unquote(httpx2.URL(url).path))


async def deliver(
    client: httpx2.AsyncClient, path: Path, url: str, media_type: str, limits: TransferLimits
) -> str | None:
    """PUT a file to a URL, with retries; return None, or the reason of the final failure."""
    reason: str | None = None
    try:
        with anyio.fail_after(limits.total_s):
            for pause_s in (*RETRY_PAUSES_S, None):
                reason, again = await _put(client, path, url, media_type)
                if reason is None or not again or pause_s is None:
                    break
                await anyio.sleep(pause_s)
    except TimeoutError:
        return "its server took too long"
    return reason


async def _put(client: httpx2.AsyncClient, path: Path, url: str, media_type: str) -> tuple[str | None, bool]:
    """Return the reason of a failure, or None, and whether to try again."""
    headers = {"Content-Type": media_type, "Content-Length": str((await anyio.Path(path).stat()).st_size)}
    try:
        async with client.stream("PUT", url, content=_chunks(path), headers=headers) as answer:
            status = answer.status_code  # the body of the answer is not read
    except RefusedAddress:
        return REFUSED, False
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return "its server could not be reached", True
    if 200 <= status < 300:
        return None, False
    return f"its server answered {status}", status >= 500 or status in (408, 429)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        while chunk := await file.read(CHUNK_BYTES):
            yield chunk
