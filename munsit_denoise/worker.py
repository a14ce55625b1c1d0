"""The command `worker`: runs jobs of a shared queue until a signal."""

import os
import signal
import time

import anyio
import typer

from munsit_denoise.db.migrate import check_schema
from munsit_denoise.engine.allocator import keep_freed_memory
from munsit_denoise.errors import CannotGoOn
from munsit_denoise.jobs.intake import first_of
from munsit_denoise.logs import get_logger
from munsit_denoise.media.ffmpeg import program
from munsit_denoise.metrics import Metrics
from munsit_denoise.private import private_files
from munsit_denoise.services import open_services
from munsit_denoise.settings import Settings

log = get_logger()
ALONE = (
    "A worker shares its queue with a server on PostgreSQL. Set DENOISE_DATABASE_URL=postgresql://... as the server "
    "has it, or run munsit-denoise serve, which runs jobs itself."
)
NO_PLACE = "DENOISE_JOB_CONCURRENCY is 0, so this worker would run nothing. Set it to 1 or more for workers."
SILENCES = 3  # leases without an answer of the database, after which only a new process helps
SHORTEST_SILENCE_S = 60.0
WATCH_S = 1.0
STILL_S = 5.0
STOP_S = 50.0  # for returning the running jobs to the queue
HUNG = 75  # exit code that asks the service manager to start the worker again (EX_TEMPFAIL)


def run_worker(settings: Settings) -> None:
    """Run jobs until SIGTERM or SIGINT, which return running jobs to the queue.

    Raises MissingProgram, UnusableDatabase, CannotGoOn, OSError.
    """
    if not settings.is_cluster:
        raise CannotGoOn(ALONE)
    if not settings.job_concurrency:
        raise CannotGoOn(NO_PLACE)
    keep_freed_memory()  # before any thread starts: each would get a heap of its own
    for name in ("ffmpeg", "ffprobe"):
        program(name)
    check_schema(settings.database)
    with private_files():
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        failure = anyio.run(_Worker(settings).run)
    if failure is not None:
        raise failure


class _Worker:
    """The work of one process, a watch on the database, and the signals."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._failure: Exception | None = None
        self._stopping = anyio.Event()
        self._answered_at_s = time.monotonic()

    async def run(self) -> Exception | None:
        """Work until a signal; return why it could not go on. Raises what opening the services raises."""
        try:
            await self._work()
        except ExceptionGroup as group:
            raise first_of(group) from group
        return self._failure

    async def _work(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hear_signals)
            tasks.start_soon(self._watch)
            async with open_services(
                self._settings, Metrics(), self._give_up, write_webhook=_nothing, answered=self._answered
            ):
                typer.echo("The worker takes jobs. Press Ctrl+C to stop.")
                await self._stopping.wait()
                log.info("the worker stops; its jobs return to the queue")
                tasks.start_soon(self._insist)
            tasks.cancel_scope.cancel()

    def _give_up(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._stopping.set()

    def _answered(self) -> None:
        self._answered_at_s = time.monotonic()

    async def _hear_signals(self) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                if self._stopping.is_set() and number is signal.SIGINT:
                    os._exit(128 + number)
                self._stopping.set()

    async def _watch(self) -> None:
        """End the process if the database was silent for long, because its connections may hang for hours."""
        longest_s = max(SILENCES * self._settings.lease_s, SHORTEST_SILENCE_S)
        while True:
            asleep_at_s = time.monotonic()
            await anyio.sleep(WATCH_S)
            if time.monotonic() - asleep_at_s > STILL_S:
                self._answered()  # this process was suspended and could not ask
            if time.monotonic() - self._answered_at_s > longest_s:
                log.error("the database does not answer; the worker exits to be started again", seconds=longest_s)
                os._exit(HUNG)

    async def _insist(self) -> None:
        """End the process if something cannot be stopped."""
        await anyio.sleep(STOP_S)
        log.error("the worker did not stop in time and exits", seconds=STOP_S)
        os._exit(0)


def _nothing(*_: object) -> bytes:
    raise AssertionError  # servers deliver webhooks
