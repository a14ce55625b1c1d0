"""Downloads files that appear complete or not at all, and resume after a lost connection."""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from munsit_denoise_client.calls import Caller, Tries
from munsit_denoise_client.errors import ClientError, ConnectionLost
from munsit_denoise_client.io import Answer, Call
from munsit_denoise_client.types import OnProgress

PARTIAL = 206


async def download(caller: Caller, call: Call, to: Path, on_progress: OnProgress | None) -> Path:
    """Write the answer to a request to a path, which is replaced at the end. Raises ClientError, OSError."""
    part = to.with_name(f".{to.name[:100]}.{secrets.token_hex(4)}.part")
    file = await caller.io.work(_create, part)
    try:
        try:
            await _Download(caller, call, file, on_progress).run()
            await caller.io.work(_flush, file)
        finally:
            file.close()
        part.replace(to)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return to


class _Download:
    def __init__(self, caller: Caller, call: Call, file: BinaryIO, on_progress: OnProgress | None) -> None:
        self._caller, self._call, self._file, self._on_progress = caller, call, file, on_progress
        self._tries = Tries(caller.patience)
        self._have, self._total = 0, None  # type: int, int | None
        self._validator = ""  # identifies the version of the file

    async def run(self) -> None:
        """Download until the file is complete."""
        while True:
            try:
                await self._fetch()
                return
            except ClientError as error:
                await self._caller.io.sleep(self._tries.pause_s(error))

    async def _fetch(self) -> None:
        headers = {"Range": f"bytes={self._have}-", "If-Range": self._validator} if self._goes_on else {}
        async with self._caller.open(replace(self._call, headers={**self._call.headers, **headers})) as answer:
            if not (self._goes_on and _is_rest(answer, self._have)):
                await self._begin(answer)
            async for chunk in answer.chunks:
                await self._caller.io.work(self._file.write, chunk)
                self._have += len(chunk)
                self._tries.reset()
                if self._on_progress is not None:
                    self._on_progress(self._have, self._total)
        if self._total is not None and self._have != self._total:
            raise ConnectionLost("The connection broke before the end of the file.")

    @property
    def _goes_on(self) -> bool:
        return bool(self._have and self._validator)

    async def _begin(self, answer: Answer) -> None:
        """Start again at the beginning of the file."""
        await self._caller.io.work(_empty, self._file)
        self._have, self._total = 0, _size(answer.headers)
        etag = answer.headers.get("etag", "")
        self._validator = etag if etag and not etag.startswith("W/") else answer.headers.get("last-modified", "")


def _is_rest(answer: Answer, have: int) -> bool:
    return answer.status == PARTIAL and answer.headers.get("content-range", "").startswith(f"bytes {have}-")


def _size(headers: Mapping[str, str]) -> int | None:
    length = headers.get("content-length", "")
    return int(length) if re.fullmatch(r"\d{1,18}", length, re.ASCII) else None


def _create(path: Path) -> BinaryIO:
    return path.open("xb")


def _empty(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
