"""The queue of several workers: Procrastinate carries ids of jobs, and wakes a worker with a free place.

An entry says that there is a job to take, but not which: a worker with a free place asks the records, which serve users
in turn. So a repeated or superfluous entry costs one query, and a lost one is found by the sweep.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import chain
from typing import Any

import anyio
from procrastinate import App

from munsit_denoise.errors import Unavailable
from munsit_denoise.queue.connector import Connector
from munsit_denoise.queue.shared import SharedQueue, Turn

log = logging.getLogger(__name__)
TASK = "denoise"
JOBS, FETCHES = "jobs", "fetches"  # the queues: of jobs that can run, and of those whose original is fetched first
REFRESH_S, QUIET_S = 1.0, 10.0  # between two looks at who waits, at least, and at most where no job moves
LEISURE = 20  # times as long as a look took passes until the next one, at least: it costs more the more jobs wait
LINE = 5000  # places that are told exactly
FOUND_AT_ONCE = 500
REMEMBERED = 10_000
STOP_S = 4.0  # for entries that are held to be settled
POLL_S = 5.0  # where a notification was lost
NEVER_S = 10.0**6  # nobody aborts an entry: who cancels a job changes its row
AGAIN_S = 1.0  # after which what broke is tried again


class PostgresQueue:
    """The waiting jobs of one kind in the database, as this process sees them; works while `run_forever` runs.

    `places` is how many jobs this process takes at a time; 0 takes none. The numbers are read again after a `stir`:
    after a second, or later where the database needs long for them.
    """

    def __init__(self, shared: SharedQueue, *, places: int, lease_s: float) -> None:
        self._shared, self._turns, self._entries = shared, shared.turns, shared.entries
        self._places, self._lease_s = places, lease_s
        self._offers: deque[anyio.Event] = deque()  # entries that this process holds; the event ends each
        self._offered = anyio.Semaphore(0)
        self._taken: dict[str, list[anyio.Event]] = {}  # jobs that are worked on, to what ends their entries
        self._again: set[str] = set()  # of these, those that somebody may take as soon as they are done here
        self._announced: set[str] = set()  # jobs that were accepted with their entry, and not put yet
        self._counts: dict[str, int] = {}
        self._ahead: dict[str, int] = {}
        self._forgotten: set[str] = set()
        self._asked, self._stirred = False, anyio.Event()
        self.changes = 0  # grows with each change of places in the queue

    def __len__(self) -> int:
        self._ask()
        return sum(self._counts.values())

    def waiting(self, user_id: str) -> int:
        """Return the number of a user's unfinished jobs."""
        self._ask()
        return self._counts.get(user_id, 0)

    def position(self, user_id: str, job_id: str) -> int | None:
        """Return how many jobs will be taken before this one; None if it does not wait, or is far behind."""
        self._ask()
        return self._ahead.get(job_id)

    def discard(self, user_id: str, job_id: str) -> None:
        """Remove a job; a missing one is no error."""
        self._forgotten.add(job_id)
        self.stir()

    def stir(self) -> None:
        """Read the waiting jobs soon, because a job has changed."""
        self._stirred.set()

    def _ask(self) -> None:
        """Note that the numbers were asked for; on a worker they never are."""
        if not self._asked:
            self._asked = True
            self.stir()

    async def announce(self, connection: Any, job_id: str) -> None:
        """Add a job's entry, in the transaction that accepts the job."""
        await self._entries.announce(connection, job_id)
        if len(self._announced) >= REMEMBERED:
            self._announced.clear()  # those were not accepted after all
        self._announced.add(job_id)

    async def put(self, user_id: str, job_id: str) -> None:
        """Let any worker with a free place take a job; if it waits already, it keeps its entry.

        If the database is unreachable, the sweep does it later.
        """
        if job_id in self._announced:
            self._announced.discard(job_id)
        elif job_id in self._taken:
            self._again.add(job_id)
        else:
            await _tried(lambda: self._entries.add(job_id))

    async def take(self) -> str:
        """Return the next job, or wait for one; it belongs to this process until `done` is called."""
        while True:
            await self._offered.acquire()
            offer = self._offers.popleft()
            try:
                turn = await self._take_turn()
            except BaseException:
                offer.set()
                raise
            if turn is None:
                offer.set()
                continue
            self._taken.setdefault(turn.job_id, []).append(offer)
            return turn.job_id

    async def done(self, job_id: str) -> None:
        """Note that a job which was taken is no longer worked on."""
        offers = self._taken.get(job_id, [])
        if offers:
            offers.pop(0).set()
        if not offers:
            self._taken.pop(job_id, None)
        if job_id in self._again:
            self._again.discard(job_id)
            with anyio.CancelScope(shield=True):
                await _tried(lambda: self._turns.release(job_id))
                await _tried(lambda: self._entries.add(job_id))

    async def run_forever(self) -> None:
        """Read the waiting jobs; with places, also take entries and renew the jobs in progress."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._refresh_forever)
            if self._places:
                tasks.start_soon(self._keep_forever)
                await self._work_forever()

    async def sweep(self) -> int:
        """Add entries for free jobs without one, and remove entries that nobody holds; return how many were added."""
        if not await self._entries.is_my_turn():
            return 0
        await self._entries.tidy(2 * self._lease_s)
        found = await self._turns.unannounced(FOUND_AT_ONCE)
        for job_id in found:
            await self._entries.add(job_id)
        return len(found)

    async def _work_forever(self) -> None:
        """Take entries; after a failure, start again with new connections."""
        while True:
            try:
                app = App(connector=Connector(self._shared.url))
                app.task(name=TASK, queue=self._shared.name)(self._offer)
                async with app.open_async():
                    await self._work(app)
            except Exception as error:  # boundary: after any failure, a new worker of Procrastinate starts
                log.warning("the queue broke, and is opened anew: %s", type(error).__name__)
            await anyio.sleep(AGAIN_S)

    async def _work(self, app: App) -> None:
        """Take entries until cancellation, or until Procrastinate fails or ends.

        Held entries are settled at the end, while the connections still exist.
        """
        worker = asyncio.ensure_future(
            app.run_worker_async(
                queues=[self._shared.name],
                name=self._shared.name,
                concurrency=self._places,
                install_signal_handlers=False,
                delete_jobs="always",
                listen_notify=self._shared.listens,
                fetch_job_polling_interval=POLL_S,
                abort_job_polling_interval=NEVER_S,
                update_heartbeat_interval=self._lease_s / 3,
                stalled_worker_timeout=2 * self._lease_s,
                shutdown_graceful_timeout=STOP_S / 2,
            )
        )
        try:
            await asyncio.shield(worker)
        except asyncio.CancelledError:
            for offer in (*self._offers, *chain.from_iterable(self._taken.values())):
                offer.set()
            raise
        finally:
            worker.cancel()  # Procrastinate takes this as a request to stop
            with anyio.move_on_after(STOP_S, shield=True):
                await asyncio.wait({worker})

    async def _take_turn(self) -> Turn | None:
        """Ask whose job is next, until the database answers."""
        while True:
            try:
                return await self._turns.take()
            except Unavailable:
                await anyio.sleep(AGAIN_S)

    async def _offer(self, record_id: str) -> None:
        """Hold an entry until the job that it led to is done."""
        settled = anyio.Event()
        self._offers.append(settled)
        self._offered.release()
        await settled.wait()

    async def _keep_forever(self) -> None:
        while True:
            await anyio.sleep(self._lease_s / 3)
            if self._taken:
                await _tried(lambda: self._turns.keep(list(self._taken)))

    async def _refresh_forever(self) -> None:
        while True:
            self._stirred, began_s = anyio.Event(), anyio.current_time()
            await _tried(self._refresh)
            await anyio.sleep(max(REFRESH_S, LEISURE * (anyio.current_time() - began_s)))
            with anyio.move_on_after(QUIET_S):
                await self._stirred.wait()

    async def _refresh(self) -> None:
        while self._forgotten:
            job_id = next(iter(self._forgotten))
            await self._entries.withdraw(job_id)
            self._forgotten.discard(job_id)
        self._counts = await self._turns.counts() if self._asked else {}
        ahead = {turn.job_id: place for place, turn in enumerate(await self._turns.line(LINE))} if self._counts else {}
        if ahead != self._ahead:
            self._ahead = ahead
            self.changes += 1


async def _tried(act: Callable[[], Awaitable[object]]) -> None:
    """Try something that will be repeated soon anyway."""
    try:
        await act()
    except Exception as error:
        log.debug("the queue could not be asked: %s", type(error).__name__)
