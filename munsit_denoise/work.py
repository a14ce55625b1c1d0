"""The background loops of a server or worker."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from httpx2 import AsyncClient

from munsit_denoise.engine.catalogue import BEST_PACKAGE, BrokenWeights, NoSuchEnhancer
from munsit_denoise.errors import CannotGoOn, OutOfResources, ProcessingFailed
from munsit_denoise.exchange import FETCHERS, Exchange, Loop
from munsit_denoise.jobs.deletion import Deletion
from munsit_denoise.jobs.fetcher import Fetcher
from munsit_denoise.jobs.health import Health
from munsit_denoise.jobs.holdings import Holdings
from munsit_denoise.jobs.idempotency import Idempotency
from munsit_denoise.jobs.intake import Examiner, Received, UploadLimits
from munsit_denoise.jobs.machine_trouble import machine_trouble
from munsit_denoise.jobs.partial import ResumableUploads
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.jobs.pipeline import Denoiser
from munsit_denoise.jobs.places import Places
from munsit_denoise.jobs.recall import recall_forever
from munsit_denoise.jobs.recovery import requeue
from munsit_denoise.jobs.removal import Removal
from munsit_denoise.jobs.retention import Keeper
from munsit_denoise.jobs.runner import MakeDenoiser, Runner
from munsit_denoise.jobs.sending import Send, Sending
from munsit_denoise.jobs.settlement import Settlement
from munsit_denoise.jobs.supervisor import Supervisor
from munsit_denoise.jobs.sweeper import expire_uploads, sweep_forever
from munsit_denoise.jobs.webhooks import Webhooks
from munsit_denoise.logs import get_logger
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.media.types import media_type
from munsit_denoise.remote.download import fetch
from munsit_denoise.remote.transfer import TransferLimits, deliver
from munsit_denoise.settings import Settings
from munsit_denoise.treatment import Keep, Quality, Treatment

TRIAL_HZ = 48_000
log = get_logger()
NOT_THERE = "The model for this quality is missing where the job was to run. Please ask for standard."
DRY_NOT_THERE = "The model for a dry voice is missing where the job was to run. Please ask for keep=voice."


@dataclass(kw_only=True)
class Work:
    """The loops, each under the supervisor."""

    settings: Settings
    parts: Parts
    limits: UploadLimits
    examiner: Examiner
    deletion: Deletion
    removal: Removal
    idempotency: Idempotency
    keeper: Keeper
    resumable: ResumableUploads
    holdings: Holdings | None  # if there are other servers
    health: Health
    supervisor: Supervisor
    client: AsyncClient
    exchange: Exchange
    webhooks: Webhooks
    keeps_house: bool = True  # workers leave that to servers
    answered: Callable[[], None] = lambda: None  # called when the shared database has answered
    ended: anyio.Event = field(default_factory=anyio.Event)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def stop(self) -> None:
        """End all loops; running jobs go back into the queue."""
        self._scope.cancel()

    async def run(self) -> None:
        """Run until `stop` is called."""
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    for name, loop in self._loops(tasks).items():
                        self.supervisor.start(tasks, name, loop)
        finally:
            self.ended.set()

    def _loops(self, tasks: TaskGroup) -> dict[str, Loop]:
        loops = dict(self.exchange.loops)
        if self.keeps_house:
            loops |= self._housekeeping()
        if self.settings.job_concurrency:
            loops |= self._jobs(tasks)
        else:
            self.health.model_ready = True  # it runs elsewhere
        return loops

    def _housekeeping(self) -> dict[str, Loop]:
        parts, settings = self.parts, self.settings
        age_s = settings.sweep_age_s if settings.is_cluster else 0.0
        shared: dict[str, Loop] = {"holds": self.holdings.keep_forever} if self.holdings else {}
        return shared | {
            "sweeper": lambda: sweep_forever(parts, settings.sweep_interval_s, age_s),
            "expiry": lambda: expire_uploads(parts, settings.upload_hours),
            "idempotency": self.idempotency.expire_forever,
            "partial uploads": self.resumable.expire_forever,
            "deletions": self.deletion.finish_forever,
            "webhooks": self.webhooks.run_forever,
            "retention": self.keeper.sweep_forever,
            "removals": self.removal.finish_forever,
        }

    def _jobs(self, tasks: TaskGroup) -> dict[str, Loop]:
        parts, settings, leases = self.parts, self.settings, self.exchange.leases
        settlement, fetcher = Settlement(parts), self._fetcher()
        loops: dict[str, Loop] = {
            "progress": lambda: parts.board.write_forever(parts.records, self._lose, settings.heartbeat_s),
            "runner": lambda: self._run_jobs(settlement, tasks),
            **{f"fetcher {number + 1}": fetcher.run_forever for number in range(FETCHERS)},
        }
        if leases is None:
            loops["recovery"] = lambda: requeue(parts, tasks, settings.job_retry_delay_s)
        else:
            loops["recall"] = lambda: recall_forever(parts.board, parts.running, leases, self.answered)
        return loops

    def _lose(self, job_id: str) -> None:
        """Stop a run whose job has ended elsewhere."""
        self.parts.running.cancel(job_id)
        self.parts.journal.forget(job_id)

    def _fetcher(self) -> Fetcher:
        limits = TransferLimits(self.settings.transfer_timeout_s, self.limits.upload_bytes)

        async def download(url: str, path: Path) -> Received:
            found = await fetch(self.client, url, path, limits, self.limits.too_large)
            return Received(found.file_name, found.size_bytes)

        return Fetcher(
            parts=self.parts,
            settlement=Settlement(self.parts),
            examiner=self.examiner,
            limits=self.limits,
            download=download,
        )

    async def _run_jobs(self, settlement: Settlement, tasks: TaskGroup) -> None:
        make_denoiser = await load_engine(self.settings)
        self.health.model_ready = True
        runner = Runner(
            parts=self.parts,
            settlement=settlement,
            sending=Sending(parts=self.parts, settlement=settlement, send_file=self._send_file()),
            make_denoiser=make_denoiser,
            max_attempts=self.settings.job_max_attempts,
            tasks=tasks,
            places=Places(self.settings.job_concurrency),
        )
        await runner.run_forever()

    def _send_file(self) -> Send:
        limits = TransferLimits(self.settings.transfer_timeout_s)

        async def send(path: Path, url: str) -> str | None:
            return await deliver(self.client, path, url, media_type(path.suffix[1:]), limits)

        return send


async def load_engine(settings: Settings) -> MakeDenoiser:
    """Load PyTorch and the model in a thread; return a function that makes denoisers. Raises CannotGoOn."""

    def load() -> MakeDenoiser:
        from munsit_denoise.engine.open import open_engine  # the only place that loads PyTorch

        make = open_engine(
            settings.device, settings.threads, settings.precision, settings.job_concurrency, settings.enhancer
        )
        make(TRIAL_HZ, 1, Treatment(quality=Quality(settings.quality)))  # loads what the default quality needs

        def begin(track: AudioTrack, treatment: Treatment) -> Denoiser:
            try:
                return make(track.sample_rate_hz, track.channels, treatment)
            except BrokenWeights as error:  # of a model that no job has asked for before
                if isinstance(machine_trouble(error), OutOfResources):
                    raise
                log.error("a model cannot be loaded", reason=str(error))
                of_best = treatment.keep is not Keep.DRY_VOICE or error.filename == BEST_PACKAGE
                raise ProcessingFailed(NOT_THERE if of_best else DRY_NOT_THERE) from error

        return begin

    try:
        return await to_thread.run_sync(load)
    except NoSuchEnhancer as error:
        raise CannotGoOn(str(error)) from error
    except BrokenWeights as error:  # which says what to do
        raise CannotGoOn(f"The model cannot be loaded: {error}.") from error
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise CannotGoOn(f"The model cannot be loaded: {reason}. Install munsit-denoise and PyTorch again.") from error
