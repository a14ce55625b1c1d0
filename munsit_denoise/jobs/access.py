"""Which user a request belongs to."""

from contextlib import suppress

import anyio

from munsit_denoise.db.keys import Keys
from munsit_denoise.errors import Unavailable
from munsit_denoise.records import Identity

PAUSE_S = 1.0  # uses of keys that come so close together are written down together


class Access:
    """API keys, as the edge asks for them."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def identify(self, key: str) -> Identity | None:
        """Return whom a valid key belongs to. Raises DatabaseBusy."""
        return await self._keys.identify(key)

    def name_of(self, user_id: str) -> str:
        """Return a user's name, for the log."""
        return self._keys.name_of(user_id)

    async def note_uses_forever(self) -> None:
        """Write down when keys were used, beside the requests; while the database cannot, it waits for the next use."""
        while True:
            with suppress(Unavailable):  # requests tell it, and `/readyz`
                await self._keys.write_uses()
            await anyio.sleep(PAUSE_S)
