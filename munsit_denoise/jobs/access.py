"""Which user a request belongs to."""

from contextlib import suppress

import anyio

from munsit_denoise.db.keys import Keys
from munsit_denoise.errors import Unavailable
from munsit_denoise.records import Identity

PAUSE_S = 1.0  # key uses within this time are written together


class Access:
    """API keys, for the edge."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def identify(self, key: str) -> Identity | None:
        """Return the owner of a valid key, or None. Raises DatabaseBusy."""
        return await self._keys.identify(key)

    def name_of(self, user_id: str) -> str:
        """Return a user's name, for the log."""
        return self._keys.name_of(user_id)

    async def note_uses_forever(self) -> None:
        """Write the last use of keys, separately from requests; a busy database delays it until the next use."""
        while True:
            with suppress(Unavailable):  # requests report it, and so does `/readyz`
                await self._keys.write_uses()
            await anyio.sleep(PAUSE_S)
