"""A job's events for one listener, to the end and exactly one end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import anyio

from munsit_denoise.errors import DatabaseBusy
from munsit_denoise.events.base import Bell, BellClosed, Subscription
from munsit_denoise.records import DenoiseRecord, Event, Processing, terminal_event

QUEUED = Processing(0, "Waiting in the queue")

ReadRecord = Callable[[], Awaitable[DenoiseRecord]]


@dataclass(frozen=True)
class Patience:
    """How long a listener waits, in seconds: for the bell before it looks at the record, for any event at all."""

    recheck_s: float
    idle_s: float


async def watch(job_id: str, read: ReadRecord, bell: Bell, patience: Patience) -> AsyncIterator[Event]:
    """Yield the latest state of a job, then its changes; the last event is its end.

    Listens first and reads the record then, so nothing falls between; reads it again now and then, so a bell
    that loses everything costs time only. Without an event for `idle_s`, or when the bell closes, it ends
    early. Raises what `read` raises.
    """
    with bell.subscribe(job_id) as subscription:
        event: Event | None = await _end(read) or subscription.take() or QUEUED
        shown, idle_at = -1, anyio.current_time() + patience.idle_s
        while True:
            if isinstance(event, Processing):
                if event.percent >= shown:
                    shown, idle_at = event.percent, anyio.current_time() + patience.idle_s
                    yield event
            elif event is not None:
                yield event
                return
            wait_s = min(patience.recheck_s, idle_at - anyio.current_time())
            if wait_s <= 0:
                return
            try:
                event = await _heard(subscription, wait_s) or await _end(read)
            except BellClosed:
                return


async def _heard(subscription: Subscription, wait_s: float) -> Event | None:
    with anyio.move_on_after(wait_s):
        return await subscription.next()
    return None


async def _end(read: ReadRecord) -> Event | None:
    """Return the event that ended the job; a database that is busy is asked again later."""
    try:
        return terminal_event(await read())
    except DatabaseBusy:
        return None
