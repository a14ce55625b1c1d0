"""Subtracts one sound from another, sample by sample, as a WAV of 32-bit float.

If the file is too long for a WAV, it is an RF64 (EBU Tech 3306).
"""

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from munsit_denoise.media.decode import Exact, decoding_exactly
from munsit_denoise.media.probe import AudioTrack

SAMPLE_BYTES = 4
IEEE_FLOAT, EXTENSIBLE = 3, 0xFFFE
FLOAT_GUID = bytes.fromhex("0300000000001000800000aa00389b71")
UNTOLD = 0xFFFFFFFF
MOST_FRAMES = 2**16  # at a time


@dataclass(frozen=True)
class Sound:
    """One track of a file."""

    path: Path
    track: AudioTrack


def header(track: AudioTrack, frames: int) -> bytes:
    """Return the header of a float32 WAV with a track's rate and channels."""
    frame_bytes = SAMPLE_BYTES * track.channels
    kind = IEEE_FLOAT if track.channels <= 2 else EXTENSIBLE
    layout = (kind, track.channels, track.sample_rate_hz, track.sample_rate_hz * frame_bytes, frame_bytes, 32)
    more = b"\0\0" if kind == IEEE_FLOAT else struct.pack("<HHI", 22, 32, 0) + FLOAT_GUID
    rest = _chunk(b"fmt ", struct.pack("<HHIIHH", *layout) + more)
    rest += _chunk(b"fact", struct.pack("<I", min(frames, UNTOLD)))
    data_bytes = frames * frame_bytes
    size = 4 + len(rest) + 8 + data_bytes
    if size <= UNTOLD - 1:
        return b"RIFF" + struct.pack("<I", size) + b"WAVE" + rest + b"data" + struct.pack("<I", data_bytes)
    long = _chunk(b"ds64", struct.pack("<QQQI", size + 36, data_bytes, frames, 0))
    return b"RF64" + struct.pack("<I", UNTOLD) + b"WAVE" + long + rest + b"data" + struct.pack("<I", UNTOLD)


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data


@asynccontextmanager
async def subtracting(original: Sound, result: Sound, frames: int) -> AsyncIterator[AsyncIterator[bytes]]:
    """Yield an iterator over the samples of a residual with this many frames; both decoders end with the block.

    Each sample is the float32 closest to the difference; both sides are float64, which represents the files exactly.
    """
    async with (
        decoding_exactly(original.path, original.track) as minuend,
        decoding_exactly(result.path, result.track) as subtrahend,
    ):
        yield _differences(_Source(minuend), _Source(subtrahend), frames, original.track.channels)


async def _differences(minuend: "_Source", subtrahend: "_Source", frames: int, channels: int) -> AsyncIterator[bytes]:
    left = frames
    while left > 0:
        before, after = await minuend.block(), await subtrahend.block()
        some = min(left, MOST_FRAMES, *(len(block) for block in (before, after) if block is not None))
        difference = np.zeros((some, channels))
        difference += minuend.take(some)
        difference -= subtrahend.take(some)
        left -= some
        yield difference.astype("<f4").tobytes()


class _Source:
    """Blocks that are read in other sizes than they arrive in, followed by silence."""

    def __init__(self, blocks: AsyncIterator[Exact]) -> None:
        self._blocks, self._block, self._ended = blocks, np.zeros((0, 1)), False

    async def block(self) -> Exact | None:
        """Return the frames that can be taken now, or None at the end."""
        while not len(self._block) and not self._ended:
            found = await anext(self._blocks, None)
            if found is None:
                self._ended = True
            else:
                self._block = found
        return None if self._ended else self._block

    def take(self, frames: int) -> Exact:
        """Take frames of the block, or silence after the end."""
        if self._ended:
            return np.zeros((1, 1))
        taken, self._block = self._block[:frames], self._block[frames:]
        return taken


async def count_frames(sound: Sound) -> int:
    """Return the number of frames that a track decodes to. Raises ProcessingFailed, Interrupted."""
    async with decoding_exactly(sound.path, sound.track) as blocks:
        return sum([len(block) async for block in blocks])
