"""Measures integrated loudness and true peak (ITU-R BS.1770) with ffmpeg's ebur128, and sets them."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from munsit_denoise.errors import ProcessingFailed
from munsit_denoise.media.encode import output_options, write_failure
from munsit_denoise.media.ffmpeg import ProgramLimits, finish, input_options
from munsit_denoise.media.formats import PLACELESS, Encoding
from munsit_denoise.media.probe import AudioTrack

CEILING_DBTP = -1.0  # the highest true peak of a result
SILENCE_LUFS = -60.0  # quieter recordings are not changed
MAX_GAIN_DB = 40.0
MAX_LEVELLINGS = 6
TOLERANCE_LU = 0.5
SECONDS_PER_SECOND = 4  # time limit for encoding a second of sound
OVERSAMPLED_HZ = 192_000  # the limiter must see peaks between samples


@dataclass(frozen=True)
class Loudness:
    """The figures of a loudness meter."""

    integrated_lufs: float
    true_peak_dbtp: float


async def measure_loudness(path: Path, track: AudioTrack) -> Loudness:
    """Measure a file's first audio track. Raises ProcessingFailed."""
    arguments = ["-hide_banner", "-nostats", "-nostdin", "-threads", "1", *input_options(path)]
    arguments += ["-map", "0:a:0", "-af", "ebur128=peak=true:framelog=verbose", "-f", "null", "-"]
    limits = ProgramLimits(cpu_s=60 + int(track.duration_s))
    done = await finish("ffmpeg", arguments, limits, timeout_s=60 + track.duration_s, tells=True)
    summary = done.stdout.decode(errors="replace").rpartition("Summary:")[2]
    integrated = re.search(r"I:\s+(-?[\d.]+|-inf|nan) LUFS", summary)
    peak = re.search(r"Peak:\s+(-?[\d.]+|-inf|nan) dBFS", summary)
    if done.code != 0 or integrated is None or peak is None:
        raise ProcessingFailed("The loudness of the result could not be measured.")
    return Loudness(_decibels(integrated[1]), _decibels(peak[1]))


def _decibels(text: str) -> float:
    return -120.0 if text in ("-inf", "nan") else float(text)


@dataclass(frozen=True)
class Levelling:
    """A gain, and a ceiling for peaks."""

    gain_db: float
    ceiling_dbtp: float = CEILING_DBTP - 0.2

    @staticmethod
    def towards(target_lufs: float, loudness: Loudness) -> "Levelling":
        """Return the gain that brings a recording to a loudness; silence is not changed."""
        if loudness.integrated_lufs < SILENCE_LUFS:
            return Levelling(0.0)
        return Levelling(min(target_lufs - loudness.integrated_lufs, MAX_GAIN_DB))

    def corrected(self, target_lufs: float, written: Loudness) -> "Levelling | None":
        """Return a better gain and ceiling, or None if the result is right.

        Codecs overshoot, and a limiter reduces the loudness.
        """
        over_db = written.true_peak_dbtp - CEILING_DBTP
        short_db = target_lufs - written.integrated_lufs if written.integrated_lufs >= SILENCE_LUFS else 0.0
        if over_db <= 0 and abs(short_db) <= 0.2:
            return None
        ceiling = self.ceiling_dbtp - max(over_db + 0.1, 0.0) if over_db > 0 else self.ceiling_dbtp
        return Levelling(min(self.gain_db + short_db, MAX_GAIN_DB), ceiling)

    def filters(self, track: AudioTrack) -> str:
        """Return ffmpeg's filters: the gain, then a limiter at OVERSAMPLED_HZ."""
        limit = 10 ** (self.ceiling_dbtp / 20)
        return (
            f"volume={self.gain_db:.3f}dB:precision=float,aresample={OVERSAMPLED_HZ},"
            f"alimiter=limit={limit:.5f}:level=false:attack=5:release=80:latency=true,"
            f"aresample={track.sample_rate_hz}"
        )


async def write_sound(sound: Path, target: Path, track: AudioTrack, encoding: Encoding, filters: str) -> None:
    """Write our own sound through ffmpeg's filters. Raises ProcessingFailed, StorageFull, Interrupted."""
    chain = ",".join(filter(None, (filters, encoding.filters)))
    arguments = ["-v", "quiet", "-nostdin", "-y", *PLACELESS, *input_options(sound), *encoding.inputs, "-map", "0:a:0"]
    arguments += [*encoding.options, *(["-filter:a:0", chain] if chain else [])]
    arguments += output_options(target, encoding)
    limits = ProgramLimits(cpu_s=60 + int(SECONDS_PER_SECOND * track.duration_s), open_files=128)
    timeout_s = 60 + SECONDS_PER_SECOND * track.duration_s
    if (await finish("encoder", arguments, limits, timeout_s=timeout_s)).code != 0:
        raise write_failure(target)


Write = Callable[[str], Awaitable[None]]  # writes the sound through ffmpeg's filters


async def level(sound: Path, written: Path, track: AudioTrack, target_lufs: float, write: Write) -> "Levelled":
    """Write sound repeatedly until it has the target loudness; return the final filters.

    `write` makes the file `written`, whose first audio track is measured. Raises ProcessingFailed, Interrupted.
    """
    alone = replace(track, index=0)
    levelling = Levelling.towards(target_lufs, await measure_loudness(sound, alone))
    for attempt in range(MAX_LEVELLINGS):
        await write(levelling.filters(track))
        found = await measure_loudness(written, alone)
        better = levelling.corrected(target_lufs, found)
        if better is None or attempt == MAX_LEVELLINGS - 1:
            break
        levelling = better
    return Levelled(levelling.filters(track), _shortcomings(target_lufs, found), levelling.gain_db, found)


@dataclass(frozen=True)
class Levelled:
    """The filters that set the loudness, and notes on what could not be reached."""

    filters: str = ""
    notes: tuple[str, ...] = ()
    gain_db: float = 0.0
    found: Loudness | None = None  # of the result; None if its level was not set


def _shortcomings(target_lufs: float, found: Loudness) -> tuple[str, ...]:
    notes = []
    if found.true_peak_dbtp > CEILING_DBTP:
        peak = f"{found.true_peak_dbtp:.1f} dBTP"
        notes.append(f"The true peak is {peak}, above {CEILING_DBTP:g} dBTP: coding in this format raises it.")
    if found.integrated_lufs < SILENCE_LUFS:
        notes.append("The recording is too quiet for its loudness to be set.")
    elif abs(found.integrated_lufs - target_lufs) > TOLERANCE_LU:
        notes.append(f"The loudness is {found.integrated_lufs:.1f} LUFS instead of {target_lufs:g} LUFS.")
    return tuple(notes)
