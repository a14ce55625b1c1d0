"""A recording in from a URL, a result out to one."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import anyio
import httpx

from munsit_denoise.errors import DenoiseError, InvalidOption, ProcessingFailed
from munsit_denoise.remote.client import RefusedAddress

SCHEMES = ("http", "https")
MAX_URL_LENGTH = 4096
CHUNK_BYTES = 256 * 1024
RETRY_PAUSES_S = (1.0, 4.0, 15.0)
REFUSED = "The URL leads to an address that this server does not connect to."


@dataclass(frozen=True)
class Patience:
    """How much a transfer may take; None is no limit."""

    total_s: float
    max_bytes: int | None = None


def check_url(url: str) -> str:
    """Return a URL that can be tried. Raises InvalidOption."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise InvalidOption("The URL cannot be read.") from None
    if parsed.scheme not in SCHEMES or not parsed.host or len(url) > MAX_URL_LENGTH:
        raise InvalidOption("The URL must begin with http:// or https:// and name a host.")
    return url


def name_in(url: str) -> str:
    """Return the file name that a URL ends with, empty where there is none."""
    return PurePosixPath(unquote(httpx.URL(url).path)).name.replace("\0", "")


async def fetch(
    client: httpx.AsyncClient, url: str, path: Path, patience: Patience, too_large: Callable[[int], DenoiseError]
) -> int:
    """Write what a URL holds to a path and return its size in bytes.

    Raises ProcessingFailed with a sentence, and what `too_large` makes of a size.
    """
    try:
        with anyio.fail_after(patience.total_s):
            async with client.stream("GET", url, follow_redirects=True) as response:
                if response.status_code != 200:
                    raise ProcessingFailed(
                        f"The URL could not be downloaded: its server answered {response.status_code}."
                    )
                return await _receive(response, path, patience, too_large)
    except RefusedAddress:
        raise ProcessingFailed(REFUSED) from None
    except (TimeoutError, httpx.TimeoutException):
        raise ProcessingFailed("The URL could not be downloaded: its server took too long.") from None
    except httpx.TooManyRedirects:
        raise ProcessingFailed("The URL could not be downloaded: it is redirected too often.") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise ProcessingFailed("The URL could not be downloaded: its server could not be reached.") from None


async def _receive(
    response: httpx.Response, path: Path, patience: Patience, too_large: Callable[[int], DenoiseError]
) -> int:
    announced = response.headers.get("content-length", "")
    if patience.max_bytes and re.fullmatch(r"\d{1,18}", announced) and int(announced) > patience.max_bytes:
        raise too_large(int(announced))
    size_bytes = 0
    async with await anyio.open_file(path, "wb") as file:
        async for chunk in response.aiter_raw(CHUNK_BYTES):
            size_bytes += len(chunk)
            if patience.max_bytes and size_bytes > patience.max_bytes:
                raise too_large(size_bytes)
            await file.write(chunk)
    return size_bytes


async def deliver(client: httpx.AsyncClient, path: Path, url: str, media_type: str, patience: Patience) -> str | None:
    """PUT a file to a URL, again after a while when that fails; return None, or why it failed for good."""
    reason: str | None = None
    try:
        with anyio.fail_after(patience.total_s):
            for pause_s in (*RETRY_PAUSES_S, None):
                reason, again = await _put(client, path, url, media_type)
                if reason is None or not again or pause_s is None:
                    break
                await anyio.sleep(pause_s)
    except TimeoutError:
        return "its server took too long"
    return reason


async def _put(client: httpx.AsyncClient, path: Path, url: str, media_type: str) -> tuple[str | None, bool]:
    """Return why it failed, None if it did not, and whether another try makes sense."""
    headers = {"Content-Type": media_type, "Content-Length": str((await anyio.Path(path).stat()).st_size)}
    try:
        async with client.stream("PUT", url, content=_chunks(path), headers=headers) as answer:
            status = answer.status_code  # what else it says is not read
    except RefusedAddress:
        return REFUSED, False
    except (httpx.HTTPError, httpx.InvalidURL):
        return "its server could not be reached", True
    if 200 <= status < 300:
        return None, False
    return f"its server answered {status}", status >= 500 or status in (408, 429)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        while chunk := await file.read(CHUNK_BYTES):
            yield chunk
