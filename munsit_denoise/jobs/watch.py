"""A job's events for one listener, to the end and exactly one end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import anyio

from munsit_denoise.errors import DatabaseBusy
from munsit_denoise.events.base import Bell, BellClosed, Subscription
from munsit_denoise.records import (
    DenoiseRecord,
    Done,
    Downloading,
    Event,
    Failed,
    Processing,
    Queued,
    terminal_event,
)

ReadRecord = Callable[[], Awaitable[DenoiseRecord]]
Standing = Callable[[DenoiseRecord], Queued | None]  # where a job waits, None when it does not


@dataclass(frozen=True)
class Patience:
    """How long a listener waits, in seconds: for the bell before it looks at the record, for any event at all.

    `queue_s`: how often one that waits in the queue looks at its place there.
    """

    recheck_s: float
    idle_s: float
    queue_s: float = 0.5


def present(record: DenoiseRecord, heard: Event | None, standing: Standing) -> Event:
    """Return what a job does at present, by its record, what the bell said last, and the queue."""
    return terminal_event(record) or heard or (Downloading() if record.source_url else _waiting(record, standing))


def _waiting(record: DenoiseRecord, standing: Standing) -> Queued:
    return standing(record) or Queued(0)  # what was taken out of the queue is about to run


async def watch(
    job_id: str, read: ReadRecord, standing: Standing, bell: Bell, patience: Patience
) -> AsyncIterator[Event]:
    """Yield the latest state of a job, then its changes, never backwards; the last event is its end.

    Listens first and reads the record then, so nothing falls between; reads it again now and then, so a bell
    that loses everything costs time only. Without an event for `idle_s`, or when the bell closes, it ends
    early. Raises what `read` raises.
    """
    with bell.subscribe(job_id) as subscription:
        record, heard = await _look(read), subscription.take()
        event: Event | None = present(record, heard, standing) if record else heard or Queued(0)
        shown, idle_at = (-1, 0), anyio.current_time() + patience.idle_s
        recheck_at = anyio.current_time() + patience.recheck_s
        while True:
            if isinstance(event, Done | Failed):
                yield event
                return
            if event is not None and _rank(event) > shown:
                shown, idle_at = _rank(event), anyio.current_time() + patience.idle_s
                yield event
            wait_s = min(recheck_at, idle_at) - anyio.current_time()
            if idle_at <= anyio.current_time():
                return
            waits_in_queue = shown[0] == _rank(Queued(0))[0]
            try:
                event = await _heard(subscription, min(wait_s, patience.queue_s) if waits_in_queue else wait_s)
            except BellClosed:
                return
            if event is None and waits_in_queue and record:
                event = standing(record)
            if anyio.current_time() >= recheck_at:
                recheck_at = anyio.current_time() + patience.recheck_s
                record = await _look(read) or record
                event = (terminal_event(record) if record else None) or event


def _rank(event: Event) -> tuple[int, int]:
    """Return how far a job has come, as what can be compared."""
    if isinstance(event, Queued):
        return 1, -event.jobs_ahead
    if isinstance(event, Processing):
        return 2, event.percent
    return 0, 0


async def _heard(subscription: Subscription, wait_s: float) -> Event | None:
    with anyio.move_on_after(max(wait_s, 0)):
        return await subscription.next()
    return None


async def _look(read: ReadRecord) -> DenoiseRecord | None:
    """Return the record; a database that is busy is asked again later."""
    try:
        return await read()
    except DatabaseBusy:
        return None
