"""A listener's slot, and the state that all listeners of a job share."""

from dataclasses import dataclass, field

import anyio

from munsit_denoise.errors import InvalidKey
from munsit_denoise.jobs.watch import Told
from munsit_denoise.records import DenoiseRecord, Queued


class Listener:
    """A slot with the latest event of a job: a slow reader skips progress but never misses the end."""

    __slots__ = ("_error", "_latest", "_over", "_wake", "event_s", "key_id", "sign_s")

    def __init__(self, key_id: str, latest: Told | None) -> None:
        self.key_id, self._latest = key_id, latest
        self.event_s = self.sign_s = anyio.current_time()  # of the last event; of the last event or keep-alive
        self._over = False
        self._error: InvalidKey | None = None
        self._wake = anyio.Event()
        if latest is not None:
            self._wake.set()

    def put(self, told: Told, now_s: float) -> None:
        """Replace the event that was not read yet."""
        self._latest, self.event_s, self.sign_s = told, now_s, now_s
        self._wake.set()

    def nudge(self, now_s: float) -> None:
        """Wake the reader without an event, so that it can send a keep-alive."""
        self.sign_s = now_s
        self._wake.set()

    def end(self, error: InvalidKey | None = None) -> None:
        """Let the reader take the last event and then end: with an error, or normally."""
        self._over, self._error = True, error
        self._wake.set()

    def __aiter__(self) -> "Listener":
        return self

    async def __anext__(self) -> Told | None:
        """Return the latest unread event; waits for one, and returns None if nothing happened for a while.

        Raises InvalidKey if the listener's key was revoked meanwhile.
        """
        await self._wake.wait()
        told, self._latest = self._latest, None
        if self._over and told is None:
            raise self._error or StopAsyncIteration
        if not self._over:
            self._wake = anyio.Event()
        return told


@dataclass(eq=False)
class Watched:
    """A job with at least one listener."""

    id: str
    told: Told | None = None  # the latest event, with which a new listener starts
    record: DenoiseRecord | None = None  # as it was last read
    look_at_s: float = 0.0  # time of the next read
    listeners: dict[Listener, None] = field(default_factory=dict)  # the oldest first
    watching: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    waiting: anyio.CancelScope | None = None  # for the bell

    @property
    def is_queued(self) -> bool:
        """Whether the job waits in the queue, as far as its listeners know."""
        return self.told is not None and isinstance(self.told.event, Queued)

    def wake(self) -> None:
        """Let the watcher check the job before the bell rings."""
        if self.waiting is not None:
            self.waiting.cancel()

    def end(self) -> None:
        """Let all listeners take the last event and end normally."""
        for listener in self.listeners:
            listener.end()
