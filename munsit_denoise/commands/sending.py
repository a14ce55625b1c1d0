"""Sends files to a server and downloads the results, several at a time, with a progress bar for each."""

import errno
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from munsit_denoise.batch.names import shown
from munsit_denoise.batch.order import UsageError
from munsit_denoise.batch.words import told
from munsit_denoise_client import AsyncClient, ClientError, Done, Event, Failed, InvalidKey, JobFailed, Processing

FAILED, USAGE = 1, 2
IN_PIECES_BYTES = 8 * 2**20  # a larger file is sent as a resumable upload
DEFAULT = "wav"  # the server's default format
SUFFIX = "_denoised"


@dataclass(frozen=True)
class Errand:
    """What the command line asks for."""

    files: tuple[Path, ...]
    output: str  # a file, a folder, or empty: next to each file
    options: dict[str, Any] = field(default_factory=dict)
    overwrite: bool = False
    jobs: int = 2


def run_errand(errand: Errand, url: str, key: str) -> int:
    """Process an errand and return the exit code."""
    try:
        errand, pairs = plan(errand)
        client = AsyncClient(url, key)
    except (UsageError, ValueError) as error:
        _say(f"munsit-denoise: {told(str(error))}")
        return USAGE
    return anyio.run(_Transfers(errand, client).all, pairs)


def plan(errand: Errand) -> tuple[Errand, list[tuple[Path, Path]]]:
    """Return each file with the path of its result, and the errand with its format. Raises UsageError."""
    output = Path(errand.output)
    if nameless := [file for file in errand.files if not file.name]:  # . and /
        raise UsageError(f"{nameless[0]} is a folder. remote takes files, not folders.")
    if errand.output and not _is_folder(errand.output):
        if len(errand.files) > 1:
            raise UsageError(f"{shown(output)} is not a folder. Results of several files need one.")
        extension = output.suffix[1:].lower()
        asked = errand.options.get("output_format")
        if extension and asked and asked.lower().removeprefix(".") not in (extension, "original"):
            raise UsageError(f"OUT ends in .{extension}, but --format says {asked}.")
        if extension and not asked:
            errand = replace(errand, options={**errand.options, "output_format": extension})
        pairs = [(errand.files[0], output)]
    else:
        pairs = [(file, _target(file, errand)) for file in errand.files]
    for file, target in pairs:
        if target.exists() and file.exists() and target.samefile(file):
            raise UsageError(f"OUT is FILE: {shown(file)}. The original would be lost; give another name.")
    if len({target for _, target in pairs}) < len(pairs):
        raise UsageError("Several files would have the same result. Send them one at a time, each to its own folder.")
    return errand, pairs


def _is_folder(output: str) -> bool:
    return output.endswith("/") or Path(output).is_dir()


def _target(file: Path, errand: Errand) -> Path:
    """Return the path of a file's result, with the same name."""
    extension = str(errand.options.get("output_format", DEFAULT)).lower().removeprefix(".")
    ending = file.suffix if extension == "original" else f".{extension}"
    if errand.output:
        return Path(errand.output) / f"{file.stem}{ending}"
    return file.with_name(f"{file.stem}{SUFFIX}{ending}")


class _Transfers:
    """Sends files, waits for their jobs and downloads the results."""

    def __init__(self, errand: Errand, client: AsyncClient) -> None:
        self._errand, self._client = errand, client
        self._failed = 0
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(30), TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(), TextColumn("{task.fields[doing]}", markup=False),
            console=self._console, redirect_stdout=False, redirect_stderr=False, disable=not sys.stderr.isatty(),
        )  # fmt: skip

    async def all(self, pairs: Iterable[tuple[Path, Path]]) -> int:
        """Process all files; return the exit code."""
        places = anyio.CapacityLimiter(self._errand.jobs)
        with self._bars:
            async with self._client, anyio.create_task_group() as tasks:
                for pair in pairs:
                    tasks.start_soon(self._one, pair, places)
        return FAILED if self._failed else 0

    async def _one(self, pair: tuple[Path, Path], places: anyio.CapacityLimiter) -> None:
        file, target = pair
        async with places:
            bar = self._bars.add_task(shown(file.name), total=100, doing="")
            try:
                _check_source(file)
                self._check(target)
                target = await self._through(file, target, bar)
            except (ClientError, OSError) as error:
                self._failed += 1
                self._tell(f"failed: {shown(file)}: {_sentence(error, file)}")
            else:
                self._tell(f"done: {shown(file)} -> {shown(target)}")
            self._bars.remove_task(bar)

    def _check(self, target: Path) -> None:
        """Refuse a target that could not be written after all the work. Raises OSError."""
        if self._errand.output.endswith("/"):
            target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "the folder does not exist", str(target.parent))
        if target.exists() and not self._errand.overwrite:
            raise FileExistsError(errno.EEXIST, "exists already; --overwrite replaces it", str(target))

    async def _through(self, file: Path, target: Path, bar: TaskID) -> Path:
        def told(doing: str) -> Any:
            self._bars.update(bar, completed=0, doing=doing)
            return lambda now, total: self._bars.update(bar, completed=100 * now / total if total else None)

        client, on_progress = self._client, told("sending")
        in_pieces = await anyio.to_thread.run_sync(_size_bytes, file) > IN_PIECES_BYTES
        source = await client.upload(file, on_progress=on_progress) if in_pieces else file
        job_id = await client.submit(source, on_progress=None if in_pieces else on_progress, **self._errand.options)
        done = await self._watch(job_id, bar)
        target = self._named(target, done)
        self._check(target)
        return await client.download(done, target, on_progress=told("fetching"))

    async def _watch(self, job_id: str, bar: TaskID) -> Done:
        """Show a job's progress until it ends. Raises JobFailed."""
        last: Event = Failed("The job did not end.")
        async for last in self._client.watch(job_id):
            if isinstance(last, Processing):
                self._bars.update(bar, completed=last.percent, doing=last.message or "")
        if isinstance(last, Done):
            return last
        raise JobFailed(job_id, last.message or "")

    def _named(self, target: Path, done: Done) -> Path:
        """Return a result's path with the server's extension, if the user gave none."""
        if self._errand.output and not _is_folder(self._errand.output):
            return target
        return target.with_suffix("." + done.url.rpartition(".")[2])

    def _tell(self, line: str) -> None:
        self._console.print(line, markup=False)


def _check_source(file: Path) -> None:
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, "remote takes files, not folders", str(file))


def _sentence(error: Exception, file: Path) -> str:
    """Return the message of an error, with its file name unless that is the file that is sent."""
    if isinstance(error, OSError):
        reason = told(error.strerror or str(error))
        named = error.filename is not None and str(error.filename) != str(file)
        return f"{shown(str(error.filename))}: {reason}" if named else reason
    hint = " (is --key right, or DENOISE_API_KEY?)" if isinstance(error, InvalidKey) else ""
    return f"{told(str(error))}{hint}"


def _size_bytes(file: Path) -> int:
    return file.stat().st_size


def _say(line: str) -> None:
    print(line, file=sys.stderr)
