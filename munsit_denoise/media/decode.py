"""A file's first audio track as blocks of float32, with as much memory for three hours as for three minutes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import numpy as np
from numpy.typing import NDArray

from munsit_denoise.errors import ProcessingFailed
from munsit_denoise.media.ffmpeg import STALL_TIMEOUT_S, Limits, Process, input_options, running
from munsit_denoise.media.probe import AudioTrack

Block = NDArray[np.float32]  # [frames, channels], full scale is 1
BLOCK_S = 1
READ_BYTES = 2**18  # at most a time, nor more than a block
SPARE_S = 60  # a track may turn out longer than measured by so much


@asynccontextmanager
async def decoding(path: Path, track: AudioTrack) -> AsyncIterator[AsyncIterator[Block]]:
    """Yield an iterator over the track's blocks, at its own rate and channels; the decoder ends with the block.

    A track with a picture begins where the file does and has silence in its gaps.
    Iterating raises ProcessingFailed when nothing can be decoded, or far more than was announced.
    """
    arguments = [
        "-v",
        "quiet",
        "-nostdin",
        "-threads",
        "1",
        "-vn",
        "-sn",
        "-dn",
        *input_options(path),
        "-map",
        f"0:a:{track.index}",
    ]
    arguments += ["-f", "f32le", "-c:a", "pcm_f32le", "-ar", str(track.sample_rate_hz), "-ac", str(track.channels)]
    arguments += ["-af", "aresample=async=1:first_pts=0"] if track.has_picture else []
    limits = Limits(cpu_s=60 + int(track.duration_s / 2))
    async with running("ffmpeg", [*arguments, "pipe:1"], limits) as process:
        yield _blocks(process, track)


async def _blocks(process: Process, track: AudioTrack) -> AsyncIterator[Block]:
    frame_bytes = 4 * track.channels
    wanted = BLOCK_S * track.sample_rate_hz * frame_bytes
    left = int((track.duration_s + SPARE_S) * track.sample_rate_hz * frame_bytes)
    buffer = bytearray()
    frames = 0
    while chunk := await _receive(process, min(wanted, READ_BYTES)):
        left -= len(chunk)
        if left < 0:
            raise ProcessingFailed("The file holds more audio than it announces.")
        buffer += chunk
        if len(buffer) >= wanted:
            yield _take(buffer, track.channels)
            frames += wanted // frame_bytes
    if len(buffer) >= frame_bytes:
        frames += len(buffer) // frame_bytes
        yield _take(buffer, track.channels)
    if await process.wait() < 0 or frames == 0:
        raise ProcessingFailed("The audio in the file could not be decoded.")


async def _receive(process: Process, most: int) -> bytes:
    try:
        with anyio.fail_after(STALL_TIMEOUT_S):
            return await process.stream.receive(most)
    except anyio.EndOfStream:
        return b""
    except TimeoutError:
        raise ProcessingFailed("The file took too long to read.") from None


def _take(buffer: bytearray, channels: int) -> Block:
    """Move the whole frames out of a buffer; what is no number becomes silence."""
    size = len(buffer) // (4 * channels) * (4 * channels)
    block = np.frombuffer(bytes(buffer[:size]), dtype="<f4").reshape(-1, channels)
    del buffer[:size]
    return block if np.isfinite(block).all() else np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
