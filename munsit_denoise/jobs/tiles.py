"""Spectrogram and waveform tiles of a job's original and result, read one by one from the file of its run."""

import json
from collections import OrderedDict
from contextlib import AbstractAsyncContextManager
from typing import Any

from munsit_denoise.errors import Gone, JobNotFound
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.media.pack import HEAD_BYTES, PackedPart, index_bytes, part_of, told
from munsit_denoise.records import DenoiseRecord, Status
from munsit_denoise.storage.base import Reader

KEPT_INDEXES = 64  # of files in use

Index = tuple[dict[str, Any], int]  # and where the parts start


class Tiles:
    """The pictures of users' jobs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._indexes: OrderedDict[str, Index] = OrderedDict()  # by storage key, whose content never changes

    async def index(self, user_id: str, job_id: str) -> dict[str, Any]:
        """Return the list of pictures. Raises JobNotFound before the job's success, Gone."""
        key = await self._key(user_id, job_id)
        return told((await self._index(key))[0])

    async def part(self, user_id: str, job_id: str, name: tuple[str, str, int, int]) -> bytes:
        """Return a picture by its sound, kind, level and number. Raises JobNotFound, Gone."""
        key = await self._key(user_id, job_id)
        index, begin = await self._index(key)
        part = part_of(index, *name)
        if part is None:
            raise JobNotFound
        return await self._read(key, PackedPart(begin + part.start, part.size))

    async def _key(self, user_id: str, job_id: str) -> str:
        record = await self._parts.records.get_own(user_id, job_id)
        return _key_of(record)

    async def _index(self, key: str) -> Index:
        found = self._indexes.get(key)
        if found is None:
            try:
                size = index_bytes(await self._read(key, PackedPart(0, HEAD_BYTES)))
                found = json.loads(await self._read(key, PackedPart(HEAD_BYTES, size))), HEAD_BYTES + size
            except ValueError:
                raise JobNotFound from None
            self._indexes[key] = found
            if len(self._indexes) > KEPT_INDEXES:
                self._indexes.popitem(last=False)
        return found

    async def _read(self, key: str, part: PackedPart) -> bytes:
        try:
            async with self._open(key, part.start) as reader:
                return await reader.read(part.size)
        except FileNotFoundError:
            raise Gone from None

    def _open(self, key: str, start: int) -> AbstractAsyncContextManager[Reader]:
        return self._parts.storage.open_range(key, start)


def _key_of(record: DenoiseRecord) -> str:
    if record.one_sound_went:
        raise Gone
    if record.status is not Status.SUCCESS or record.tiles_key is None:
        raise JobNotFound
    return record.tiles_key
