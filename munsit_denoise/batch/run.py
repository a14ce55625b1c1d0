"""Processes many files, several at a time, until all are done or a signal stops the run."""

import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from munsit_denoise.batch.display import Display
from munsit_denoise.batch.engine import Engine, EngineUnusable
from munsit_denoise.batch.json_lines import print_json
from munsit_denoise.batch.metered import CommandStopped
from munsit_denoise.batch.names import shown
from munsit_denoise.batch.one import Job, process
from munsit_denoise.batch.order import FileResult, Order, Pair
from munsit_denoise.batch.paths import descriptor
from munsit_denoise.batch.plan import Plan
from munsit_denoise.batch.tally import Tally
from munsit_denoise.batch.words import told, told_error
from munsit_denoise.errors import DenoiseError
from munsit_denoise.files import EXISTS, remove_leftovers
from munsit_denoise.settings import Settings

log = logging.getLogger(__name__)
UNEXPECTED = "Something unexpected happened; DENOISE_LOG_LEVEL=debug tells more"
TAKEN = "exists already; --overwrite replaces it, --skip-existing leaves it out"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Run:
    """The shared state of a run."""

    plan: Plan
    order: Order
    display: Display
    tally: Tally
    stop: threading.Event = field(default_factory=threading.Event)
    scope: anyio.CancelScope | None = None
    stopped_by: int = 0  # the number of a signal
    fatal: Exception | None = None  # an error that makes all further files fail
    last_error: str = ""
    cleaned: set[Path] = field(default_factory=set)  # folders without leftovers

    def tell(self, pair: Pair, result: FileResult) -> None:
        """Count and report the result of a file. Raises BrokenPipeError."""
        self.tally.add(result)
        self.last_error = result.error or self.last_error
        self.display.end(pair, result, self.tally)
        if self.order.json:
            print_json(result)

    def end(self) -> None:
        """Stop all running files, which clean up after themselves."""
        self.stop.set()
        if self.scope is not None:
            self.scope.cancel()


async def run_all(run: Run, settings: Settings) -> None:
    """Process all files of the plan, until a signal or a fatal error stops the run."""
    engine = Engine(settings, run.order.treatment, run.order.jobs, run.stop)
    waiting = iter(run.plan.pairs)
    async with _stopping(run), anyio.create_task_group() as tasks:
        tasks.start_soon(_tell_refused, run)
        for _ in range(min(run.order.jobs, len(run.plan.pairs))):
            tasks.start_soon(_work, run, engine, waiting)


@asynccontextmanager
async def _stopping(run: Run) -> AsyncIterator[None]:
    """Let a signal stop the block; a second one ends the process at once."""
    watched = [number for number in SIGNALS if _is_wanted(number)]
    with anyio.open_signal_receiver(*watched) as signals:
        async with anyio.create_task_group() as watching:
            watching.start_soon(_watch, run, signals)
            with anyio.CancelScope() as run.scope:
                yield
            watching.cancel_scope.cancel()


def _is_wanted(number: signal.Signals) -> bool:
    return number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN  # started by nohup


async def _watch(run: Run, signals: AsyncIterator[signal.Signals]) -> None:
    async for number in signals:
        if run.stopped_by:
            os._exit(128 + number)
        run.stopped_by = number
        run.end()


async def _tell_refused(run: Run) -> None:
    with _ending(run):
        for pair, sentence in run.plan.refused:
            run.tell(pair, FileResult(pair.source, pair.target, "failed", error=told(sentence)))


async def _work(run: Run, engine: Engine, waiting: Iterator[Pair]) -> None:
    with _ending(run):
        for pair in waiting:
            run.display.begin(pair)
            run.tell(pair, await _attempt(run, engine, pair))


@contextmanager
def _ending(run: Run) -> Iterator[None]:
    """End the run if the model cannot be used, or if nobody reads the output."""
    try:
        yield
    except (EngineUnusable, BrokenPipeError) as error:
        run.fatal = error
        run.end()


async def _attempt(run: Run, engine: Engine, pair: Pair) -> FileResult:
    _clean(run, pair.target.parent)
    failed = FileResult(pair.source, pair.target, "failed")
    job = Job(pair, run.order, run.plan.inputs, lambda percent, _: run.display.update(pair, percent))
    try:
        return await process(job, engine)
    except CommandStopped:
        await anyio.sleep_forever()  # the scope is cancelled, so this raises
        raise
    except DenoiseError as error:
        return replace(failed, error=told_error(error))
    except OSError as error:
        lost = isinstance(error, BrokenPipeError) and descriptor(pair.target) is not None
        if lost or isinstance(error, EngineUnusable):
            raise
        return replace(failed, error=_sentence(error, pair))
    except Exception as error:  # one file must not end the run
        log.debug("%s", pair.source, exc_info=True)
        return replace(failed, error=f"{told(UNEXPECTED)} ({type(error).__name__}: {error})")


def _clean(run: Run, folder: Path) -> None:
    """Remove what killed runs left in a folder, once."""
    if folder not in run.cleaned and not run.order.dry_run:
        run.cleaned.add(folder)
        remove_leftovers(folder)


def _sentence(error: OSError, pair: Pair) -> str:
    """Return the message of an error, with its file name unless that is the source."""
    reason = error.strerror or str(error)
    reason = told(TAKEN if reason == EXISTS else reason)
    name = error.filename
    return reason if name is None or Path(os.fsdecode(name)) == pair.source else f"{shown(os.fsdecode(name))}: {reason}"
