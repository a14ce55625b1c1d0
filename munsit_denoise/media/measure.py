"""Measures when a track has sound, from its packets; reads them all, but decodes only the first."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from munsit_denoise.media.ffmpeg import ProgramLimits, input_options, raise_if_cut_off, reading

TIMEOUT_S = 60
NEIGHBOURS_S = 0.01  # packets closer together than this form one stretch
MAX_STRETCHES = 100_000  # in a file full of holes; later packets count as part of the last stretch
TAIL_S = 2.0  # decoded if the last packet has no duration
NO_STAMP = -(2**63)


@dataclass
class Measured:
    """Stretches of sound on the file's own clock, in seconds."""

    sound_start_s: float | None = None  # of the first sample that can be decoded, or None
    stretches: list[list[float]] = field(default_factory=list)  # [start, length] each
    last_start_s: float = 0.0  # of the last packet
    last_length_s: float = 0.0  # 0 if the packet does not say
    usual_length_s: float = 0.0  # of the packet before the last

    def add(self, start_s: float, length_s: float) -> None:
        """Add the next packet."""
        self._close(start_s)
        last = self.stretches[-1] if self.stretches else None
        if last is not None and (abs(start_s - sum(last)) < NEIGHBOURS_S or len(self.stretches) >= MAX_STRETCHES):
            last[1] = max(start_s - last[0], last[1]) + length_s
        else:
            self.stretches.append([start_s, length_s])
        self.usual_length_s = self.last_length_s
        self.last_start_s, self.last_length_s = start_s, length_s

    @property
    def length_s(self) -> float:
        """The total duration of the sound."""
        return sum(length_s for _, length_s in self.stretches)

    def _close(self, start_s: float) -> None:
        """Extend a packet without a duration to the start of the next one."""
        if self.stretches and not self.last_length_s:
            self.last_length_s = max(start_s - self.last_start_s, 0.0)
            self.stretches[-1][1] += self.last_length_s


async def measure(path: Path, index: int) -> Measured:
    """Return when one of a file's audio tracks has sound.

    The first frame is decoded too, which distinguishes sound from noise with the name of a media file. Raises
    Interrupted, and ProcessingFailed if it takes too long.
    """
    source = ["-map", f"0:a:{index}"]
    copied = [*source, "-c", "copy", "-flush_packets", "0", "-f", "framecrc", "pipe:1"]
    decoded = [*source, "-frames:a", "1", "-f", "framehash", "-hash", "adler32", "pipe:1"]
    measured = await _listed(path, [], [*copied, *decoded])
    if measured.sound_start_s is not None and not measured.last_length_s and measured.usual_length_s > TAIL_S / 100:
        await _measure_tail(path, index, measured)
    return measured


async def decode_times(path: Path, index: int, from_s: float = 0.0, duration_s: float = 0.0) -> Measured:
    """Return the positions of a track's samples by decoding them, from a time on or for an expected duration.

    Raises Interrupted, and ProcessingFailed if it takes too long.
    """
    seek = ["-ss", f"{from_s:.3f}"] if from_s > 0 else []
    frames = ["-map", f"0:a:{index}", "-c", "pcm_s16le", "-flush_packets", "0", "-f", "framecrc", "pipe:1"]
    return await _listed(path, seek, frames, TIMEOUT_S + duration_s)


async def _measure_tail(path: Path, index: int, measured: Measured) -> None:
    tail = await decode_times(path, index, measured.last_start_s - TAIL_S)
    end_s = tail.last_start_s + tail.last_length_s
    if end_s > measured.last_start_s:
        measured.last_length_s = end_s - measured.last_start_s
        measured.stretches[-1][1] += measured.last_length_s


async def _listed(path: Path, seek: list[str], outputs: list[str], timeout_s: float = TIMEOUT_S) -> Measured:
    arguments = ["-v", "quiet", "-nostdin", "-copyts", "-vn", "-sn", "-dn", *seek, *input_options(path), *outputs]
    listing = _Listing()
    async with reading("ffmpeg", arguments, ProgramLimits(cpu_s=int(timeout_s)), timeout_s=timeout_s) as process:
        rest = b""
        async for chunk in process.stream:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                listing.read(line)
        raise_if_cut_off(await process.wait())
    return listing.measured


class _Listing:
    """Parses the interleaved output of ffmpeg's framecrc and framehash muxers; each writes its time base first."""

    def __init__(self) -> None:
        self.measured = Measured()
        self._packet_unit_s = self._frame_unit_s = 0.0
        self._is_hash = False  # the next time base is that of the decoded frame

    def read(self, line: bytes) -> None:
        """Parse a line; unknown lines are ignored."""
        if line.startswith(b"#"):
            self._read_head(line)
            return
        words = line.split(b",")
        try:
            start, length = int(words[2]), int(words[3])
        except (IndexError, ValueError):
            return
        if start == NO_STAMP or len(words) < 6:
            return
        if words[5].lstrip().startswith(b"0x"):
            self.measured.add(start * self._packet_unit_s, length * self._packet_unit_s)
        elif self.measured.sound_start_s is None:
            self.measured.sound_start_s = start * self._frame_unit_s

    def _read_head(self, line: bytes) -> None:
        if line.startswith(b"#format: frame checksums"):
            self._is_hash = True
        elif line.startswith(b"#tb 0:"):
            unit_s = float(Fraction(line.partition(b":")[2].strip().decode()))
            if self._is_hash:
                self._frame_unit_s, self._is_hash = unit_s, False
            else:
                self._packet_unit_s = unit_s
