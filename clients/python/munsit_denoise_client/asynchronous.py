"""The client for programs with an event loop, which the blocking one uses too."""

import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, Unpack
from uuid import uuid4

from munsit_denoise_client import downloads, resumable, watching
from munsit_denoise_client.calls import Caller, Patience, segment
from munsit_denoise_client.errors import JobFailed, NotFinished
from munsit_denoise_client.io import AsyncIo, Call, Io
from munsit_denoise_client.resumable import Sending
from munsit_denoise_client.sources import (
    Source,
    check_options,
    content_type,
    form,
    is_url,
    json_body,
    name_of,
    opened,
)
from munsit_denoise_client.types import (
    Done,
    Event,
    Failed,
    OnProgress,
    Options,
    Record,
    Report,
    Status,
    Uploaded,
    Usage,
    read,
    read_report,
)

PAGE = 100
TIMEOUT_S = 60


class AsyncClient:
    """A denoise server. Every method may raise ApiError, and ConnectionLost after the last retry."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_s: float = TIMEOUT_S,
        patience: Patience | None = None,
        io: Io | None = None,
    ) -> None:
        self._caller = Caller(io or AsyncIo(timeout_s), url, key, patience or Patience())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._caller.io.close()

    async def submit(
        self,
        source: Source,
        *,
        file_name: str | None = None,
        idempotency_key: str | None = None,
        on_progress: OnProgress | None = None,
        **options: Unpack[Options],
    ) -> str:
        """Submit a path, an http(s) URL, an open binary file or an upload; return the job's id.

        A retry creates no second job, because each submission has an idempotency key. Raises OSError.
        """
        fields = check_options(options)
        headers = {"Idempotency-Key": idempotency_key or str(uuid4())}
        if isinstance(source, Uploaded):
            return await self._submit_json({"upload_id": source.id, **fields}, headers)
        if is_url(source):
            return await self._submit_json({"url": source, **fields}, headers)
        with opened(source) as file:
            body = form(file, name_of(file, file_name), fields, on_progress)
            headers["Content-Type"] = content_type(body)
            call = self._caller.call("POST", "/denoise", headers=headers, body=body)
            reply = await self._caller.ask(call, repeatable=body.start is not None)
        return str(reply.json()["denoiseId"])

    async def _submit_json(self, fields: dict[str, Any], headers: dict[str, str]) -> str:
        headers = {**headers, "Content-Type": "application/json"}
        reply = await self._caller.ask(self._caller.call("POST", "/denoise", headers=headers, body=json_body(fields)))
        return str(reply.json()["denoiseId"])

    async def upload(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        *,
        file_name: str | None = None,
        url: str | None = None,
        on_progress: OnProgress | None = None,
        on_created: Callable[[str], None] | None = None,
    ) -> Uploaded:
        """Send a file as a resumable upload; with the `url` of an earlier upload, continue that one.

        `on_created` gets the URL to store. Raises UploadMismatch if the earlier upload is of another file, ValueError,
        OSError.
        """
        with opened(source) as file:
            sending = Sending(name_of(file, file_name), on_progress, on_created)
            return await resumable.upload(self._caller, file, url, sending)

    def watch(self, job_id: str) -> AsyncGenerator[Event, None]:
        """Yield the events of a job up to its end; reconnects after a lost connection."""
        return watching.watch(self._caller, job_id)

    async def wait(self, job_id: str) -> Done:
        """Wait for a job's end. Raises JobFailed."""
        last: Event | None = None
        async for event in self.watch(job_id):
            last = event
        return result_of(job_id, last)

    async def download(
        self, job: str | Record | Done, to: str | os.PathLike[str], *, on_progress: OnProgress | None = None
    ) -> Path:
        """Write a job's result to a path; the file appears when it is complete. Raises NotFinished, OSError."""
        url = (await self.get(job)).audio_url if isinstance(job, str) else url_of(job)
        if url is None:
            raise NotFinished("The job has no result.")
        return await downloads.download(self._caller, Call("GET", url), Path(to), on_progress)  # without the key

    async def residual(self, job_id: str, to: str | os.PathLike[str], *, on_progress: OnProgress | None = None) -> Path:
        """Write what was removed from a recording to a path, as WAV. Raises OSError."""
        call = self._caller.call("GET", f"/denoise/{segment(job_id)}/residual")
        return await downloads.download(self._caller, call, Path(to), on_progress)

    async def enhance(
        self, source: Source, to: str | os.PathLike[str], *, on_progress: OnProgress | None = None,
        **options: Unpack[Options],
    ) -> Path:  # fmt: skip
        """Submit a recording, wait, and write the result to a path. Raises JobFailed, OSError."""
        done = await self.wait(await self.submit(source, on_progress=on_progress, **options))
        return await self.download(done, to)

    async def get(self, job_id: str) -> Record:
        """Return a job's record."""
        return read(Record, await self._json("GET", f"/denoise/{segment(job_id)}"))

    async def list(
        self, *, offset: int = 0, limit: int | None = None, status: Status | None = None, q: str | None = None
    ) -> list[Record]:
        """Return a page of the history, newest first; `q` is a part of the file name."""
        given = {"offset": offset or None, "limit": limit, "status": status, "q": q}
        params = {name: str(value) for name, value in given.items() if value is not None}
        return [read(Record, one) for one in await self._json("GET", "/denoise", params)]

    async def iterate(
        self, *, status: Status | None = None, q: str | None = None, page: int = PAGE
    ) -> AsyncGenerator[Record, None]:
        """Yield the whole history, newest first, by pages; each record once, even if new jobs are added."""
        offset, seen = 0, set[str]()
        while records := await self.list(offset=offset, limit=page, status=status, q=q):
            for record in records:
                if record.id not in seen:
                    seen.add(record.id)
                    yield record
            offset += len(records)
            if len(records) < page:
                return

    async def delete(self, job_id: str) -> None:
        """Delete a job with its files and its record, whatever its state."""
        await self._caller.ask(self._caller.call("DELETE", f"/denoise/{segment(job_id)}"))

    async def cancel(self, job_id: str) -> Record:
        """Stop a job that has not ended; its original stays."""
        return read(Record, await self._json("POST", f"/denoise/{segment(job_id)}/cancel"))

    async def report(self, job_id: str) -> Report:
        """Return the measurements before and after."""
        return read_report(await self._json("GET", f"/denoise/{segment(job_id)}/report"))

    async def usage(self) -> Usage:
        """Return the user's jobs, minutes and bytes."""
        return read(Usage, await self._json("GET", "/usage"))

    async def _json(self, method: str, path: str, params: dict[str, str] | None = None) -> Any:
        return (await self._caller.ask(self._caller.call(method, path, params=params or {}))).json()


def result_of(job_id: str, last: Event | None) -> Done:
    """Return the end of a successful job. Raises JobFailed."""
    if isinstance(last, Done):
        return last
    raise JobFailed(job_id, last.message if isinstance(last, Failed) else "The job did not end.")


def url_of(job: Record | Done) -> str | None:
    """Return the URL of a job's result, or None."""
    return job.url if isinstance(job, Done) else job.audio_url
