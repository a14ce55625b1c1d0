"""One suite for every storage: files are whole or not there, and trouble of the machine is told as such."""

import errno
import os
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import obstore
import pytest
from obstore.exceptions import GenericError

from munsit_denoise.errors import DenoiseError, OutOfResources, StorageBroken, StorageFull
from munsit_denoise.storage import folders
from munsit_denoise.storage.base import Storage
from munsit_denoise.storage.local import LocalStorage
from munsit_denoise.storage.s3 import S3Storage
from tests.services import new_bucket

pytestmark = pytest.mark.anyio
JOB, OTHER = "00000000-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000001"
KEY = f"{JOB}/original"


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return LocalStorage(tmp_path / "files")
    endpoint = request.getfixturevalue("s3_endpoint")
    return S3Storage(new_bucket(endpoint), endpoint, tmp_path)


async def write(storage: Storage, key: str = KEY, content: bytes = b"0123456789") -> None:
    async with storage.new_file(key) as path:
        path.write_bytes(content)


async def read(storage: Storage, key: str, start: int = 0) -> bytes:
    async with storage.open_range(key, start) as reader:
        return await reader.read(100)


async def test_a_file_is_there_once_it_is_whole(storage: Storage) -> None:
    async with storage.new_file(KEY) as path:
        path.write_bytes(b"0123456789")
        with pytest.raises(FileNotFoundError):
            await storage.stat(KEY)
    assert (await storage.stat(KEY)).size_bytes == 10
    assert await read(storage, KEY) == b"0123456789"
    assert await storage.keys(JOB) == [KEY]


async def test_a_file_that_is_not_finished_leaves_nothing(storage: Storage) -> None:
    with pytest.raises(ZeroDivisionError):
        async with storage.new_file(KEY) as path:
            path.write_bytes(b"0123")
            raise ZeroDivisionError
    assert await storage.keys(JOB) == []


async def test_ranges_and_seeking(storage: Storage) -> None:
    await write(storage)
    async with storage.open_range(KEY, 3) as reader:
        assert await reader.read(2) == b"34"
        await reader.seek(8)
        assert await reader.read(100) == b"89"
    async with storage.local_file(KEY) as path:
        assert path.read_bytes() == b"0123456789"


async def test_a_shared_file_stays_when_the_first_key_goes(storage: Storage) -> None:
    await write(storage)
    await storage.share(KEY, f"{OTHER}/original")
    await storage.delete_job(JOB)
    assert await read(storage, f"{OTHER}/original") == b"0123456789"
    assert [job_ids async for job_ids in storage.jobs()] == [[OTHER]]


async def add(storage: Storage, *pieces: bytes) -> None:
    async with storage.append(KEY) as file:
        for piece in pieces:
            await file.write(piece)


async def test_a_file_that_comes_in_parts_grows_at_its_end_and_is_published_once_or_twice(storage: Storage) -> None:
    assert await storage.appended_bytes(KEY) == 0
    with pytest.raises(FileNotFoundError):
        await storage.publish(KEY)
    await add(storage, b"01", b"", b"234")
    await add(storage, b"56")
    assert await storage.appended_bytes(KEY) == 7
    await add(storage, b"789")
    for _ in range(2):
        await storage.publish(KEY)
    assert await read(storage, KEY) == b"0123456789"
    assert await storage.appended_bytes(KEY) == 10


async def test_what_was_added_stays_when_the_writer_breaks_off(storage: Storage) -> None:
    with pytest.raises(ZeroDivisionError):
        async with storage.append(KEY) as file:
            await file.write(b"0123")
            raise ZeroDivisionError
    with anyio.CancelScope() as scope:
        async with storage.append(KEY) as file:
            await file.write(b"45")
            scope.cancel()
            await anyio.sleep_forever()
    assert await storage.appended_bytes(KEY) == 6


async def test_flushing_beside_a_writer_tells_what_is_there_to_stay(storage: Storage) -> None:
    pieces = [bytes([number]) * 300_000 for number in range(12)]
    told: list[int] = []
    async with storage.append(KEY) as file, anyio.create_task_group() as tasks:

        async def ask() -> None:
            told.append(await file.flush())

        for piece in pieces:
            tasks.start_soon(ask)
            await file.write(piece)
            await anyio.sleep(0)
    async with storage.local_file(KEY) as path:
        assert path.read_bytes() == b"".join(pieces)
    assert told == sorted(told)
    assert len(told) == len(pieces)
    assert await file.flush() == 3_600_000


async def test_nothing_follows_what_could_not_be_written(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full for a moment must not leave a hole in an upload."""
    if not isinstance(storage, LocalStorage):
        pytest.skip("an object store writes to no disk of ours")
    write, calls = os.write, 0

    def full_once(descriptor: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(errno.ENOSPC, "")
        return write(descriptor, data[:2])

    async with storage.append(KEY) as file:
        monkeypatch.setattr(os, "write", full_once)
        await file.write(b"0123")
        with pytest.raises(StorageFull):
            await file.flush()
        await file.write(b"4567")
        with pytest.raises(StorageFull):
            await file.flush()
    assert await storage.appended_bytes(KEY) == 2


async def test_what_is_not_there_is_told_or_fine(storage: Storage) -> None:
    for ask in (storage.stat(KEY), read(storage, KEY), storage.share(KEY, f"{OTHER}/original")):
        with pytest.raises(FileNotFoundError):
            await ask
    await storage.delete(KEY)
    await storage.delete_job(JOB)
    assert await storage.keys(JOB) == []
    await storage.probe()


async def test_a_key_of_an_installation_stays_with_it(storage: Storage) -> None:
    assert await storage.installation_id() is None
    await storage.name_installation("one")
    await storage.name_installation("two")
    assert await storage.installation_id() == "two"


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EMFILE, OutOfResources),
        (errno.ENOMEM, OutOfResources),
        (errno.EROFS, StorageBroken),
        (errno.EACCES, StorageBroken),
        (errno.EIO, StorageBroken),
        (errno.ELOOP, StorageBroken),
    ],
)
async def test_trouble_of_the_machine_is_told_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[DenoiseError]
) -> None:
    storage = LocalStorage(tmp_path / "files")
    await write(storage)

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    for name in ("publish", "make_folder", "link", "remove_tree", "write_probe", "files_in"):
        monkeypatch.setattr(folders, name, fail)
    acts: list[Callable[[], Any]] = [
        lambda: write(storage, f"{OTHER}/original"),
        lambda: storage.share(KEY, f"{OTHER}/original"),
        lambda: storage.delete_job(JOB),
        storage.probe,
        lambda: storage.keys(JOB),
    ]
    for act in acts:
        with pytest.raises(error):
            await act()
    assert await read(storage, KEY) == b"0123456789"


async def test_an_error_of_the_writer_is_its_own_but_a_full_disk_is_the_storages(storage: Storage) -> None:
    with pytest.raises(BrokenPipeError):
        async with storage.new_file(KEY):
            raise BrokenPipeError(errno.EPIPE, "")
    with pytest.raises(TimeoutError):
        async with storage.new_file(KEY):
            with anyio.fail_after(0):
                await anyio.sleep_forever()
    with pytest.raises(StorageFull):
        async with storage.new_file(KEY):
            raise OSError(errno.ENOSPC, "")


async def test_a_probe_removes_what_an_earlier_one_left(
    s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was stopped in mid-way, by a deadline or with its process, must not leave objects for ever."""
    storage = S3Storage(new_bucket(s3_endpoint), s3_endpoint, tmp_path)
    await write(storage, "probe/left")
    await storage.probe()
    assert await storage.keys("probe") == ["probe/left"], "another process may be at it"
    monkeypatch.setattr("munsit_denoise.storage.s3.PROBE_AGE", timedelta(seconds=-60))
    await storage.probe()
    assert await storage.keys("probe") == []


async def test_parts_that_stayed_behind_spoil_neither_a_file_nor_its_rest(s3_endpoint: str, tmp_path: Path) -> None:
    """Removing some parts may fail in mid-way, after the file was published."""
    storage = S3Storage(new_bucket(s3_endpoint), s3_endpoint, tmp_path)
    await write(storage, KEY)
    await write(storage, f"{KEY}.part/{4:016d}", b"4567")
    assert await storage.appended_bytes(KEY) == 10
    async with storage.local_file(KEY) as path:
        assert path.read_bytes() == b"0123456789"
    await storage.publish(KEY)
    assert await storage.keys(JOB) == [KEY]
    assert await read(storage, KEY) == b"0123456789"
    await storage.delete(KEY)
    await add(storage, b"01")
    await write(storage, f"{KEY}.part/{8:016d}", b"89")
    await add(storage, b"234567")
    await storage.delete(f"{KEY}.part/{8:016d}")
    await write(storage, f"{KEY}.part/{4:016d}", b"456789")
    assert await storage.appended_bytes(KEY) == 8
    await storage.publish(KEY)
    assert await read(storage, KEY) == b"01234567"


@pytest.mark.parametrize("brings", [b"0123", b""])
async def test_reading_goes_on_over_another_request_where_one_breaks_that_brought_something(
    s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brings: bytes
) -> None:
    """A request may take half a minute, whatever the size of the file and the patience of whoever reads it."""
    storage = S3Storage(new_bucket(s3_endpoint), s3_endpoint, tmp_path)
    await write(storage)
    get, requests = obstore.get_async, list[Any]()

    async def breaks_once(*values: Any, **options: Any) -> Any:
        requests.append(options)
        found = await get(*values, **options)
        return found if len(requests) > 1 else SimpleNamespace(meta=found.meta, stream=broken)

    async def broken(**_: object) -> AsyncIterator[bytes]:
        if brings:
            yield brings
        raise GenericError("operation timed out")

    monkeypatch.setattr(obstore, "get_async", breaks_once)
    if not brings:
        with pytest.raises(StorageBroken):
            await read(storage, KEY)
        return
    assert await read(storage, KEY) == b"0123456789"
    assert requests[1]["options"] == {"range": {"offset": 4}}
    requests.clear()
    async with storage.local_file(KEY) as path:
        assert path.read_bytes() == b"0123456789"


async def test_an_empty_file_is_read(storage: Storage) -> None:
    await write(storage, content=b"")
    assert await read(storage, KEY) == b""
    async with storage.local_file(KEY) as path:
        assert path.read_bytes() == b""
