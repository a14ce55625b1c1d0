"""Reads a job's Server-Sent Events, reconnecting as often as necessary."""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator

from munsit_denoise_client.calls import Caller, Tries, segment
from munsit_denoise_client.errors import ClientError, ConnectionLost
from munsit_denoise_client.types import Done, Event, Failed, Processing

LONG_S = 5.0  # a stream that lasted this long was not a failure
LONGEST_LINE = 2**20


async def watch(caller: Caller, job_id: str) -> AsyncGenerator[Event, None]:
    """Yield the events of a job up to its end. Raises ApiError, and ConnectionLost after the last retry."""
    call = caller.call("GET", f"/denoise/{segment(job_id)}/progress", headers={"Accept": "text/event-stream"})
    tries, last = Tries(caller.patience), None
    while True:
        began_s = time.monotonic()
        try:
            async with caller.open(call) as answer:
                async for event in read_events(answer.chunks):
                    if event != last:
                        tries.reset()
                        yield event
                    if isinstance(event, Done | Failed):
                        return
                    last = event
            raise ConnectionLost("The stream of events ended before the job did.")
        except ClientError as error:
            if time.monotonic() - began_s > LONG_S:
                tries.reset()
            pause_s = tries.pause_s(error)
        await caller.io.sleep(pause_s)


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Yield the events of a stream, without comments, unknown stages and incomplete events."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > LONGEST_LINE:
            raise ConnectionLost("The stream of events is none.")
        for line in lines:
            if line.startswith(b"data:"):
                event = _event(line.removeprefix(b"data:"))
                if event is not None:
                    yield event


def _event(text: bytes) -> Event | None:
    """Return an event; None for JSON of another shape, and for stages that a newer server may add."""
    try:
        body = json.loads(text)
        stage = body.get("stage")
        if stage == "processing":
            return Processing(body["pct"], body.get("message"))
        if stage == "done":
            return Done(body["denoiseId"], body["url"])
        return Failed(body["message"]) if stage == "error" else None
    except (ValueError, AttributeError, KeyError):
        return None
