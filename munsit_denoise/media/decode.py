"""Decodes a file's audio track into blocks of float32, with constant memory for any duration."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from numpy.typing import NDArray

from munsit_denoise.errors import Interrupted, ProcessingFailed
from munsit_denoise.media.ffmpeg import (
    STALL_TIMEOUT_S,
    Process,
    ProgramLimits,
    input_options,
    raise_if_cut_off,
    running,
)
from munsit_denoise.media.measure import decode_times
from munsit_denoise.media.nut import Malformed, NutReader
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.media.timeline import TimeLine

Block = NDArray[np.float32]  # [frames, channels], full scale is 1
Exact = NDArray[np.float64]  # the same in float64
Samples = NDArray[np.floating[Any]]  # either of them
BLOCK_S = 1
READ_BYTES = 2**18  # the largest read, unless a block is smaller
SPARE_S = 60  # a track may be longer than measured by this
SHORT_S = 0.5  # if a track decodes to this much less than measured, it is measured again
# Added to all time stamps, because the pipe's container has no negative ones. A file's clock may count frames of 1,152
# or 2,048 samples, or of 1001/30000 s; with a multiple of these no stamp is rounded, at any rate.
AHEAD_S = 18_432 * 1_001
UNDECODABLE = "The audio in the file could not be decoded."


@asynccontextmanager
async def decoding(path: Path, track: AudioTrack) -> AsyncIterator[AsyncIterator[Block]]:
    """Yield an iterator over the track's blocks, at its own rate and channels; the decoder ends with the block.

    The blocks cover the whole time line: gaps between time stamps, and a late start, become silence. Iterating raises
    ProcessingFailed if nothing can be decoded, or far more than announced, and Interrupted if the decoder was killed.
    """
    async with _running(path, track, "pcm_f64le" if _is_double(track) else "pcm_f32le") as process:
        yield _blocks(path, process, _Decoded(track, double=_is_double(track)))


@asynccontextmanager
async def decoding_exactly(path: Path, track: AudioTrack) -> AsyncIterator[AsyncIterator[Exact]]:
    """Yield what `decoding` does, in float64, which represents integer samples of up to 53 bits exactly."""
    async with _running(path, track, "pcm_f64le") as process:
        yield _exact_blocks(path, process, _Decoded(track, double=True))


@asynccontextmanager
async def _running(path: Path, track: AudioTrack, codec: str) -> AsyncIterator[Process]:
    arguments = ["-v", "quiet", "-nostdin", "-threads", "1", "-max_error_rate", "1", "-guess_layout_max", "0"]
    arguments += ["-copyts", "-itsoffset", str(AHEAD_S), "-vn", "-sn", "-dn"]
    arguments += ["-c:a", track.codec] if _is_big_endian_wav(track) else []
    arguments += [*input_options(path), "-map", f"0:a:{track.index}", "-ar", str(track.sample_rate_hz)]
    arguments += ["-map_metadata", "-1", "-map_chapters", "-1", "-c:a", codec, "-f", "nut", "pipe:1"]
    async with running("ffmpeg", arguments, ProgramLimits(cpu_s=60 + int(track.duration_s / 2))) as process:
        yield process


async def _blocks(path: Path, process: Process, decoded: "_Decoded") -> AsyncIterator[Block]:
    async for block in _samples(path, process, decoded):
        yield _single(block)


async def _exact_blocks(path: Path, process: Process, decoded: "_Decoded") -> AsyncIterator[Exact]:
    async for block in _samples(path, process, decoded):
        yield _finite(block).astype(np.float64, copy=False)


async def _samples(path: Path, process: Process, decoded: "_Decoded") -> AsyncIterator[Samples]:
    while chunk := await _receive(process, decoded.most_bytes):
        for block in decoded.take(chunk):
            yield block
    for block in decoded.rest():
        yield block
    code = await process.wait()
    raise_if_cut_off(code)
    if decoded.frames == 0:
        raise ProcessingFailed(UNDECODABLE)
    if code != 0 or (decoded.is_short and not await decoded.is_all(path)):
        raise Interrupted


async def _receive(process: Process, most: int) -> bytes:
    try:
        with anyio.fail_after(STALL_TIMEOUT_S):
            return await process.stream.receive(most)
    except anyio.EndOfStream:
        return b""
    except TimeoutError:
        raise Interrupted("The file took too long to read.") from None


class _Decoded:
    """Puts the decoder's output on the track's time line and cuts it into blocks."""

    def __init__(self, track: AudioTrack, *, double: bool) -> None:
        self._track = track
        self._line = TimeLine(track.sample_rate_hz, track.container, track.has_picture)
        self._nut = NutReader()
        self._sample = np.dtype("<f8" if double else "<f4")
        self.most_bytes = min(BLOCK_S * track.sample_rate_hz * 4 * track.channels, READ_BYTES)  # per read
        self._frame_bytes = self._sample.itemsize * track.channels
        self._zero_s = AHEAD_S + track.origin_s  # on the pipe's clock
        self._pieces: list[bytes] = []
        self._waiting = 0  # frames in the pieces
        self.frames = 0  # frames decoded so far

    @property
    def is_short(self) -> bool:
        """Whether fewer frames arrived than were measured."""
        return self._line.position < (self._track.duration_s - SHORT_S) * self._track.sample_rate_hz

    async def is_all(self, path: Path) -> bool:
        """Return whether a second measurement finds no more sound; then the rest of the file is broken."""
        again = await decode_times(path, self._track.index, duration_s=self._track.duration_s)
        return again.length_s <= self.frames / self._track.sample_rate_hz + SHORT_S

    def take(self, chunk: bytes) -> Iterator[Samples]:
        """Yield the blocks that a chunk completes; a block ends with the packet that completes a second."""
        rate_hz = self._track.sample_rate_hz
        try:
            for stamp, content in self._nut.feed(chunk):
                if self._nut.channels != self._track.channels:
                    raise ProcessingFailed(UNDECODABLE)
                start = round((stamp * self._nut.unit_s - self._zero_s) * rate_hz)
                count = len(content) // self._frame_bytes
                silence = self._line.place(start, count)
                if silence:
                    yield from self._silent(silence)
                self._pieces.append(content)
                self._waiting += count
                self.frames += count
                if self._waiting >= BLOCK_S * rate_hz:
                    yield self._joined()
        except Malformed:
            raise ProcessingFailed(UNDECODABLE) from None

    def rest(self) -> Iterator[Samples]:
        """Yield the last block."""
        if self._waiting:
            yield self._joined()

    def _silent(self, frames: int) -> Iterator[Samples]:
        yield from self.rest()
        self._check_length()
        most = BLOCK_S * self._track.sample_rate_hz
        for done in range(0, frames, most):
            yield np.zeros((min(most, frames - done), self._track.channels), np.float32)

    def _joined(self) -> Samples:
        self._check_length()
        content = b"".join(self._pieces)
        self._pieces, self._waiting = [], 0
        return np.frombuffer(content, self._sample).reshape(-1, self._track.channels)

    def _check_length(self) -> None:
        if self._line.position > (self._track.duration_s + SPARE_S) * self._track.sample_rate_hz:
            raise ProcessingFailed("The file holds more audio than it announces.")


def _is_big_endian_wav(track: AudioTrack) -> bool:
    return track.container == "wav" and track.codec.startswith("pcm_") and track.codec.endswith("be")


def _is_double(track: AudioTrack) -> bool:
    return track.codec.startswith("pcm_f64")


def _finite(block: Samples) -> Samples:
    """Return a block with infinite and not-a-number samples replaced by silence."""
    if not np.isfinite(block).all():
        block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
    return block


def _single(block: Samples) -> Block:
    """Return a block as finite float32; larger samples become the largest float32."""
    block = _finite(block)
    if block.dtype != np.float32:
        largest = np.finfo(np.float32).max
        block = np.clip(block, -largest, largest)
    return block.astype(np.float32, copy=False)
