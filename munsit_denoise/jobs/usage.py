"""A user's usage and remaining minutes."""

from dataclasses import dataclass

from munsit_denoise.db.balance import Balances
from munsit_denoise.db.usage import Counts
from munsit_denoise.jobs.balance import minutes_of


@dataclass(frozen=True)
class Used:
    """Jobs by status, minutes of sound and bytes of a user."""

    jobs: dict[str, int]
    minutes_processed: float
    minutes_available: float | None  # None if jobs are free
    stored_bytes: int


class UsageReader:
    """Reads the usage of users. Every method may raise DatabaseBusy."""

    def __init__(self, counts: Counts, balances: Balances | None = None) -> None:
        """`balances` if jobs use them up."""
        self._counts, self._balances = counts, balances

    async def of(self, user_id: str) -> Used:
        """Return a user's usage so far."""
        counted = await self._counts.of(user_id)
        left_ms = await self._balances.available_ms(user_id) if self._balances else None
        available = None if left_ms is None else minutes_of(left_ms)
        return Used(counted.jobs, round(counted.processed_s / 60, 6), available, counted.stored_bytes)
