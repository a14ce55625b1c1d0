"""All leaves of one server, real, in a temporary folder, for the tests of jobs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from anyio.abc import TaskGroup
from numpy.typing import NDArray

from munsit_denoise.db.engine import Database, open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.migrate import upgrade
from munsit_denoise.db.records import Records
from munsit_denoise.db.uploads import Uploads
from munsit_denoise.events.memory import MemoryBell
from munsit_denoise.jobs.intake import Limits
from munsit_denoise.jobs.runner import Deliver, Runner
from munsit_denoise.jobs.service import DenoiseService
from munsit_denoise.records import (
    DenoiseRecord,
)
from munsit_denoise.storage import LocalStorage
from tests.audio import write_noisy
from tests.db.test_records import make_record


class Passthrough:
    """A denoiser that returns what it is fed, or does what a test wants instead."""

    def __init__(self, act: Any = None) -> None:
        self._act = act

    def feed(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._act is not None:
            self._act()
        return block

    def flush(self) -> NDArray[np.float32]:
        return np.zeros((0, 1), np.float32)


async def no_delivery(_: Path, __: str) -> str | None:
    """Deliver nothing, well."""
    return None


@dataclass
class House:
    """All leaves of one server, real, in a temporary folder."""

    database: Database
    service: DenoiseService
    bell: MemoryBell
    record: DenoiseRecord
    tasks: TaskGroup
    deliver: Deliver = no_delivery

    def __post_init__(self) -> None:
        self.records, self.storage, self.queue = self.service.records, self.service.storage, self.service.queue

    def runner(self, denoiser: Passthrough | None = None, max_attempts: int = 3) -> Runner:
        service = self.service
        return Runner(
            service.records,
            service.storage,
            service.queue,
            self.bell,
            service.running,
            service.examiner.recall,
            lambda _, __: denoiser or Passthrough(),
            max_attempts,
            self.deliver,
            self.tasks,
        )

    async def now(self) -> DenoiseRecord:
        found = await self.records.get(self.record.id)
        assert found
        return found


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    upgrade(url)
    database = open_database(url)
    records, storage, bell = Records(database), LocalStorage(tmp_path / "files"), MemoryBell()
    service = DenoiseService(records, Uploads(database), storage, bell, Limits(200, 15, 1000, 100, 0))
    keys = Keys(database)
    user_id = await keys.find_user(await keys.create("somebody"))
    assert user_id
    record = replace(make_record(user_id), original_key=f"{make_record(user_id).id}/original")
    async with storage.new_file(record.original_key) as path:
        write_noisy(path.with_suffix(".wav"), 1).replace(path)
    await records.insert(record)
    async with anyio.create_task_group() as tasks:
        yield House(database, service, bell, record, tasks)
        tasks.cancel_scope.cancel()
    await database.close()
