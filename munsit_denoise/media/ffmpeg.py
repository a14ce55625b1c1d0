"""The only way to run ffmpeg and ffprobe, confined to one local file.

A playlist or concat script with a harmless name makes ffmpeg read other files. So demuxers are allowed by name, and
`file` is the only protocol. `confinement` has the other protections. A program's process group is killed when the block
around it ends for any reason, and by the system when this process dies.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.abc import UNIXSocketStream
from imageio_ffmpeg import get_ffmpeg_exe

from munsit_denoise.errors import Interrupted, ProcessingFailed
from munsit_denoise.media.confinement import confinement
from munsit_denoise.media.demuxers import ALLOWED

MAX_TOLD_BYTES = 4 * 2**20  # the longest output of a program
REQUESTS_TO_END = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
ORDERLY_END = 255  # ffmpeg's exit code after SIGTERM, SIGINT and similar
STALL_TIMEOUT_S = 60  # a program that neither reads nor writes for this long is broken


@dataclass(frozen=True)
class ProgramLimits:
    """Resource limits of one program."""

    cpu_s: int = 60
    memory_bytes: int = 2 * 2**30  # address space
    file_bytes: int = 64 * 2**30
    open_files: int = 64

    @property
    def bounds(self) -> tuple[str, ...]:
        """The limits as options of prlimit."""
        space = (f"--as={self.memory_bytes}", f"--fsize={self.file_bytes}")
        return (f"--cpu={self.cpu_s}", *space, f"--nofile={self.open_files}", "--core=0")


class MissingProgram(Exception):
    """ffmpeg is not installed."""


class Process:
    """A running program, with our end of its input or output."""

    def __init__(self, popen: subprocess.Popen[bytes], stream: UNIXSocketStream) -> None:
        self._popen, self.stream = popen, stream

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative after a signal; None while it runs."""
        return self._popen.poll()

    async def wait(self) -> int:
        """Return the exit code when the program ends."""
        return await to_thread.run_sync(self._popen.wait, abandon_on_cancel=True)

    async def end(self) -> None:
        """Kill the program and its children if it still runs."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)
        await self.stream.aclose()
        await self.wait()


@dataclass(frozen=True)
class Finished:
    """The exit code and output of a program."""

    code: int
    stdout: bytes


@cache
def program(name: str) -> str:
    """Return the path of the system's `ffmpeg` or `ffprobe`, of `encoder`, or of `python`. Raises MissingProgram.

    `encoder` is the ffmpeg of a Python package. It never reads files of clients. It has no libraries to link, so it
    starts in a sixth of the time, and it writes AMR, which Debian's does not.
    """
    if name == "python":
        return sys.executable
    if name == "encoder":
        try:
            return str(get_ffmpeg_exe())
        except RuntimeError:
            return program("ffmpeg")
    path = shutil.which(name)
    if path is None:
        raise MissingProgram(f"{name} was not found; install FFmpeg, on Debian with: apt-get install ffmpeg")
    return path


def input_options(path: Path) -> list[str]:
    """Return the options that open one local file and nothing else."""
    return ["-protocol_whitelist", "file", "-format_whitelist", ",".join(ALLOWED), "-i", f"file:{path.absolute()}"]


@asynccontextmanager
async def running(
    name: str, arguments: list[str], limits: ProgramLimits, *, feeds: bool = False, tells: bool = False
) -> AsyncIterator[Process]:
    """Run a program inside the block; afterwards it and its children are gone.

    `feeds` opens its input instead of its output; `tells` adds its messages to the output.
    """
    process = await _start([program(name), *arguments], limits, feeds=feeds, tells=tells)
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            await process.end()


async def _start(command: list[str], limits: ProgramLimits, *, feeds: bool, tells: bool) -> Process:
    """Start a program with vfork, in a dedicated thread.

    uvloop forks instead: for each program, all pages of a process of hundreds of MiB are shared with the child, and
    then copied or mapped again when they are next written, tens of thousands for each job.
    """
    ours, theirs = socket.socketpair()

    def start() -> subprocess.Popen[bytes]:
        end = theirs.fileno()
        return subprocess.Popen(  # noqa: S603 - a list of our own, no shell
            [*confinement().command(limits.bounds), *command],
            stdin=end if feeds else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if feeds else end,
            stderr=subprocess.STDOUT if tells else subprocess.DEVNULL,
            start_new_session=True,
        )

    with theirs:
        stream = await UNIXSocketStream.from_socket(ours)
        try:
            return Process(await to_thread.run_sync(lambda: _starter().submit(start).result()), stream)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await stream.aclose()
            raise


@asynccontextmanager
async def reading(
    name: str, arguments: list[str], limits: ProgramLimits, *, timeout_s: float, tells: bool = False
) -> AsyncIterator[Process]:
    """Run a program while the block reads its output. Raises ProcessingFailed if that takes too long."""
    try:
        with anyio.fail_after(timeout_s):
            async with running(name, arguments, limits, tells=tells) as process:
                yield process
    except TimeoutError:
        raise ProcessingFailed("The file took too long to read.") from None


@cache
def _starter() -> ThreadPoolExecutor:
    """Return the thread that starts programs; it must not end, because the system kills its programs with it."""
    return ThreadPoolExecutor(1, "starter", initializer=_block_requests_to_end)


def _block_requests_to_end() -> None:
    """Block signals such as SIGTERM in this thread, and so in the programs that it starts.

    A stop of the whole service sends them to all of its processes. While ffmpeg opens its input it answers them with
    the exit code of a broken file, so a good recording would be refused. The server ends its programs with SIGKILL.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS_TO_END)


async def finish(
    name: str, arguments: list[str], limits: ProgramLimits, *, timeout_s: float, tells: bool = False
) -> Finished:
    """Run a program to its end and return its output.

    Raises ProcessingFailed if it takes too long or writes too much, Interrupted if a signal ended it.
    """
    written = bytearray()
    async with reading(name, arguments, limits, timeout_s=timeout_s, tells=tells) as process:
        async for chunk in process.stream:
            written += chunk
            if len(written) > MAX_TOLD_BYTES:
                raise ProcessingFailed("The description of the file's contents is too long.")
        code = await process.wait()
    raise_if_cut_off(code)
    return Finished(code, bytes(written))


def raise_if_cut_off(code: int) -> None:
    """Raise Interrupted if an exit code says that a signal ended the program, which says nothing about its file."""
    if code < 0 or code == ORDERLY_END:
        raise Interrupted
