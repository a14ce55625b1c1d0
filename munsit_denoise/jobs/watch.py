"""The events of a job, in order and never backwards: one reading of its record for all listeners."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

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

MAX_ENCODINGS = 16  # kept of one event; a client that makes up hosts pays for its own

Encoding = TypeVar("Encoding")
Standing = Callable[[DenoiseRecord], Queued | None]  # where a job waits, None when it does not


@dataclass(frozen=True)
class WatchTimes:
    """How long is waited, in seconds.

    `recheck_s`: for the bell, before a record, and the keys of those who listen, are looked at again. `idle_s`:
    for any event, before a listener's stream ends. `quiet_s`: for any event, before a listener is told that
    nothing happened. `queue_s`: between two looks at the queue.
    """

    recheck_s: float
    idle_s: float
    quiet_s: float = 15.0
    queue_s: float = 0.5


class Told:
    """An event as all listeners of a job share it, with its encodings: they go when the next event comes."""

    __slots__ = ("_encoded", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self._encoded: dict[Hashable, Any] = {}

    @property
    def is_end(self) -> bool:
        """Whether nothing can follow."""
        return isinstance(self.event, Done | Failed)

    def encoded(self, form: Hashable, encode: Callable[[Event], Encoding]) -> Encoding:
        """Return the event in a form (a dialect, a base URL), encoded once for all who ask for it."""
        found: Encoding | None = self._encoded.get(form)
        if found is None:
            found = encode(self.event)
            if len(self._encoded) < MAX_ENCODINGS:
                self._encoded[form] = found
        return found


def present(record: DenoiseRecord, heard: Event | None, standing: Standing) -> Event:
    """Return what a job does at present, by its record, what the bell said last, and the queue."""
    return terminal_event(record) or heard or (Downloading() if record.source_url else _waiting(record, standing))


def _waiting(record: DenoiseRecord, standing: Standing) -> Queued | Processing:
    if (place := standing(record)) is not None:
        return place
    begun = record.percent > 0 or record.message is not None  # as whoever runs it has noted
    return Processing(record.percent, record.message) if begun else Queued(0)  # what was taken is about to run


def advance(shown: Event | None, event: Event) -> Event | None:
    """Return what an event tells those who were shown another one, None when it tells nothing new.

    What falls back in the queue is not told; a percentage that falls back (another attempt began) is held, and
    its message told alone.
    """
    if shown is None or isinstance(event, Done | Failed):
        return event
    if isinstance(event, Processing) and isinstance(shown, Processing):
        event = replace(event, percent=max(event.percent, shown.percent))
        return None if event == shown else event
    return event if _rank(event) > _rank(shown) else None


def _rank(event: Event) -> tuple[int, int]:
    """Return how far a job has come, as what can be compared."""
    if isinstance(event, Queued):
        return 1, -event.jobs_ahead
    return (2 if isinstance(event, Processing) else 0), 0
