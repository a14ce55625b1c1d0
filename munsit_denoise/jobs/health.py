"""Checks whether the server can accept and run jobs."""

import anyio

from munsit_denoise.errors import DenoiseError
from munsit_denoise.jobs.admission import Admission
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.jobs.supervisor import Supervisor

MEMORY_S = 1.0  # a check is not repeated within this time
PATIENCE_S = 10.0  # the longest wait for disk and database
LOADING = "loading"


class Health:
    """Checks everything that a job needs."""

    def __init__(self, parts: Parts, admission: Admission, supervisor: Supervisor) -> None:
        self._parts, self._admission, self._supervisor = parts, admission, supervisor
        self._found: tuple[str, ...] = ()
        self._found_at_s = float("-inf")
        self._looking = anyio.Lock()
        self.model_ready = False

    async def trouble(self) -> tuple[str, ...]:
        """Return the names of the parts that do not work; empty if all is well.

        `loading` means that the model is not loaded yet.
        """
        async with self._looking:
            if anyio.current_time() - self._found_at_s >= MEMORY_S:
                self._found, self._found_at_s = await self._look(), anyio.current_time()
            return self._found

    async def _look(self) -> tuple[str, ...]:
        if self._admission.stopping:
            return ("stopping",)
        found = [*self._supervisor.down]
        if not await self._storage_works():
            found.append("storage")
        if not await self._database_works():
            found.append("database")
        return tuple(found) if found or self.model_ready else (LOADING,)

    async def _storage_works(self) -> bool:
        with anyio.move_on_after(PATIENCE_S):
            try:
                self._admission.check_room()
                await self._parts.storage.probe()
                return True
            except DenoiseError:
                return False
        return False

    async def _database_works(self) -> bool:
        with anyio.move_on_after(PATIENCE_S):
            try:
                await self._parts.records.get("")
                return True
            except DenoiseError:
                return False
        return False
