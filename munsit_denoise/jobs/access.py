"""Whose request it is."""

from munsit_denoise.db.keys import Keys
from munsit_denoise.records import Identity


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
