"""Sends a result to its URL before the job ends; the job succeeds even if that fails."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from munsit_denoise.db.records import Lease, RunResult
from munsit_denoise.jobs.fair import FairLimiter
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.jobs.settlement import Settlement
from munsit_denoise.logs import get_logger
from munsit_denoise.records import ResultDelivery

log = get_logger()
SENDINGS_AT_ONCE = 16  # at most half of them for one user
SENDING = "Sending the result"
SENDING_PERCENT = 99

Send = Callable[[Path, str], Awaitable[str | None]]  # sends a file to a URL; returns the reason of a failure, or None


@dataclass(frozen=True, kw_only=True)
class Sending:
    """Sends results, independently of running jobs."""

    parts: Parts
    settlement: Settlement
    send_file: Send
    places: FairLimiter = field(default_factory=lambda: FairLimiter(SENDINGS_AT_ONCE))

    async def send(self, lease: Lease, result: RunResult, url: str) -> None:
        """Send a result to the client's URL, then end its job."""
        self.parts.board.tell(lease, SENDING_PERCENT, SENDING)
        async with self.places.place(lease.record.user_id):
            delivery = await self._try(lease, result, url)
        await self.settlement.succeed(lease, result, delivery)

    async def _try(self, lease: Lease, result: RunResult, url: str) -> ResultDelivery:
        try:
            async with self.parts.storage.local_file(result.key) as path:
                reason = await self.send_file(path, url)
        except Exception:  # boundary: the job has its result
            log.exception("delivery broke")
            reason = "the server broke on it"
        self.parts.journal.delivered(lease.record, reason)
        return ResultDelivery.DELIVERED if reason is None else ResultDelivery.FAILED
