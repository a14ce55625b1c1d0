"""The protocol of a database."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.readers import Questions


class Database(Protocol):
    """Short transactions with durable commits."""

    readers: Questions

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Yield a connection with a consistent view of the database. Raises DatabaseBusy, DatabaseBroken."""
        ...

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Yield a connection whose changes are durable when the block ends.

        Raises DatabaseBusy, StorageFull, and InvalidKey where a user is named that has been deleted.
        """
        ...

    def alone(self, key: int) -> AbstractAsyncContextManager[None]:
        """Keep out other processes that name this key while the block lasts, however long. Raises DatabaseBusy."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
