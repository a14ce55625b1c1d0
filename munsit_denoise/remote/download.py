"""Downloads a recording from a URL: decodes and names it, and resumes after interruptions."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx2

from munsit_denoise.errors import DenoiseError, ProcessingFailed
from munsit_denoise.names import extension_of, file_name, parameters
from munsit_denoise.remote.client import RefusedAddress
from munsit_denoise.remote.coding import BrokenCoding, Decoder, UnknownCoding
from munsit_denoise.remote.transfer import CHUNK_BYTES, REFUSED, TransferLimits, name_in

RESUME_PAUSE_S = 1.0  # before an interrupted download is resumed
MAX_FRUITLESS = 2  # consecutive attempts to resume that bring nothing
FAILED = "The URL could not be downloaded: "
TooLarge = Callable[[int], DenoiseError]


@dataclass(frozen=True)
class Fetched:
    """Size and name of a download; the name is empty if there is none."""

    size_bytes: int
    file_name: str


async def fetch(
    client: httpx2.AsyncClient, url: str, path: Path, limits: TransferLimits, too_large: TooLarge
) -> Fetched:
    """Download a URL to a path.

    Raises ProcessingFailed with a sentence, and the error that `too_large` returns for a size.
    """
    try:
        with anyio.fail_after(limits.total_s):
            return await _Download(client, url, path, limits.max_bytes, too_large).run()
    except RefusedAddress:
        raise ProcessingFailed(REFUSED) from None
    except (TimeoutError, httpx2.TimeoutException):
        raise ProcessingFailed(f"{FAILED}its server took too long.") from None
    except httpx2.TooManyRedirects:
        raise ProcessingFailed(f"{FAILED}it is redirected too often.") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.UnsupportedProtocol):
        raise ProcessingFailed(f"{FAILED}its server could not be reached.") from None
    except UnknownCoding as unknown:
        raise ProcessingFailed(
            f"{FAILED}it is sent in an encoding that this server does not read: {unknown}."
        ) from None
    except BrokenCoding:
        raise ProcessingFailed(f"{FAILED}it is not in the encoding that its server says.") from None


class _CutOff(Exception):
    """The connection ended before the body did."""


@dataclass
class _Download:
    """One file that is received over one or more connections."""

    client: httpx2.AsyncClient
    url: str
    path: Path
    max_bytes: int | None
    too_large: TooLarge
    received_bytes: int = 0  # of the body, before decoding
    size_bytes: int = 0  # of the content
    total_bytes: int | None = None  # of the body, if the server says so
    validator: str = ""  # identifies the version of the file on the server
    file_name: str = ""
    decoder: Decoder = field(default_factory=lambda: Decoder(""))

    async def run(self) -> Fetched:
        """Receive the complete file. Raises ProcessingFailed, and httpx2's errors of the first connection."""
        best_bytes = fruitless = 0
        async with await anyio.open_file(self.path, "wb") as file:
            while True:
                try:
                    await self._receive(file)
                    return Fetched(self.size_bytes, self.file_name)
                except _CutOff:
                    fruitless = 0 if self.received_bytes > best_bytes else fruitless + 1
                best_bytes = max(best_bytes, self.received_bytes)
                if fruitless > MAX_FRUITLESS:
                    raise self._cut_off()
                await anyio.sleep(RESUME_PAUSE_S)

    async def _receive(self, file: anyio.AsyncFile[bytes]) -> None:
        """Receive from one connection. Raises _CutOff."""
        going_on = self.received_bytes > 0 and bool(self.validator)
        headers = {"Range": f"bytes={self.received_bytes}-", "If-Range": self.validator} if going_on else {}
        again = self.received_bytes > 0
        try:
            async with self.client.stream("GET", self.url, headers=headers, follow_redirects=True) as response:
                if not (going_on and self._continues(response)):
                    await self._begin(response, file, again=again)
                await self._take_body(response, file)
        except (httpx2.NetworkError, httpx2.RemoteProtocolError) as error:
            if isinstance(error, RefusedAddress) or not self.received_bytes:
                raise
            raise _CutOff from None

    def _continues(self, response: httpx2.Response) -> bool:
        """Return whether an answer continues the body where it was interrupted."""
        spans = re.match(r"bytes (\d{1,18})-", response.headers.get("content-range", ""))
        return response.status_code == 206 and spans is not None and int(spans[1]) == self.received_bytes

    async def _begin(self, response: httpx2.Response, file: anyio.AsyncFile[bytes], *, again: bool) -> None:
        """Read the headers of a body that starts at its first byte."""
        if response.status_code != 200:
            raise self._cut_off() if again else ProcessingFailed(f"{FAILED}its server answered {response.status_code}.")
        headers = response.headers
        announced = headers.get("content-length", "")
        self.total_bytes = int(announced) if re.fullmatch(r"\d{1,18}", announced) else None
        if self.max_bytes and self.total_bytes and self.total_bytes > self.max_bytes:
            raise self.too_large(self.total_bytes)
        etag = headers.get("etag", "")
        self.validator = etag if etag.startswith('"') else headers.get("last-modified", "")
        self.file_name = _name_of(response, self.url)
        self.decoder, self.received_bytes, self.size_bytes = Decoder(headers.get("content-encoding", "")), 0, 0
        await file.seek(0)
        await file.truncate()

    async def _take_body(self, response: httpx2.Response, file: anyio.AsyncFile[bytes]) -> None:
        collected = bytearray()
        try:
            async for chunk in response.aiter_raw():
                self.received_bytes += len(chunk)
                for piece in self.decoder.feed(chunk):
                    self.size_bytes += len(piece)
                    if self.max_bytes and self.size_bytes > self.max_bytes:
                        raise self.too_large(self.size_bytes)
                    collected += piece
                    if len(collected) >= CHUNK_BYTES:
                        await file.write(collected)
                        collected = bytearray()
        finally:  # keeps what was received before an interruption
            with anyio.CancelScope(shield=True):
                await file.write(collected)
        if not self.decoder.complete:
            raise self._cut_off()

    def _cut_off(self) -> ProcessingFailed:
        of_all = f" of {self.total_bytes}" if self.total_bytes else ""
        return ProcessingFailed(
            f"The download was cut off after {self.received_bytes}{of_all} bytes, and its server did not go on with it."
        )


def _name_of(response: httpx2.Response, url: str) -> str:
    """Return the name from the server, otherwise from the final URL, otherwise from the requested one."""
    said = next((value for name, value in response.headers.raw if name.lower() == b"content-disposition"), b"")
    candidates = [file_name(parameters(said)[1]) or "", name_in(str(response.url)), name_in(url)]
    known = [name for name in candidates[1:] if extension_of(name)]
    return candidates[0] or next(iter(known), candidates[1] or candidates[2])
