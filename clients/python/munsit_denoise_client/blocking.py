"""The client for programs without an event loop; `AsyncClient` describes each method."""

import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeVar, Unpack

from munsit_denoise_client.asynchronous import PAGE, TIMEOUT_S, AsyncClient
from munsit_denoise_client.calls import Patience
from munsit_denoise_client.io import BlockingIo, run
from munsit_denoise_client.sources import Source
from munsit_denoise_client.types import (
    Done,
    Event,
    OnProgress,
    Options,
    Record,
    Report,
    Status,
    Uploaded,
    Usage,
)

T = TypeVar("T")


class Client:
    """A denoise server. Every method may raise ApiError, and ConnectionLost after the last retry."""

    def __init__(self, url: str, key: str, *, timeout_s: float = TIMEOUT_S, patience: Patience | None = None) -> None:
        self._client = AsyncClient(url, key, patience=patience, io=BlockingIo(timeout_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        run(self._client.close())

    def submit(
        self,
        source: Source,
        *,
        file_name: str | None = None,
        idempotency_key: str | None = None,
        on_progress: OnProgress | None = None,
        **options: Unpack[Options],
    ) -> str:
        """Submit a path, an http(s) URL, an open binary file or an upload; return the job's id."""
        return run(
            self._client.submit(
                source, file_name=file_name, idempotency_key=idempotency_key, on_progress=on_progress, **options
            )
        )

    def upload(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        *,
        file_name: str | None = None,
        url: str | None = None,
        on_progress: OnProgress | None = None,
        on_created: Callable[[str], None] | None = None,
    ) -> Uploaded:
        """Send a file as a resumable upload; with the `url` of an earlier upload, continue that one."""
        sent = self._client.upload(source, file_name=file_name, url=url, on_progress=on_progress, on_created=on_created)
        return run(sent)

    def watch(self, job_id: str) -> Iterator[Event]:
        """Yield the events of a job up to its end; reconnects after a lost connection."""
        return _iterate(self._client.watch(job_id))

    def wait(self, job_id: str) -> Done:
        """Wait for a job's end. Raises JobFailed."""
        return run(self._client.wait(job_id))

    def download(
        self, job: str | Record | Done, to: str | os.PathLike[str], *, on_progress: OnProgress | None = None
    ) -> Path:
        """Write a job's result to a path; the file appears when it is complete. Raises NotFinished, OSError."""
        return run(self._client.download(job, to, on_progress=on_progress))

    def residual(self, job_id: str, to: str | os.PathLike[str], *, on_progress: OnProgress | None = None) -> Path:
        """Write what was removed from a recording to a path, as WAV. Raises OSError."""
        return run(self._client.residual(job_id, to, on_progress=on_progress))

    def enhance(
        self, source: Source, to: str | os.PathLike[str], *, on_progress: OnProgress | None = None,
        **options: Unpack[Options],
    ) -> Path:  # fmt: skip
        """Submit a recording, wait, and write the result to a path. Raises JobFailed, OSError."""
        return run(self._client.enhance(source, to, on_progress=on_progress, **options))

    def get(self, job_id: str) -> Record:
        """Return a job's record."""
        return run(self._client.get(job_id))

    def list(
        self, *, offset: int = 0, limit: int | None = None, status: Status | None = None, q: str | None = None
    ) -> list[Record]:
        """Return a page of the history, newest first; `q` is a part of the file name."""
        return run(self._client.list(offset=offset, limit=limit, status=status, q=q))

    def iterate(self, *, status: Status | None = None, q: str | None = None, page: int = PAGE) -> Iterator[Record]:
        """Yield the whole history, newest first, by pages; each record once, even if new jobs are added."""
        return _iterate(self._client.iterate(status=status, q=q, page=page))

    def delete(self, job_id: str) -> None:
        """Delete a job with its files and its record, whatever its state."""
        run(self._client.delete(job_id))

    def cancel(self, job_id: str) -> Record:
        """Stop a job that has not ended; its original stays."""
        return run(self._client.cancel(job_id))

    def report(self, job_id: str) -> Report:
        """Return the measurements before and after."""
        return run(self._client.report(job_id))

    def usage(self) -> Usage:
        """Return the user's jobs, minutes and bytes."""
        return run(self._client.usage())


def _iterate(steps: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """Yield what an asynchronous generator over `BlockingIo` yields."""
    try:
        while True:
            try:
                item = run(steps.__anext__())
            except StopAsyncIteration:
                return
            yield item
    finally:
        run(steps.aclose())
