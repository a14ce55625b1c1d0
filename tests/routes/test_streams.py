"""A stream of events: frames, comments in between, one end, and a reader that may leave."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

from munsit_denoise.errors import InvalidKey
from munsit_denoise.jobs.listeners import Listener
from munsit_denoise.jobs.watch import Told
from munsit_denoise.records import Failed, Processing, Queued
from munsit_denoise.routes.streams import EventStream

pytestmark = pytest.mark.anyio
SCOPE: Any = {"type": "http", "method": "GET"}


class Reader:
    """An ASGI server's side: what was sent, and a client that leaves when it is told to."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.left, self.listening = anyio.Event(), False
        self.listener = Listener("key", None)

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        self.listening = True
        try:
            yield self.listener
        finally:
            self.listening = False

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if not message.get("more_body", True):  # as a server tells its app that the answer is complete
            self.left.set()

    async def stream(self, scope: Any = SCOPE) -> None:
        with anyio.fail_after(10):
            await EventStream(self.listen(), lambda told: repr(told.event).encode())(scope, self.receive, self.send)

    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.sent if message["type"] == "http.response.body"]


async def test_frames_come_with_comments_in_between_and_end_with_the_job() -> None:
    reader = Reader()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader.stream)
        for told in (Told(Queued(0)), None, Told(Queued(0)), Told(Processing(5)), Told(Failed("why"))):
            await anyio.wait_all_tasks_blocked()
            reader.listener.put(told, 0) if told else reader.listener.nudge(0)
    frames = [repr(event).encode() for event in (Queued(0), Processing(5), Failed("why"))]
    assert reader.bodies() == [frames[0], b": ping\n\n", *frames[1:], b""]
    assert reader.sent[-1]["more_body"] is False
    assert not reader.listening


@pytest.mark.parametrize("error", [None, InvalidKey()])
async def test_a_stream_that_is_ended_early_ends_in_order(error: InvalidKey | None) -> None:
    reader = Reader()
    reader.listener.put(Told(Processing(5)), 0)
    reader.listener.end(error)
    await reader.stream()
    assert reader.bodies() == [repr(Processing(5)).encode(), b""]


async def test_a_reader_that_leaves_is_forgotten() -> None:
    reader = Reader()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader.stream)
        await anyio.wait_all_tasks_blocked()
        assert reader.listening
        reader.left.set()
    assert not reader.listening


async def test_who_asks_for_the_headers_alone_does_not_listen() -> None:
    reader = Reader()
    await reader.stream(SCOPE | {"method": "HEAD"})
    headers = dict(reader.sent[0]["headers"])
    assert headers[b"content-type"] == b"text/event-stream"
    assert b"content-length" not in headers
    assert reader.bodies() == [b""]
