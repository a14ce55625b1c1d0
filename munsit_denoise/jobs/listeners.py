"""A listener's slot, and what all listeners of a job share."""

from dataclasses import dataclass, field

import anyio

from munsit_denoise.errors import InvalidKey
from munsit_denoise.jobs.watch import Told
from munsit_denoise.records import DenoiseRecord, Queued


class Listener:
    """A slot that holds the latest of what a job told: a slow reader skips progress and never misses the end."""

    __slots__ = ("_error", "_latest", "_over", "_wake", "event_s", "key_id", "sign_s")

    def __init__(self, key_id: str, latest: Told | None) -> None:
        self.key_id, self._latest = key_id, latest
        self.event_s = self.sign_s = anyio.current_time()  # of the last event; of that or the last sign of life
        self._over = False
        self._error: InvalidKey | None = None
        self._wake = anyio.Event()
        if latest is not None:
            self._wake.set()

    def put(self, told: Told, now_s: float) -> None:
        """Replace what was not read yet."""
        self._latest, self.event_s, self.sign_s = told, now_s, now_s
        self._wake.set()

    def nudge(self, now_s: float) -> None:
        """Wake the reader without an event, so that it can give a sign of life."""
        self.sign_s = now_s
        self._wake.set()

    def end(self, error: InvalidKey | None = None) -> None:
        """Let the reader have what is there, and then end: with an error, or in order."""
        self._over, self._error = True, error
        self._wake.set()

    def __aiter__(self) -> "Listener":
        return self

    async def __anext__(self) -> Told | None:
        """Return the latest that was not returned yet, waiting for it; None when nothing happened for a while.

        Raises InvalidKey when the listener's key was revoked meanwhile.
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
    """A job that somebody listens to."""

    id: str
    told: Told | None = None  # the latest, which a new listener is told at once
    record: DenoiseRecord | None = None  # as it was read last
    look_at_s: float = 0.0  # when the record is read again
    listeners: dict[Listener, None] = field(default_factory=dict)  # the oldest first
    watching: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    waiting: anyio.CancelScope | None = None  # for the bell

    @property
    def is_queued(self) -> bool:
        """Whether the job waits for its place, as far as its listeners know."""
        return self.told is not None and isinstance(self.told.event, Queued)

    def wake(self) -> None:
        """Let the watcher look around before the bell rings."""
        if self.waiting is not None:
            self.waiting.cancel()

    def end(self) -> None:
        """Let every listener have what is there, and then end in order."""
        for listener in self.listeners:
            listener.end()
