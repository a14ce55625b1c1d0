"""Singing, drawn-out and shouted speech, made from the recordings of another pack with the WORLD vocoder.

Read speech has no held notes, so a network trained on it alone treats them as noise. WORLD separates a voice into
pitch, spectral envelope and aperiodicity (Morise, Yokomori and Ozawa, "WORLD: a vocoder-based high-quality speech
synthesis system for real-time applications", 2016). This module changes pitch and duration; the envelope and the
consonants stay.
Needs `training/requirements.txt`.
"""

import csv
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from training.data.corpus import Waveform
from training.data.recordings import COLUMNS, estimated_snr_db, write_manifest

OF_EACH_VOICE = 8  # recordings, two of each style
FRAME_S = 0.005  # of WORLD's analysis
SECONDS = (0.8, 6.0)  # length of a source recording
LEAST_SNR_DB = 25.0  # of a source recording: the vocoder stretches its noise too
LONGEST_S = 12.0
SCALE = (0, 2, 4, 5, 7, 9, 11, 12)  # semitones of a major scale
HIGHEST_HZ = 880.0
PROCESSES = 2

Rng = np.random.Generator
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Analysed:
    """Parameters every FRAME_S: pitch [frames] in Hz, 0 if unvoiced; envelope and aperiodicity [frames, bins]."""

    pitch_hz: Array
    envelope: Array
    aperiodicity: Array

    @property
    def median_hz(self) -> float:
        """The median pitch of the voiced frames."""
        return float(np.median(self.pitch_hz[self.pitch_hz > 0]))

    def stretched(self, voiced_by: float) -> "Analysed":
        """Return the voice with its voiced frames `voiced_by` times as long; unvoiced ones keep their length."""
        lengths = np.where(self.pitch_hz > 0, voiced_by, 1.0)
        ends = np.cumsum(lengths)
        frames = np.searchsorted(ends, np.arange(int(ends[-1])), side="right")
        return Analysed(self.pitch_hz[frames], self.envelope[frames], self.aperiodicity[frames])


def sung(rng: Rng, voice: Analysed) -> Analysed:
    """Return the voice on notes of a major scale, each with a short glide and vibrato."""
    voice = voice.stretched(rng.uniform(1.5, 4.0))
    base_hz = min(voice.median_hz * 2 ** rng.uniform(-0.2, 1.0), HIGHEST_HZ / 2)
    pitch_hz = np.zeros_like(voice.pitch_hz)
    for first, stop in _voiced_runs(voice.pitch_hz):
        for start in range(first, stop, max(int(rng.uniform(0.25, 1.5) / FRAME_S), 1)):
            end = stop if stop - start < 0.5 / FRAME_S else min(stop, start + int(1.5 / FRAME_S))
            pitch_hz[start:end] = _note_hz(rng, base_hz * 2 ** (rng.choice(SCALE) / 12), end - start)
    return Analysed(pitch_hz, voice.envelope, np.square(voice.aperiodicity))


def drawn_out(rng: Rng, voice: Analysed) -> Analysed:
    """Return the voice with long vowels, up to an octave higher."""
    voice = voice.stretched(rng.uniform(2.0, 4.0))
    pitch_hz = np.minimum(voice.pitch_hz * 2 ** rng.uniform(0, 1), HIGHEST_HZ)
    return Analysed(pitch_hz, voice.envelope, voice.aperiodicity)


def shouted(rng: Rng, voice: Analysed) -> Analysed:
    """Return the voice at a higher pitch, brighter and less breathy."""
    voice = voice.stretched(rng.uniform(1.0, 2.0))
    pitch_hz = np.minimum(voice.pitch_hz * 2 ** rng.uniform(0.3, 1.0), HIGHEST_HZ)
    frequency = np.linspace(0, 24, voice.envelope.shape[1])  # kHz, for a recording at 48 kHz
    tilt = np.clip(frequency / 0.5, 0.5, 4.0) ** (2 * rng.uniform(0.3, 1.0))
    return Analysed(pitch_hz, voice.envelope * tilt, voice.aperiodicity**2)


def emotional(rng: Rng, voice: Analysed) -> Analysed:
    """Return the voice with a wider pitch range, as in emotional speech."""
    voiced = voice.pitch_hz > 0
    away = np.where(voiced, voice.pitch_hz, voice.median_hz) / voice.median_hz
    pitch_hz = voice.median_hz * 2 ** rng.uniform(0, 0.6) * away ** rng.uniform(1.5, 2.5)
    return Analysed(np.where(voiced, np.clip(pitch_hz, 60, HIGHEST_HZ), 0), voice.envelope, voice.aperiodicity)


STYLES = (sung, drawn_out, shouted, emotional)


def build(folder: Path, source: Path, seed: int = 1) -> int:
    """Write recordings made from the pack in `source`, and MANIFEST.csv; return their number."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(PROCESSES) as pool:
        made = pool.map(partial(recording, folder, source), _chosen(source, seed), chunksize=4)
        rows = [row for row in made if row]
    write_manifest(rows, folder)
    return len(rows)


def recording(folder: Path, source: Path, job: tuple[int, dict[str, str]]) -> dict[str, object] | None:
    """Write one recording, unless it exists, and return its row; None if too little of the source is voiced."""
    number, row = job
    style = STYLES[number % len(STYLES)]
    name = f"audio/{style.__name__}-{number:04}.flac"
    if not (folder / name).exists():
        x, rate_hz = soundfile.read(source / row["file"], dtype="float64")
        out = revoiced(np.random.default_rng([1, number]), x, rate_hz, style)
        if out is None:
            return None
        soundfile.write(folder / f"audio/.{number}.flac", out, rate_hz)
        (folder / f"audio/.{number}.flac").replace(folder / name)
    made, rate_hz = soundfile.read(folder / name, dtype="float32")
    figures = (round(len(made) / rate_hz, 2), rate_hz, round(estimated_snr_db(made, rate_hz), 1), f"of {row['file']}")
    origin = (
        name,
        "vocal",
        row["source"],
        row["licence"],
        f"{row['speaker_or_class']} {style.__name__}",
        row["language"],
    )
    return dict(zip(COLUMNS, origin + figures, strict=True))


def revoiced(rng: Rng, x: Array, rate_hz: int, style: Any) -> Waveform | None:
    """Return a voice [samples] in another style; None if less than 0.3 s of it is voiced."""
    import pyworld  # imported here because the locked packages do not include it

    coarse, times = pyworld.dio(x, rate_hz, frame_period=1000 * FRAME_S)
    pitch_hz = pyworld.stonemask(x, coarse, times, rate_hz)
    if np.count_nonzero(pitch_hz) * FRAME_S < 0.3:
        return None
    envelope = pyworld.cheaptrick(x, pitch_hz, times, rate_hz)
    aperiodicity = pyworld.d4c(x, pitch_hz, times, rate_hz)
    voice: Analysed = style(rng, Analysed(pitch_hz, envelope, aperiodicity))
    frames = int(LONGEST_S / FRAME_S)
    parts = [np.ascontiguousarray(part[:frames]) for part in (voice.pitch_hz, voice.envelope, voice.aperiodicity)]
    out = pyworld.synthesize(*parts, rate_hz, 1000 * FRAME_S)
    return np.asarray(0.5 * out / max(np.abs(out).max(), 1e-6), np.float32)


def _chosen(source: Path, seed: int) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield numbered rows of the source's manifest, OF_EACH_VOICE for each voice."""
    with (source / "MANIFEST.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "speech"]
    voices: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if SECONDS[0] <= float(row["seconds"]) <= SECONDS[1] and float(row["est_snr_db"] or 99) >= LEAST_SNR_DB:
            voices.setdefault(row["speaker_or_class"], []).append(row)
    rng = np.random.default_rng(seed)
    number = 0
    for voice in sorted(voices):
        for index in rng.choice(len(voices[voice]), OF_EACH_VOICE, replace=len(voices[voice]) < OF_EACH_VOICE):
            yield number, voices[voice][int(index)]
            number += 1


def _note_hz(rng: Rng, pitch_hz: float, frames: int) -> Array:
    """Return the pitch [frames] of a note."""
    t = FRAME_S * np.arange(frames)
    depth = rng.uniform(0, 0.02)
    vibrato = depth * np.minimum(t / 0.4, 1) * np.sin(2 * np.pi * rng.uniform(4.5, 7) * t)
    glide = rng.uniform(-0.1, 0.1) * np.exp(-t / 0.05)
    curve: Array = np.minimum(pitch_hz, HIGHEST_HZ) * (1 + vibrato + glide)
    return curve


def _voiced_runs(pitch_hz: Array) -> list[tuple[int, int]]:
    """Return the first frame and the end of each run of voiced frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], pitch_hz > 0, [0]]).astype(int)))
    return [(int(first), int(stop)) for first, stop in edges.reshape(-1, 2)]
