"""What came in of an upload stays, whoever breaks off; what nobody completes goes."""

from collections.abc import AsyncIterator

import anyio
import pytest

from munsit_denoise.db.installation import Installation
from munsit_denoise.db.partial import PartialUploads
from munsit_denoise.errors import (
    Interrupted,
    NotMedia,
    ShuttingDown,
    Unavailable,
    UploadInUse,
    UploadNotFound,
)
from munsit_denoise.jobs import partial as module
from munsit_denoise.jobs.installation import belong_together
from munsit_denoise.jobs.partial import Body, Ledger, ResumableUploads
from munsit_denoise.jobs.sweeper import sweep
from munsit_denoise.records import Options, PartialUpload
from tests.audio import write_noisy
from tests.jobs.conftest import House

pytestmark = pytest.mark.anyio


class Desk:
    """Resumable uploads of one user of a house."""

    def __init__(self, house: House, wav: bytes, hours: float = 24) -> None:
        self.house, self.wav, self.user_id = house, wav, house.record.user_id
        self.rows = PartialUploads(house.database)
        self.uploads = ResumableUploads(house.parts, Ledger(self.rows), house.admission, house.examiner, hours)

    async def create(self) -> PartialUpload:
        return await self.uploads.create(self.user_id, "a.wav", len(self.wav), "")

    async def append(self, upload: PartialUpload, position: int, *chunks: bytes) -> int:
        return await self.feed(upload, position, each(*chunks))

    async def feed(self, upload: PartialUpload, position: int, chunks: AsyncIterator[bytes]) -> int:
        return (await self.uploads.append(self.user_id, upload.id, Body(position, None, chunks))).offset_bytes

    async def offset(self, upload: PartialUpload) -> int:
        return (await self.uploads.standing(self.user_id, upload.id)).offset_bytes

    def is_stored(self, upload: PartialUpload) -> bool:
        return self.house.storage.path(upload.id).exists()


async def each(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def then_silence(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    await anyio.sleep_forever()


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_noisy(tmp_path_factory.mktemp("wav") / "a.wav", 0.2, 8000).read_bytes()


@pytest.fixture
def desk(house: House, wav: bytes) -> Desk:
    return Desk(house, wav)


async def test_neither_the_sweep_nor_the_start_takes_what_is_coming_in(desk: Desk) -> None:
    upload = await desk.create()
    await desk.append(upload, 0, desk.wav[:100])
    assert await sweep(desk.house.parts) == 0
    house, own = desk.house, Installation(desk.house.database)
    await belong_together(own, house.storage, house.records, house.parts.uploads, adopt=False)
    assert await desk.append(upload, 100, desk.wav[100:]) == len(desk.wav)
    assert await sweep(desk.house.parts) == 0
    assert await desk.offset(upload) == len(desk.wav)


async def test_a_server_that_died_after_the_last_byte_completes_when_it_is_asked(desk: Desk) -> None:
    upload = await desk.create()
    async with desk.house.storage.append(upload.storage_key) as file:
        await file.write(desk.wav)
    with pytest.raises(UploadNotFound):
        await desk.house.submission.submit_upload(desk.user_id, upload.id, Options())
    assert await desk.offset(upload) == len(desk.wav)
    record = await desk.house.submission.submit_upload(desk.user_id, upload.id, Options())
    assert record.audio_size_bytes == len(desk.wav)


async def test_a_look_that_was_cut_off_is_no_verdict(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = await desk.create()

    async def cut_off(*_: object) -> None:
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(desk.house.examiner, "examine", cut_off)
        with pytest.raises(Unavailable):
            await desk.append(upload, 0, desk.wav)
    assert await desk.append(upload, len(desk.wav)) == len(desk.wav)


async def test_what_is_no_media_leaves_nothing(desk: Desk) -> None:
    upload = await desk.create()
    with pytest.raises(NotMedia):
        await desk.append(upload, 0, b"x" * len(desk.wav))
    with pytest.raises(UploadNotFound):
        await desk.offset(upload)
    assert not desk.is_stored(upload)


async def test_a_server_that_stops_keeps_what_came(desk: Desk) -> None:
    upload = await desk.create()

    async def until_stop() -> AsyncIterator[bytes]:
        yield desk.wav[:100]
        raise ShuttingDown

    with pytest.raises(ShuttingDown):
        await desk.feed(upload, 0, until_stop())
    desk.house.admission.stop()
    with pytest.raises(ShuttingDown):
        await desk.append(upload, 100, desk.wav[100:])
    assert await desk.offset(upload) == 100


async def test_a_body_that_went_silent_makes_room_for_the_next(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a phone that lost its network: the server has not heard yet that the first connection is dead."""
    upload = await desk.create()
    ended: list[str] = []

    async def first() -> None:
        with pytest.raises(UploadInUse):
            await desk.feed(upload, 0, then_silence(desk.wav[:100]))
        ended.append("first")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        while await desk.offset(upload) < 100:
            await anyio.sleep(0.001)
        with pytest.raises(UploadInUse):
            await desk.append(upload, 100, desk.wav[100:])
        assert ended == []
        monkeypatch.setattr(module, "SILENT_S", 0.0)
        assert await desk.append(upload, 100, desk.wav[100:]) == len(desk.wav)
    assert ended == ["first"]
    assert desk.house.storage.path(upload.storage_key).read_bytes() == desk.wav


async def test_what_is_not_completed_in_time_goes_and_what_is_complete_stays(house: House, wav: bytes) -> None:
    late, complete = Desk(house, wav, hours=1e-6), Desk(house, wav)
    expired, kept = await late.create(), await complete.create()
    async with house.storage.append(expired.storage_key) as file:
        await file.write(wav[:9])
    await complete.append(kept, 0, wav)
    await anyio.sleep(0.01)
    with pytest.raises(UploadNotFound):
        await late.offset(expired)
    with anyio.move_on_after(0.3):
        await late.uploads.expire_forever()
    assert not late.is_stored(expired)
    assert await complete.offset(kept) == len(wav)


async def test_an_upload_that_is_deleted_with_its_job_is_gone(desk: Desk) -> None:
    upload = await desk.create()
    await desk.append(upload, 0, desk.wav)
    record = await desk.house.submission.submit_upload(desk.user_id, upload.id, Options())
    await desk.house.deletion.delete_files(desk.user_id, record.id)
    with pytest.raises(UploadNotFound):
        await desk.offset(upload)
    assert not desk.is_stored(upload)


async def test_terminating_leaves_jobs_their_file(desk: Desk) -> None:
    upload = await desk.create()
    await desk.append(upload, 0, desk.wav)
    record = await desk.house.submission.submit_upload(desk.user_id, upload.id, Options())
    await desk.uploads.terminate(desk.user_id, upload.id)
    with pytest.raises(UploadNotFound):
        await desk.house.submission.submit_upload(desk.user_id, upload.id, Options())
    assert (await desk.house.storage.stat(record.original_key)).size_bytes == len(desk.wav)
