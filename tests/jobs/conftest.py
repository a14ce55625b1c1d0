"""All leaves of one server, real, in a temporary folder, for the tests of jobs."""

import shutil
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
from munsit_denoise.jobs.admission import Admission
from munsit_denoise.jobs.deletion import Deletion
from munsit_denoise.jobs.fetcher import Download, Fetcher
from munsit_denoise.jobs.intake import Examiner, UploadLimits
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.jobs.progress import Board
from munsit_denoise.jobs.runner import Runner
from munsit_denoise.jobs.sending import Send, Sending
from munsit_denoise.jobs.settlement import Settlement
from munsit_denoise.jobs.submit import Submission
from munsit_denoise.records import DenoiseRecord
from munsit_denoise.storage.local import LocalStorage
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
    """All leaves of one server, real, in a temporary folder, and what stands on them."""

    database: Database
    parts: Parts
    record: DenoiseRecord
    tasks: TaskGroup
    send_file: Send = no_delivery

    def __post_init__(self) -> None:
        parts, limits = self.parts, UploadLimits(200, 15, 1000, 100, 0)
        self.records, self.queue, self.bell = parts.records, parts.queue, parts.bell
        self.settlement, self.examiner, self.deletion = Settlement(parts), Examiner(limits), Deletion(parts)
        self.admission = Admission(limits, parts.storage, parts.uploads, parts.records, (parts.queue, parts.inbox))
        self.submission = Submission(parts, self.admission, self.examiner, limits)

    @property
    def storage(self) -> LocalStorage:
        assert isinstance(self.parts.storage, LocalStorage)
        return self.parts.storage

    def runner(self, denoiser: Passthrough | None = None, max_attempts: int = 3) -> Runner:
        return Runner(
            parts=self.parts,
            settlement=self.settlement,
            sending=Sending(parts=self.parts, settlement=self.settlement, send_file=self.send_file),
            make_denoiser=lambda _, __: denoiser or Passthrough(),
            max_attempts=max_attempts,
            tasks=self.tasks,
        )

    def fetcher(self, download: Download) -> Fetcher:
        return Fetcher(
            parts=self.parts,
            settlement=self.settlement,
            examiner=self.examiner,
            limits=self.submission.limits,
            download=download,
        )

    async def now(self, job_id: str | None = None) -> DenoiseRecord:
        found = await self.records.get(job_id or self.record.id)
        assert found
        return found

    def files(self) -> list[str]:
        """Return the names of the files of the house's own job."""
        folder = self.storage.path(self.record.id)
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the present schema, made once: a copy is much faster than a migration."""
    path = tmp_path_factory.mktemp("empty") / "test.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
async def house(tmp_path: Path, empty_database: Path) -> AsyncIterator[House]:
    url = f"sqlite:///{shutil.copy(empty_database, tmp_path)}"
    database, bell = open_database(url), MemoryBell()
    records, storage = Records(database), LocalStorage(tmp_path / "files")
    parts = Parts(records=records, uploads=Uploads(database), storage=storage, bell=bell, board=Board(bell))
    keys = Keys(database)
    user_id = await keys.find_user(await keys.create("somebody"))
    assert user_id
    record = replace(make_record(user_id), original_key=f"{make_record(user_id).id}/original")
    async with storage.new_file(record.original_key) as path:
        write_noisy(path.with_suffix(".wav"), 1).replace(path)
    await records.insert(record)
    async with anyio.create_task_group() as tasks:
        yield House(database, parts, record, tasks)
        tasks.cancel_scope.cancel()
    await database.close()
