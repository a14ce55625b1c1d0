"""Sends requests with the key, turns refusals into errors, and retries."""

import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlsplit

from munsit_denoise_client.errors import ApiError, ClientError, ConnectionLost, api_error
from munsit_denoise_client.io import Answer, Call, Io

BASE = "/api/v1"
AGAIN = (429, 502, 503, 504)
KEY_IN_USE = "40901"  # the same submission is still being received on another connection
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0


@dataclass(frozen=True)
class Patience:
    """When to give up: failures in a row without an answer, and seconds of waiting that the server asks for."""

    retries: int = 5
    longest_wait_s: float = 600


class Tries:
    """Counts failures since the last success."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """Note a success."""
        self._failures, self._waited_s = 0, 0.0

    def pause_s(self, error: ClientError) -> float:
        """Return the pause before the next try. Raises the error if there is none."""
        asked_s = error.retry_after_s if isinstance(error, ApiError) else None
        if not is_passing(error):
            raise error
        if asked_s:  # zero is no pause: a server that asks for it would be tried without end
            self._waited_s += asked_s
            if self._patience.retries == 0 or self._waited_s > self._patience.longest_wait_s:
                raise error
            return float(asked_s)
        self._failures += 1
        if self._failures > self._patience.retries:
            raise error
        # jittered, so that clients do not all return at the same time
        pause_s = min(FIRST_PAUSE_S * 2.0 ** (self._failures - 1), LONGEST_PAUSE_S)
        return float(pause_s * random.uniform(0.5, 1))  # noqa: S311


def is_passing(error: ClientError) -> bool:
    """Return whether the same request may succeed later."""
    if isinstance(error, ApiError):
        return error.status in AGAIN or error.code == KEY_IN_USE
    return isinstance(error, ConnectionLost)


@dataclass(frozen=True)
class Reply:
    """A complete answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body's content. Raises ConnectionLost if it is not JSON, because a proxy has answered."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise ConnectionLost("The answer is no JSON. Is this the address of a denoise server?") from None


class Caller:
    """Sends requests to the server's base URL; the key is sent to no other address."""

    def __init__(self, io: Io, url: str, key: str, patience: Patience) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"The address of the server must start with http:// or https://, not {url!r}.")
        self.io, self.patience = io, patience
        self._base = url.rstrip("/").removesuffix(BASE) + BASE
        self._key = key

    def call(self, method: str, path: str, **more: Any) -> Call:
        """Return a request with the key, relative to the base."""
        call = Call(method, self._base + path, **more)
        return replace(call, headers={"x-api-key": self._key, **call.headers})

    def url(self, path: str) -> str:
        """Return the URL of a path relative to the base."""
        return self._base + path

    @asynccontextmanager
    async def open(self, call: Call) -> AsyncIterator[Answer]:
        """Send a request once. Raises ApiError, ConnectionLost."""
        async with self.io.open(call) as answer:
            if answer.status >= 300:
                raise api_error(answer.status, await answer.read(), answer.headers.get("retry-after"))
            yield answer

    async def once(self, call: Call) -> Reply:
        """Send a request once and return the complete answer. Raises ApiError, ConnectionLost."""
        async with self.open(call) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def ask(self, call: Call, *, repeatable: bool = True) -> Reply:
        """Send a request until it is answered or the retries are used up. Raises ApiError, ConnectionLost."""
        tries = Tries(self.patience)
        while True:
            try:
                return await self.once(call)
            except ClientError as error:
                if not repeatable:
                    raise
                await self.io.sleep(tries.pause_s(error))


def segment(name: str) -> str:
    """Return a name as one segment of a path."""
    return quote(name, safe="")
