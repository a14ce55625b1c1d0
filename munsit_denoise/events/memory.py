"""The bell of one process."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from munsit_denoise.events.base import BellClosed
from munsit_denoise.records import Done, Event, Failed, Processing

MAX_ENDED = 10_000  # jobs whose late progress is recognised as such


class SlotSubscription:
    """Holds the latest event: a slow reader skips progress and never misses the end."""

    def __init__(self, latest: Event | None) -> None:
        self._latest = latest
        self._closed = False
        self._filled = anyio.Event()
        if latest is not None:
            self._filled.set()

    def put(self, event: Event) -> None:
        """Replace what was not read yet."""
        self._latest = event
        self._filled.set()

    async def next(self) -> Event:
        """Return the latest event that was not returned yet, waiting for one. Raises BellClosed."""
        await self._filled.wait()
        event = self.take()
        if event is None:
            raise BellClosed
        return event

    def take(self) -> Event | None:
        """Return the latest event that was not returned yet, None when there is none."""
        event, self._latest = self._latest, None
        if not self._closed:
            self._filled = anyio.Event()
        return event

    def close(self) -> None:
        """Wake the reader for good."""
        self._closed = True
        self._filled.set()


@dataclass
class _Topic:
    progress: Processing | None = None
    listeners: set[SlotSubscription] = field(default_factory=set)


class MemoryBell:
    """Topics live while a job runs or somebody listens."""

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()  # the jobs that ended last
        self._closed = False

    def publish(self, job_id: str, event: Event) -> None:
        """Ring; progress that would fall back (a second attempt begins anew) is held at what was heard before."""
        if isinstance(event, Done | Failed):
            self._note_end(job_id)
        elif job_id in self._ended:
            return  # a late attempt: nobody will ring for it again
        topic = self._topics.setdefault(job_id, _Topic())
        if isinstance(event, Processing):
            if topic.progress and event.percent < topic.progress.percent:
                event = Processing(topic.progress.percent, event.message)
            topic.progress = event
        else:
            topic.progress = None
        for listener in topic.listeners:
            listener.put(event)
        self._forget(job_id, topic)

    @contextmanager
    def subscribe(self, job_id: str) -> Iterator[SlotSubscription]:
        """Listen from now on; the latest progress known is there at once."""
        topic = self._topics.setdefault(job_id, _Topic())
        listener = SlotSubscription(topic.progress)
        if self._closed:
            listener.close()
        topic.listeners.add(listener)
        try:
            yield listener
        finally:
            topic.listeners.discard(listener)
            self._forget(job_id, topic)

    def close(self) -> None:
        """Wake every listener for good; whoever comes later is woken at once."""
        self._closed = True
        for topic in self._topics.values():
            for listener in topic.listeners:
                listener.close()

    def _note_end(self, job_id: str) -> None:
        self._ended[job_id] = None
        if len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)

    def _forget(self, job_id: str, topic: _Topic) -> None:
        if not topic.listeners and topic.progress is None and self._topics.get(job_id) is topic:
            del self._topics[job_id]
