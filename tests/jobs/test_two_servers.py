"""Two servers on one database and one store: what one works on the other leaves alone, and takes over from the dead."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from munsit_denoise.db.bounds import JobBounds, UploadBounds
from munsit_denoise.db.engine import Database, open_database
from munsit_denoise.db.holds import Holds
from munsit_denoise.db.idempotency import IdempotencyKeys
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.migrate import upgrade
from munsit_denoise.db.partial import PartialUploads
from munsit_denoise.db.records import Records
from munsit_denoise.db.uploads import Uploads
from munsit_denoise.errors import (
    KeyInUse,
    QueueFull,
    TooManyJobs,
    TooManyUploads,
    TooMuchWaiting,
    UploadInUse,
    UploadNotFound,
    WrongOffset,
)
from munsit_denoise.events.memory import MemoryBell
from munsit_denoise.jobs import holdings as module
from munsit_denoise.jobs.admission import Admission
from munsit_denoise.jobs.holdings import Holdings
from munsit_denoise.jobs.idempotency import Idempotency
from munsit_denoise.jobs.intake import Examiner, UploadLimits
from munsit_denoise.jobs.partial import Body, Ledger, ResumableUploads
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.jobs.progress import Board
from munsit_denoise.jobs.sweeper import sweep
from munsit_denoise.jobs.upload_locks import UploadLocks
from munsit_denoise.records import Upload
from munsit_denoise.storage.s3 import S3Storage
from tests.audio import write_noisy
from tests.db.test_records import make_record
from tests.services import Databases, new_bucket

pytestmark = pytest.mark.anyio
LIMITS = UploadLimits(200, 15, 1000, 100, 0)


class Server:
    """What one server of two has: holdings of its own over what both share."""

    def __init__(self, database: Database, storage: S3Storage) -> None:
        bell = MemoryBell()
        self.holdings = Holdings(Holds(database))
        self.parts = Parts(
            records=Records(database), uploads=Uploads(database), storage=storage, bell=bell, board=Board(bell)
        )
        queues = (self.parts.queue, self.parts.inbox)
        admission = Admission(LIMITS, storage, self.parts.uploads, self.parts.records, queues)
        ledger = Ledger(PartialUploads(database), UploadLocks(self.holdings))
        self.uploads = ResumableUploads(self.parts, ledger, admission, Examiner(LIMITS), 24)
        self.idempotency = Idempotency(IdempotencyKeys(database), self.holdings)
        self.storage, self.database = storage, database


class Pair:
    """Both servers, and the upload of a user."""

    def __init__(self, servers: tuple[Server, Server], user_id: str, wav: bytes) -> None:
        self.one, self.other = servers
        self.user_id, self.wav, self.upload_id = user_id, wav, ""

    async def begin(self) -> None:
        self.upload_id = (await self.one.uploads.create(self.user_id, "a.wav", len(self.wav), "")).id

    async def send(self, server: Server, start: int, stop: int | None = None, *, then_hang: bool = False) -> int:
        async def chunks() -> AsyncIterator[bytes]:
            yield self.wav[start:stop]
            if then_hang:
                await anyio.sleep_forever()

        standing = await server.uploads.append(self.user_id, self.upload_id, Body(start, None, chunks()))
        return standing.offset_bytes

    async def offset(self, server: Server) -> int:
        return (await server.uploads.standing(self.user_id, self.upload_id)).offset_bytes

    async def stored(self) -> bytes:
        async with self.one.storage.open_range(f"{self.upload_id}/original") as reader:
            return await reader.read(len(self.wav) + 1)


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_noisy(tmp_path_factory.mktemp("wav") / "a.wav", 0.2, 8000).read_bytes()


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("HELD_S", 1.0), ("KEEP_S", 0.1), ("TAKE_OVER_S", 0.3)):
        monkeypatch.setattr(module, name, seconds)
    monkeypatch.setattr("munsit_denoise.jobs.upload_locks.KEEP_S", 0.1)
    monkeypatch.setattr("munsit_denoise.jobs.upload_locks.BRIEF_S", 0.2)


@pytest.fixture(scope="module")
def shared(postgres_server: Databases, s3_endpoint: str) -> tuple[str, str]:
    """The URLs of a database and a bucket."""
    url = postgres_server.new_database()
    upgrade(url)
    return url, new_bucket(s3_endpoint)


@pytest.fixture
async def pair(tmp_path: Path, shared: tuple[str, str], s3_endpoint: str, wav: bytes) -> AsyncIterator[Pair]:
    url, bucket = shared
    databases = [open_database(url) for _ in range(2)]
    servers = [Server(database, S3Storage(bucket, s3_endpoint, tmp_path / "scratch")) for database in databases]
    keys = Keys(databases[0])
    user_id = await keys.find_user(await keys.create(str(uuid.uuid4())))
    assert user_id
    pair = Pair((servers[0], servers[1]), user_id, wav)
    async with anyio.create_task_group() as tasks:
        for server in servers:
            tasks.start_soon(server.holdings.keep_forever)
        yield pair
        tasks.cancel_scope.cancel()
    for database in databases:
        await database.close()


async def test_an_upload_goes_on_at_another_server_and_of_two_at_once_one_is_refused(pair: Pair) -> None:
    await pair.begin()
    assert await pair.send(pair.one, 0, 100) == 100
    assert await pair.offset(pair.other) == 100
    told: list[object] = []

    async def race(server: Server) -> None:
        try:
            told.append(await pair.send(server, 100))
        except (UploadInUse, WrongOffset) as error:
            told.append(type(error))

    async with anyio.create_task_group() as tasks:
        for server in (pair.one, pair.other):
            tasks.start_soon(race, server)
    assert told.count(len(pair.wav)) >= 1
    assert [await pair.offset(server) for server in (pair.one, pair.other)] == [len(pair.wav)] * 2
    assert await pair.stored() == pair.wav


async def test_a_body_that_hangs_at_one_server_goes_on_at_another_when_it_was_silent(pair: Pair) -> None:
    await pair.begin()
    ended: list[str] = []

    async def hang() -> None:
        with pytest.raises(UploadInUse):
            await pair.send(pair.one, 0, 100, then_hang=True)
        ended.append("hanging")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hang)
        await anyio.sleep(0.05)
        with pytest.raises((UploadInUse, WrongOffset)):
            await pair.send(pair.other, 0)
        with anyio.fail_after(10):
            while await pair.offset(pair.other) < 100:  # what it had read is made durable
                await anyio.sleep(0.05)
            while True:
                try:
                    assert await pair.send(pair.other, 100) == len(pair.wav)
                    break
                except UploadInUse:
                    await anyio.sleep(0.1)
    assert ended
    assert await pair.stored() == pair.wav


async def test_whoever_lost_its_turn_adds_nothing_and_what_is_there_is_not_replaced(pair: Pair) -> None:
    """As of a server that was stopped, with bytes in its memory, and wakes up when another one has gone on."""
    await pair.begin()
    key = f"{pair.upload_id}/original"
    with pytest.raises(UploadInUse):
        async with pair.one.storage.append(key) as late:
            await late.write(pair.wav[:50])
            assert await pair.send(pair.other, 0, 120) == 120
    assert await pair.offset(pair.one) == 120
    async with pair.one.storage.append(key) as again:  # the answer to the first was lost
        again._end = 0
        await again.write(pair.wav[:150])
    assert await pair.send(pair.other, 150) == len(pair.wav)
    assert await pair.stored() == pair.wav


async def test_deleting_stops_a_body_that_another_server_reads_and_nothing_stays(pair: Pair) -> None:
    await pair.begin()

    async def hang() -> None:
        with pytest.raises(UploadInUse):
            await pair.send(pair.one, 0, 100, then_hang=True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hang)
        await anyio.sleep(0.05)
        await pair.other.uploads.terminate(pair.user_id, pair.upload_id)
    with pytest.raises(UploadNotFound):
        await pair.offset(pair.one)
    assert await pair.one.storage.keys(pair.upload_id) == []


async def test_the_sweep_leaves_the_parts_of_an_upload_that_has_not_come_in(pair: Pair) -> None:
    await pair.begin()
    await pair.send(pair.one, 0, 100)
    await anyio.sleep(1.1)  # the store tells whole seconds
    assert await sweep(pair.one.parts, age_s=0.05) == 0
    assert await pair.offset(pair.other) == 100


async def test_of_submissions_that_come_in_at_once_no_more_are_accepted_than_may_wait(pair: Pair) -> None:
    records = [Records(server.database, bounds=JobBounds(100, 3, 1000)) for server in (pair.one, pair.other)]
    uploads = [Uploads(server.database, UploadBounds(2, 0).check) for server in (pair.one, pair.other)]
    told: Counter[str] = Counter()

    async def submit(number: int, result_bytes: int = 1) -> None:
        record = make_record(pair.user_id, number)
        job_id, secret = str(uuid.uuid4()), uuid.uuid4().hex
        try:
            await records[number % 2].insert(replace(record, id=job_id, secret=secret, result_bytes=result_bytes))
        except (TooManyJobs, TooMuchWaiting) as error:
            told[type(error).__name__] += 1

    async def upload(number: int) -> None:
        upload_id = str(uuid.uuid4())
        try:
            await uploads[number % 2].insert(
                Upload(upload_id, pair.user_id, "a.wav", "wav", 1.0, 9, f"{upload_id}/original", number)
            )
        except TooManyUploads:
            told["TooManyUploads"] += 1

    await submit(0, 1001)
    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(submit, number)
            tasks.start_soon(upload, number)
    assert told == {"TooMuchWaiting": 1, "TooManyJobs": 3, "TooManyUploads": 4}
    with pytest.raises(QueueFull):
        await Records(pair.one.database, bounds=JobBounds(3, 0, 0)).insert(make_record(pair.user_id, 9))


async def test_a_key_whose_first_submission_comes_in_at_another_server_is_in_use_until_that_dies(pair: Pair) -> None:
    one, other = pair.one.idempotency, pair.other.idempotency
    async with one.submission(pair.user_id, "k"):
        await anyio.sleep(1.2)  # longer than a hold: it is kept
        with pytest.raises(KeyInUse):
            async with other.submission(pair.user_id, "k"):
                pass
        async with other.submission(pair.user_id, "another"):
            pass
    async with other.submission(pair.user_id, "k") as turn:
        assert turn.first is None
    assert await pair.one.holdings.take("key of a server that died")
    with anyio.fail_after(5):
        while not await pair.other.holdings.take("key of a server that died"):
            await anyio.sleep(0.1)
