"""Blocks of float32 into a file of a chosen format."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import numpy as np
from anyio.abc import Process
from numpy.typing import NDArray

from munsit_denoise.errors import ProcessingFailed, StorageFull
from munsit_denoise.media.ffmpeg import STALL_TIMEOUT_S, Limits, input_options, running
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.records import VIDEO_EXTENSIONS

Block = NDArray[np.float32]  # [frames, channels], full scale is 1
RESERVE_BYTES = 2**20  # free space below which a failed write is blamed on the disk

CODECS = {
    "mp3": ("-c:a", "libmp3lame", "-q:a", "2"),
    "m4a": ("-c:a", "aac", "-b:a", "192k"),
    "aac": ("-c:a", "aac", "-b:a", "192k"),
    "ogg": ("-c:a", "libvorbis", "-q:a", "6"),
    "oga": ("-c:a", "libvorbis", "-q:a", "6"),
    "opus": ("-c:a", "libopus", "-b:a", "128k"),
    "webm": ("-c:a", "libopus", "-b:a", "128k"),
    "flac": ("-c:a", "flac"),
    "mp4": ("-c:a", "aac", "-b:a", "192k"),
    "m4v": ("-c:a", "aac", "-b:a", "192k"),
    "mov": ("-c:a", "aac", "-b:a", "192k"),
    "mkv": ("-c:a", "aac", "-b:a", "192k"),
    "avi": ("-c:a", "libmp3lame", "-q:a", "2"),
}


@dataclass(frozen=True)
class Encoding:
    """What becomes of the samples: ffmpeg's name of the file format (None: by the extension) and codec options."""

    muxer: str | None
    codec: tuple[str, ...]
    picture: Path | None = None  # a video whose picture and subtitles go along untouched


def wav_encoding(track: AudioTrack) -> Encoding:
    """Return a WAV that keeps the resolution of the source: 16 or 24 bits, or float."""
    codec = "pcm_f32le" if track.is_float else "pcm_s24le" if track.bits > 16 else "pcm_s16le"
    return Encoding("wav", ("-c:a", codec, "-rf64", "auto"))


def encoding_for(extension: str, track: AudioTrack, source: Path) -> Encoding:
    """Return the encoding for a file extension; a video extension takes the source's picture along."""
    if extension == "wav":
        return wav_encoding(track)
    picture = source if extension in VIDEO_EXTENSIONS else None
    return Encoding(None, CODECS.get(extension, ()), picture)


class Encoder:
    """Writes blocks to the file that its process makes."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def write(self, block: Block) -> None:
        """Append [frames, channels]. Raises ProcessingFailed when the format does not take them."""
        assert self._process.stdin is not None  # piped by `running`
        try:
            with anyio.fail_after(STALL_TIMEOUT_S):
                await self._process.stdin.send(block.astype("<f4", copy=False).tobytes())
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, TimeoutError):
            raise _Broken from None


class _Broken(Exception):
    """The program ended before its input did."""


@asynccontextmanager
async def encoding_to(path: Path, track: AudioTrack, encoding: Encoding) -> AsyncIterator[Encoder]:
    """Yield an encoder; the file is complete when the block ends.

    Raises ProcessingFailed when the format cannot hold this sound, StorageFull when the disk is full.
    """
    limits = Limits(cpu_s=60 + int(track.duration_s * max(track.channels, 2)))
    async with running("ffmpeg", _arguments(path, track, encoding), limits, feeds=True) as process:
        broken = False
        try:
            yield Encoder(process)
        except _Broken:
            broken = True
        assert process.stdin is not None  # piped by `running`
        await process.stdin.aclose()
        with anyio.move_on_after(STALL_TIMEOUT_S):
            await process.wait()
        if broken or process.returncode != 0:
            raise _failure(path)


def _failure(path: Path) -> Exception:
    if shutil.disk_usage(path.parent).free < RESERVE_BYTES:
        return StorageFull()
    return ProcessingFailed("The result could not be written in this format.")


def _arguments(path: Path, track: AudioTrack, encoding: Encoding) -> list[str]:
    arguments = ["-v", "quiet", "-y", "-threads", "1"]
    arguments += ["-f", "f32le", "-ar", str(track.sample_rate_hz), "-ac", str(track.channels)]
    arguments += ["-ch_layout", track.layout] if track.layout else []
    arguments += ["-i", "pipe:0"]
    if encoding.picture is not None:
        arguments += [*input_options(encoding.picture), "-map", "0:a:0", "-map", "1:v?", "-map", "1:s?"]
        arguments += ["-c:v", "copy", "-c:s", "copy"]
    arguments += encoding.codec
    arguments += ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact"]
    arguments += ["-f", encoding.muxer] if encoding.muxer else []
    return [*arguments, f"file:{path.absolute()}"]
