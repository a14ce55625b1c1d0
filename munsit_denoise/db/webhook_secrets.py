"""The secret that signs a user's webhooks, created at its first use."""

import base64
import secrets

from sqlalchemy import ColumnElement, func, select, update

from munsit_denoise.db.engine import Database
from munsit_denoise.db.tables import users as t
from munsit_denoise.errors import NotFound

BEGINNING = "whsec_"
SECRET_BYTES = 32  # Standard Webhooks 1.0 requires 24 to 64


class WebhookSecrets:
    """Secrets in SQL. Every method may raise DatabaseBusy and StorageFull."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user_id: str) -> str:
        """Return a user's secret. Raises NotFound."""
        return await self._kept(t.c.id == user_id)

    async def of_name(self, name: str) -> str:
        """Return the secret of the user with this name. Raises NotFound."""
        return await self._kept(t.c.name == name)

    async def rotate(self, name: str) -> str:
        """Replace the secret of the user with this name and return the new one. Raises NotFound."""
        return await self._change(t.c.name == name, new_secret())

    async def _kept(self, which: ColumnElement[bool]) -> str:
        async with self._database.read() as connection:
            found = await connection.scalar(select(t.c.webhook_secret).where(which))
        return found or await self._change(which, func.coalesce(t.c.webhook_secret, new_secret()))

    async def _change(self, which: ColumnElement[bool], secret: object) -> str:
        query = update(t).where(which).values(webhook_secret=secret).returning(t.c.webhook_secret)
        async with self._database.write() as connection:
            found = await connection.scalar(query)
        if found is None:
            raise NotFound("There is no such user.")
        return str(found)


def new_secret() -> str:
    """Return a random secret."""
    return BEGINNING + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
