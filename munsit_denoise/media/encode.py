"""Encodes blocks of float32 into a file of a chosen format."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from munsit_denoise.errors import Interrupted, ProcessingFailed, StorageFull
from munsit_denoise.media.decode import Block
from munsit_denoise.media.ffmpeg import STALL_TIMEOUT_S, Process, ProgramLimits, raise_if_cut_off, running
from munsit_denoise.media.formats import Encoding
from munsit_denoise.media.probe import AudioTrack

RESERVE_BYTES = 2**20  # with less free space, a failed write counts as a full disk


class Encoder:
    """Writes blocks to its process, which writes the file."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def write(self, block: Block) -> None:
        """Append [frames, channels]. Raises Interrupted if the program no longer reads."""
        try:
            with anyio.fail_after(STALL_TIMEOUT_S):
                await self._process.stream.send(block.astype("<f4", copy=False).tobytes())
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise _Broken from None
        except TimeoutError:
            raise Interrupted from None


class _Broken(Exception):
    """The program ended before its input did."""


@asynccontextmanager
async def encoding_to(path: Path, track: AudioTrack, encoding: Encoding) -> AsyncIterator[Encoder]:
    """Yield an encoder; the file is complete when the block ends.

    Raises ProcessingFailed if the format cannot hold this sound, StorageFull if the disk is full, Interrupted if the
    encoder was killed.
    """
    limits = ProgramLimits(cpu_s=60 + int(track.duration_s * max(track.channels, 2)))
    async with running("encoder", _arguments(path, track, encoding), limits, feeds=True) as process:
        broken = False
        try:
            yield Encoder(process)
        except _Broken:
            broken = True
        await process.stream.aclose()
        with anyio.move_on_after(STALL_TIMEOUT_S):
            await process.wait()
        code = process.returncode
        if code is None:
            raise Interrupted
        raise_if_cut_off(code)
        if broken or code != 0:
            raise write_failure(path)


def write_failure(path: Path) -> Exception:
    """Return the error for a file that could not be written: a full disk, or a format that cannot hold the sound."""
    if shutil.disk_usage(path.parent).free < RESERVE_BYTES:
        return StorageFull()
    return ProcessingFailed("The result could not be written in this format.")


def _arguments(path: Path, track: AudioTrack, encoding: Encoding) -> list[str]:
    arguments = ["-v", "quiet", "-y", "-threads", "1"]
    arguments += ["-guess_layout_max", "0", "-f", "f32le", "-ar", str(track.sample_rate_hz)]
    arguments += ["-ch_layout", track.layout or f"{track.channels} channels"]
    arguments += ["-i", "pipe:0", *encoding.inputs, *encoding.options]
    arguments += ["-filter:a:0", encoding.filters] if encoding.filters else []
    return [*arguments, *output_options(path, encoding)]


def output_options(path: Path, encoding: Encoding) -> list[str]:
    """Return the options for the output file; the same sound gives the same bytes."""
    return ["-fflags", "+bitexact", "-flags:a", "+bitexact", "-f", encoding.muxer, f"file:{path.absolute()}"]
