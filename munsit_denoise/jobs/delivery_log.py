"""The log of a user's webhook deliveries, for the edge."""

from collections.abc import AsyncIterator, Callable, Sequence

from munsit_denoise.db.deliveries import Deliveries, Logged

__all__ = ["BATCH", "DeliveryLog", "Logged"]
BATCH = 500  # entries that are in memory at a time


class DeliveryLog:
    """Lists deliveries and repeats them. Every method may raise DatabaseBusy."""

    def __init__(self, deliveries: Deliveries, ring: Callable[[], None]) -> None:
        self._deliveries, self._ring = deliveries, ring

    async def batches(self, user_id: str, offset: int, limit: int) -> AsyncIterator[Sequence[Logged]]:
        """Yield part of a user's list in batches, newest first; the first may be empty."""
        before: tuple[int, str] | None = None
        while True:
            size = min(limit, BATCH)
            found = await self._deliveries.log(user_id, offset, size, before)
            yield found
            limit -= size
            if len(found) < size or limit <= 0:
                return
            before, offset = (found[-1].created_at_us, found[-1].id), 0

    async def tell_again(self, user_id: str, delivery_id: str) -> Logged:
        """Send a delivery again now, with the same id, whatever its state. Raises NotFound, StorageFull."""
        again = await self._deliveries.tell_again(user_id, delivery_id)
        self._ring()
        return again
