"""The bell of several processes: NOTIFY tells which jobs have changed, and each process rings for its own listeners."""

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
PAYLOAD_BYTES = 7900  # PostgreSQL's limit is less than 8000
BATCH_S = 0.02  # events within this time are sent in one NOTIFY
SIGN_S = 5.0  # between two heartbeats that a process sends to itself through the server
SILENCE_S = 12.0  # without a heartbeat, the connection counts as dead, whatever the system reports
CONNECT_S = 5
QUERY_S = 5.0
PAUSES_S = (0.2, 1.0, 3.0)  # before the next connection
POLL_S = 1.0  # if there is no connection to listen on


class PostgresBell(MemoryBell):
    """Rings here at once and elsewhere by NOTIFY, while `run_forever` runs; after a break it rings for all jobs.

    Without `listens`, it polls; without `hears`, it only sends.
    """

    def __init__(self, url: str, *, listens: bool = True, hears: bool = True) -> None:
        super().__init__()
        self._url, self._listens, self._hears = url, listens, hears
        self._name = secrets.token_hex(4)
        self._moved: dict[str, None] = {}  # changed jobs that were not announced yet, in order
        self._waiting = anyio.Event()
        self.heard_at_s = time.monotonic()
        self._told: list[Callable[[], None]] = []

    def tell_moves_to(self, hear: Callable[[], None]) -> None:
        """Call a function whenever jobs have changed, here or elsewhere; it must be fast."""
        self._told.append(hear)

    def _tell_moves(self) -> None:
        for hear in self._told:
            hear()

    def ring(self, job_id: str) -> None:
        """Announce a change of a job; never waits for listeners."""
        self.ring_here(job_id)
        self._moved[job_id] = None
        self._waiting.set()
        self._tell_moves()

    async def run_forever(self) -> None:
        """Send and receive; a connection that breaks or falls silent is replaced."""
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
                    self._ring_all()  # for changes while nobody listened
                    await self._hear(connection)
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.warning("the connection for events broke and is opened again: %s", type(error).__name__)
            await anyio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            failures += 1

    async def _hear(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        """Ring for notifications. Raises TimeoutError if our own heartbeats do not return."""
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
        raise TimeoutError

    def _ring_all(self) -> None:
        self._tell_moves()
        for job_id in list(self._ears):
            self.ring_here(job_id)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
        with anyio.fail_after(2 * CONNECT_S, shield=True):  # a connection cancelled halfway would not be closed
            connection = await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, connect_timeout=CONNECT_S, application_name="munsit-denoise events"
            )
        try:
            yield connection
        finally:
            with anyio.CancelScope(shield=True):
                await connection.close()


def _payloads(name: str, jobs: list[str]) -> list[str]:
    """Return payloads for some jobs, each with our name and as many jobs as fit; for no jobs, only our name."""
    payloads = [name]
    for job_id in jobs:
        if len(payloads[-1]) + len(job_id) + 1 > PAYLOAD_BYTES:
            payloads.append(name)
        payloads[-1] += f" {job_id}"
    return payloads
