"""Copies files from one storage to another, and compares each copy."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import anyio

from munsit_denoise.backup.manifest import CHUNK_BYTES, FileDigest
from munsit_denoise.errors import CannotGoOn
from munsit_denoise.storage.base import Reader, Storage
from munsit_denoise.storage.local import LocalStorage


async def digest_in(storage: Storage, key: str) -> FileDigest:
    """Return size and digest of a file in a storage. Raises FileNotFoundError and Unavailable."""
    async with storage.open_range(key) as reader:
        return await _read_through(reader, lambda _: None)


async def copy_file(source: Storage, target: Storage, key: str) -> FileDigest:
    """Copy a file to the same key in another storage, unless it is there; return size and digest.

    Raises FileNotFoundError if the source has none, CannotGoOn if the copy differs.
    """
    if await _size_of(target, key) == (await source.stat(key)).size_bytes:
        digest = await digest_in(source, key)
        if await digest_in(target, key) == digest:
            return digest
    async with source.open_range(key) as reader, target.new_file(key) as path:
        digest = await _write_out(reader, path)
    if await digest_in(target, key) != digest:
        raise CannotGoOn(f"The copy of {key} differs from what was read. Check both disks, and run the command again.")
    return digest


async def link_file(source: LocalStorage, target: LocalStorage, key: str) -> FileDigest:
    """Hard-link a file that never changes into another folder of the same file system.

    Raises FileNotFoundError, OSError.
    """
    path = target.path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.hardlink_to(source.path(key))
    return await digest_in(target, key)


async def copy_growing(source: Storage, target: Storage, key: str) -> FileDigest:
    """Copy the received bytes of an upload in parts, replacing any earlier copy.

    Raises FileNotFoundError if nothing was received, CannotGoOn if the copy is incomplete.
    """
    size_bytes = await source.appended_bytes(key)
    await target.delete_job(key.partition("/")[0])
    async with source.local_file(key) as path, await anyio.open_file(path, "rb") as file, target.append(key) as end:
        digest, left = hashlib.sha256(), size_bytes
        while left and (data := await file.read(min(left, CHUNK_BYTES))):
            digest.update(data)
            await end.write(data)
            left -= len(data)
    if await target.appended_bytes(key) != size_bytes - left:
        raise CannotGoOn(f"The copy of {key} is incomplete. Run the command again.")
    return FileDigest(size_bytes - left, digest.hexdigest())


async def _size_of(storage: Storage, key: str) -> int | None:
    try:
        return (await storage.stat(key)).size_bytes
    except FileNotFoundError:
        return None


async def _write_out(reader: Reader, path: Path) -> FileDigest:
    with path.open("wb") as file:
        return await _read_through(reader, lambda data: file.write(data))


async def _read_through(reader: Reader, use: Callable[[bytes], object]) -> FileDigest:
    digest, size_bytes = hashlib.sha256(), 0
    while data := await reader.read(CHUNK_BYTES):
        digest.update(data)
        use(data)
        size_bytes += len(data)
    return FileDigest(size_bytes, digest.hexdigest())
