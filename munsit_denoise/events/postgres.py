"""The bell of many processes: PostgreSQL's NOTIFY tells which jobs moved, and each process rings its own listeners."""

import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import psycopg

from munsit_denoise.events.memory import MemoryBell

log = logging.getLogger(__name__)
CHANNEL = "denoise_jobs"
PAYLOAD_BYTES = 7900  # PostgreSQL takes less than 8000
BATCH_S = 0.02  # how long rings are collected for one NOTIFY
SIGN_S = 5.0  # between two signs of life that a process sends itself through the server
SILENCE_S = 12.0  # without any, the connection counts as dead, whatever its system says
CONNECT_S = 5
QUERY_S = 5.0
PAUSES_S = (0.2, 1.0, 3.0)  # before another connection
POLL_S = 1.0  # where nothing can be listened to


class PostgresBell(MemoryBell):
    """Rings here at once and elsewhere by NOTIFY, while `run_forever` runs; after a break it rings for everybody.

    One that does not listen looks again and again; where nobody is told of anything it need not hear at all.
    """

    def __init__(self, url: str, *, listens: bool = True, hears: bool = True) -> None:
        super().__init__()
        self._url, self._listens, self._hears = url, listens, hears
        self._name = secrets.token_hex(4)
        self._moved: dict[str, None] = {}  # jobs that moved and were not told of yet, in their order
        self._waiting = anyio.Event()
        self.heard_at_s = time.monotonic()
        self._told: list[Callable[[], None]] = []

    def tell_moves_to(self, hear: Callable[[], None]) -> None:
        """Call something whenever jobs moved, here or elsewhere; it must be quick."""
        self._told.append(hear)

    def _tell_moves(self) -> None:
        for hear in self._told:
            hear()

    def ring(self, job_id: str) -> None:
        """Tell that a job moved; never waits for a listener."""
        self.ring_here(job_id)
        self._moved[job_id] = None
        self._waiting.set()
        self._tell_moves()

    async def run_forever(self) -> None:
        """Tell the others, and listen to them; a connection that breaks or falls silent is opened anew."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tell_forever)
            if self._hears:
                tasks.start_soon(self._listen_forever if self._listens else self._poll_forever)

    async def _poll_forever(self) -> None:
        while True:
            await anyio.sleep(POLL_S)
            self._ring_all()

    async def _tell_forever(self) -> None:
        failures = 0
        while True:
            try:
                async with self._connected() as connection:
                    failures = 0
                    await self._tell(connection)
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.debug("events cannot be sent to other processes: %s", type(error).__name__)
            await anyio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            failures += 1

    async def _tell(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        while True:
            with anyio.move_on_after(SIGN_S if self._hears else None):
                await self._waiting.wait()
                await anyio.sleep(BATCH_S)
            self._waiting = anyio.Event()
            jobs, self._moved = list(self._moved), {}
            try:
                for payload in _payloads(self._name, jobs):
                    with anyio.fail_after(QUERY_S):
                        await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))
            except BaseException:
                self._moved = dict.fromkeys(jobs) | self._moved
                self._waiting.set()
                raise

    async def _listen_forever(self) -> None:
        failures = 0
        while True:
            try:
                async with self._connected() as connection:
                    with anyio.fail_after(QUERY_S):
                        await connection.execute(f"LISTEN {CHANNEL}")
                    failures = 0
                    self._ring_all()  # whoever moved while nobody listened
                    await self._hear(connection)
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.warning("the connection for events broke and is opened again: %s", type(error).__name__)
            await anyio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            failures += 1

    async def _hear(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        """Ring for what others tell. Raises TimeoutError when not even our own signs of life come back."""
        self.heard_at_s = time.monotonic()
        while time.monotonic() - self.heard_at_s < SILENCE_S:
            with anyio.fail_after(2 * SILENCE_S):
                async for notice in connection.notifies(timeout=SIGN_S):
                    self.heard_at_s = time.monotonic()
                    sender, *jobs = notice.payload.split(" ")
                    if sender != self._name:
                        for job_id in jobs:
                            self.ring_here(job_id)
                    if jobs and sender != self._name:
                        self._tell_moves()
                    if not jobs:
                        break  # a sign of life: the deadline begins anew
        raise TimeoutError

    def _ring_all(self) -> None:
        self._tell_moves()
        for job_id in list(self._ears):
            self.ring_here(job_id)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
        with anyio.fail_after(2 * CONNECT_S, shield=True):  # one that is cut off in mid-way is not closed by itself
            connection = await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, connect_timeout=CONNECT_S, application_name="munsit-denoise events"
            )
        try:
            yield connection
        finally:
            with anyio.CancelScope(shield=True):
                await connection.close()


def _payloads(name: str, jobs: list[str]) -> list[str]:
    """Return what is sent for some jobs: our name and theirs, as many as there is room for; our name for none."""
    payloads = [name]
    for job_id in jobs:
        if len(payloads[-1]) + len(job_id) + 1 > PAYLOAD_BYTES:
            payloads.append(name)
        payloads[-1] += f" {job_id}"
    return payloads
