"""A stream of a stopping server ends in order, whoever notices first that it stops."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from sse_starlette.sse import AppStatus

from munsit_denoise.routes.streams import EventStream

pytestmark = pytest.mark.anyio


async def test_the_library_leaves_the_end_of_a_stream_to_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks twice a second for a server that stops; the stream has a moment more to end by itself."""
    sent: list[dict[str, Any]] = []

    async def frames() -> AsyncIterator[bytes]:
        yield b"data: first\n\n"
        monkeypatch.setattr(AppStatus, "should_exit", True)
        await anyio.sleep(1.2)
        yield b"data: last\n\n"

    async def receive() -> dict[str, Any]:
        await anyio.sleep_forever()
        return {}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    with anyio.fail_after(10):
        await EventStream(frames(), 15)({"type": "http", "method": "GET"}, receive, send)  # type: ignore[arg-type]
    bodies = [message["body"] for message in sent if message["type"] == "http.response.body"]
    assert bodies == [b"data: first\n\n", b"data: last\n\n", b""]
    assert sent[-1]["more_body"] is False
