"""Deletes a user with all data, also while a server runs; after a crash, run it again to finish."""

import anyio

from munsit_denoise.db.users import Users
from munsit_denoise.storage.base import Storage

STOP_S = 2.5  # time in which a server stops jobs and forgets revoked keys


async def delete_user(users: Users, storage: Storage, name: str, stop_s: float = STOP_S) -> None:
    """Remove a user's keys, records, files, uploads, deliveries and balance. Raises NotFound and Unavailable.

    `stop_s` is the time for a server to stop their jobs, in seconds; 0 if no server runs.
    """
    user_id = await users.find(name)
    while True:
        await users.shut_out(user_id)
        await anyio.sleep(stop_s)
        ids = await users.folders(user_id)
        for folder in ids:
            await storage.delete_job(folder)
        if await users.forget(user_id, ids):
            return
