"""The events of a job, in order and never backwards; one reading of the record serves all listeners."""

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

MAX_ENCODINGS = 16  # kept for one event; a client that varies the host pays for its own

Encoding = TypeVar("Encoding")
Standing = Callable[[DenoiseRecord], Queued | None]  # the place of a waiting job, or None


@dataclass(frozen=True)
class WatchTimes:
    """Waiting times, in seconds.

    `recheck_s`: without the bell, until the record and the listeners' keys are read again. `idle_s`: without an event,
    until a listener's stream ends. `quiet_s`: without an event, until a listener gets a keep-alive. `queue_s`:
    between two looks at the queue.
    """

    recheck_s: float
    idle_s: float
    quiet_s: float = 15.0
    queue_s: float = 0.5


class Told:
    """An event shared by all listeners of a job, with its encodings, which are dropped with the next event."""

    __slots__ = ("_encoded", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self._encoded: dict[Hashable, Any] = {}

    @property
    def is_end(self) -> bool:
        """Whether this is the last event."""
        return isinstance(self.event, Done | Failed)

    def encoded(self, form: Hashable, encode: Callable[[Event], Encoding]) -> Encoding:
        """Return the event in a form (dialect and base URL), encoded once for all listeners."""
        found: Encoding | None = self._encoded.get(form)
        if found is None:
            found = encode(self.event)
            if len(self._encoded) < MAX_ENCODINGS:
                self._encoded[form] = found
        return found


def present(record: DenoiseRecord, heard: Event | None, standing: Standing) -> Event:
    """Return the current event of a job, from its record, the last event of the bell, and the queue."""
    return terminal_event(record) or heard or (Downloading() if record.source_url else _waiting(record, standing))


def _waiting(record: DenoiseRecord, standing: Standing) -> Queued | Processing:
    if (place := standing(record)) is not None:
        return place
    begun = record.percent > 0 or record.message is not None  # as its runner has written
    return Processing(record.percent, record.message) if begun else Queued(0)  # out of the queue, about to run


def advance(shown: Event | None, event: Event) -> Event | None:
    """Return the event to show after another one, or None if there is nothing new.

    A place that falls back in the queue is not shown. If the percentage falls back because another attempt started, it
    stays and only the message changes.
    """
    if shown is None or isinstance(event, Done | Failed):
        return event
    if isinstance(event, Processing) and isinstance(shown, Processing):
        event = replace(event, percent=max(event.percent, shown.percent))
        return None if event == shown else event
    return event if _rank(event) > _rank(shown) else None


def _rank(event: Event) -> tuple[int, int]:
    """Return the progress of a job in a form that can be compared."""
    if isinstance(event, Queued):
        return 1, -event.jobs_ahead
    return (2 if isinstance(event, Processing) else 0), 0
