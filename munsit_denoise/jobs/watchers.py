"""One watcher for each job that has listeners; one clock and one check of each key for all listeners."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from munsit_denoise.errors import DatabaseBusy, InvalidKey, TooManyStreams
from munsit_denoise.events.base import Bell, BellClosed, Ear
from munsit_denoise.jobs.listeners import Listener, Watched
from munsit_denoise.jobs.watch import Standing, Told, WatchTimes, advance, present
from munsit_denoise.logs import get_logger
from munsit_denoise.records import DELETED, DenoiseRecord, Event, Failed, Processing, Queued, terminal_event

log = get_logger()
BATCH = 64  # listeners that are woken before other tasks run
TICKS = 40  # clock ticks within the idle time: a stream ends at most a fortieth too late
BUSY_RECHECK_S = 0.5  # until a record is read again after the database was busy
KEY_CHECKS = 2  # of each key within the time between two looks at a record


@dataclass(frozen=True)
class WatchSources:
    """Where watchers read the state of jobs and the validity of keys."""

    read: Callable[[str], Awaitable[DenoiseRecord | None]]  # a record of any owner; raises DatabaseBusy
    bell: Bell
    progress: Callable[[str], Processing | None]  # of a running job
    standing: Standing
    queue_changes: Callable[[], int]  # a number that grows with each change of places in the queue
    is_valid: Callable[[str], Awaitable[bool]]  # whether a key is still valid; raises DatabaseBusy


class Watchers:
    """Tells listeners what their jobs do, while `run_forever` runs."""

    def __init__(self, sources: WatchSources, times: WatchTimes, most_per_key: int = 0) -> None:
        """At most `most_per_key` listeners for one key; 0 means no limit."""
        self._sources, self._times, self._most_per_key = sources, times, most_per_key
        self._by_key: Counter[str] = Counter()
        self._jobs: dict[str, Watched] = {}
        self._listeners: dict[Listener, None] = {}
        self._fan_out = anyio.Lock()  # the listeners of one job are woken at a time
        self._tasks: TaskGroup | None = None

    def __len__(self) -> int:
        return len(self._listeners)

    async def run_forever(self) -> None:
        """Watch the jobs that have listeners; at the end, end all listeners normally."""
        try:
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self._check_keys)
                await self._keep_time()
        finally:
            self._tasks = None
            for job in self._jobs.values():
                job.end()
            self._jobs.clear()

    @contextmanager
    def listen(self, job_id: str, key_id: str) -> Iterator[Listener]:
        """Listen to a job: its latest event, then its changes, never backwards, until exactly one end.

        The listener ends early after `idle_s` without an event, when the bell closes, or with InvalidKey when its key
        is revoked. A job's first listener starts its watcher, which subscribes to the bell and then reads the record,
        so that nothing is missed in between. It reads the record again at intervals, so that a bell that loses events
        only causes a delay. Raises TooManyStreams.
        """
        if 0 < self._most_per_key <= self._by_key[key_id]:
            raise TooManyStreams(self._most_per_key)
        job = self._jobs.get(job_id) or self._start(job_id)
        listener = Listener(key_id, job.told)
        job.listeners[listener] = self._listeners[listener] = None
        self._by_key[key_id] += 1
        if self._tasks is None:
            listener.end()
        try:
            yield listener
        finally:
            del job.listeners[listener], self._listeners[listener]
            self._by_key[key_id] -= 1
            if not self._by_key[key_id]:
                del self._by_key[key_id]
            if not job.listeners:
                self._forget(job)
                job.watching.cancel()

    def _start(self, job_id: str) -> Watched:
        job = Watched(job_id)
        if self._tasks is not None:
            self._jobs[job_id] = job
            self._tasks.start_soon(self._watch, job)
        return job

    def _forget(self, job: Watched) -> None:
        if self._jobs.get(job.id) is job:
            del self._jobs[job.id]

    async def _watch(self, job: Watched) -> None:
        try:
            with job.watching, self._sources.bell.listen(job.id) as ear:
                event = await self._begin(job)
                while not await self._tell(job, event):
                    event = await self._next(job, ear)
        except BellClosed:
            pass
        except Exception:  # boundary: an error in one job must not end the listeners of others
            log.exception("job can no longer be watched", job=job.id)
        self._forget(job)
        job.end()

    async def _begin(self, job: Watched) -> Event | None:
        """Return the current event of a job; a busy database is asked again later."""
        return await self._look(job) or self._present(job)

    async def _next(self, job: Watched, ear: Ear) -> Event | None:
        """Return the event after the bell rang, or after a look at queue or record. Raises BellClosed."""
        rung = False
        with anyio.move_on_after(max(job.look_at_s - anyio.current_time(), 0)) as job.waiting:
            await ear.next()
            rung = True
        job.waiting = None
        if rung and (running := self._sources.progress(job.id)) is not None:
            return running  # while the bell rings, the record need not be read
        if rung or anyio.current_time() >= job.look_at_s:
            end = await self._look(job)
            if end is not None:
                return end
        return self._present(job)

    def _present(self, job: Watched) -> Event | None:
        running = self._sources.progress(job.id)
        if job.record is None:
            return running or Queued(0)
        return present(job.record, running, self._sources.standing)

    async def _look(self, job: Watched) -> Event | None:
        """Read a job's record; return its end, or None if it has not ended or the database is busy."""
        job.look_at_s = anyio.current_time() + self._times.recheck_s
        try:
            record = await self._sources.read(job.id)
        except DatabaseBusy:
            job.look_at_s = anyio.current_time() + min(self._times.recheck_s, BUSY_RECHECK_S)
            return None
        if record is None:
            return Failed(DELETED)
        job.record = record
        return terminal_event(record)

    async def _tell(self, job: Watched, event: Event | None) -> bool:
        """Tell a new event to all listeners of a job; return whether it is the end."""
        news = event and advance(job.told.event if job.told else None, event)
        if news is None:
            return False
        told = job.told = Told(news)
        listeners = list(job.listeners)  # later listeners get it from the job
        async with self._fan_out:
            for start in range(0, len(listeners), BATCH):
                now_s = anyio.current_time()
                for listener in listeners[start : start + BATCH]:
                    listener.put(told, now_s)
                await checkpoint()
        return told.is_end

    async def _keep_time(self) -> None:
        """Let streams without an event send a keep-alive or end; let those of waiting jobs look at the queue."""
        times, changes = self._times, -1
        tick_s = min(times.queue_s, times.idle_s / TICKS, times.quiet_s / 2)
        while True:
            await anyio.sleep(tick_s)
            if (now_changes := self._sources.queue_changes()) != changes:
                changes = now_changes
                for job in self._jobs.values():
                    if job.is_queued:
                        job.wake()
            await self._look_after(list(self._listeners))

    async def _look_after(self, listeners: list[Listener]) -> None:
        woken = 0
        for listener in listeners:
            now_s = anyio.current_time()
            if now_s - listener.event_s >= self._times.idle_s:
                listener.end()
            elif now_s - listener.sign_s >= self._times.quiet_s:
                listener.nudge(now_s)
            else:
                continue
            woken += 1
            if woken % BATCH == 0:
                await checkpoint()

    async def _check_keys(self) -> None:
        """End the streams of revoked keys, with one query for each key."""
        while True:
            await anyio.sleep(self._times.recheck_s / KEY_CHECKS)
            for key_id in {listener.key_id for listener in self._listeners}:
                try:
                    valid = await self._sources.is_valid(key_id)
                except DatabaseBusy:
                    continue
                if not valid:
                    for listener in self._listeners:
                        if listener.key_id == key_id:
                            listener.end(InvalidKey())
