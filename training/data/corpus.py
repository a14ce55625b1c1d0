"""Recordings as 48 kHz mono int16, decoded once into a cache and then memory-mapped."""

import csv
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from scipy.signal import welch

from munsit_denoise.engine.resample import resample_window
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.floor import without_floor

Samples = NDArray[np.int16]
Waveform = NDArray[np.float32]
CACHE_VERSION = 5  # of the files that `_build` writes
BAND_FLOOR_DB = -78.0  # relative to the loudest part of the long-term spectrum: below this, nothing was recorded
LONG_CLIP_S = 10.0  # a longer clip is not drawn more often
GROUP_POWER = 0.7  # exponent of a voice's duration that gives its share
MIN_SPEECH_SNR_DB = 20.0  # noisier targets would teach the network to keep noise


@dataclass(frozen=True)
class Clip:
    """One recording in the cache; `group` is its voice or class of noise, `pack` its number from 0."""

    kind: str
    group: str
    start: int
    samples: int
    band_hz: float
    pack: int = 0


class Choice:
    """Draws clips: in proportion to their length, but voices with many clips less than in proportion."""

    def __init__(self, clips: list[Clip]) -> None:
        self.clips = clips
        seconds = np.array([min(clip.samples / SAMPLE_RATE_HZ, LONG_CLIP_S) for clip in clips])
        of_group: dict[str, float] = {}
        for clip, length in zip(clips, seconds, strict=True):
            of_group[clip.group] = of_group.get(clip.group, 0) + length
        weights = seconds * np.array([of_group[clip.group] ** (GROUP_POWER - 1) for clip in clips])
        self.shares = weights / weights.sum()

    def draw(self, rng: np.random.Generator) -> Clip:
        """Return a random clip."""
        return self.clips[int(rng.choice(len(self.clips), p=self.shares))]


def by_group(clips: list[Clip]) -> dict[str, Choice]:
    """Return the clips of each voice or class of noise."""
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(clip.group, []).append(clip)
    return {group: Choice(found) for group, found in groups.items()}


class Corpus:
    """The clips and samples of all training packs."""

    def __init__(self, clips: list[Clip], samples: list[Samples]) -> None:
        self.clips = {kind: [c for c in clips if c.kind == kind] for kind in ("speech", "vocal", "noise", "rir")}
        self._samples = samples

    def waveform(self, clip: Clip, offset: int = 0, samples: int | None = None) -> Waveform:
        """Return float32 samples of a clip from -1 to 1, starting at `offset`."""
        start = clip.start + offset
        stop = clip.start + clip.samples if samples is None else min(start + samples, clip.start + clip.samples)
        return self._samples[clip.pack][start:stop].astype(np.float32) / np.float32(32768)


def open_corpus(roots: Sequence[Path], cache: Path) -> Corpus:
    """Open the packs in `roots` (folders with a MANIFEST.csv); each is decoded into `cache` the first time."""
    clips, samples = list[Clip](), list[Samples]()
    for number, root in enumerate(roots):
        index, data = _cached(root, cache)
        clips += [Clip(**row, pack=number) for row in json.loads(index.read_text())]
        samples.append(np.load(data, mmap_mode="r"))
    return Corpus(clips, samples)


def _cached(root: Path, cache: Path) -> tuple[Path, Path]:
    key = hashlib.sha256(bytes([CACHE_VERSION]) + (root / "MANIFEST.csv").read_bytes()).hexdigest()[:12]
    index, data = cache / f"{key}.json", cache / f"{key}.npy"
    if not index.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _build(root, index, data)
    return index, data


def _build(root: Path, index: Path, data: Path) -> None:
    clips: list[dict[str, object]] = []
    pieces, start = [], 0
    for row in _usable_rows(root):
        waveform, rate_hz = soundfile.read(root / row["file"], dtype="float32", always_2d=True)
        mono = waveform.mean(axis=1)
        band_hz = bandwidth_hz(mono, rate_hz)
        mono = _to_model_rate(mono, rate_hz)
        if row["kind"] == "speech":
            mono = without_floor(torch.from_numpy(mono)).numpy()
        if row["kind"] == "rir":
            mono = mono / max(np.abs(mono).max(), 1e-9)
        pieces.append((np.clip(mono, -1, 1) * 32767).astype(np.int16))
        clip = {
            "kind": row["kind"],
            "group": row["speaker_or_class"],
            "start": start,
            "samples": len(mono),
            "band_hz": band_hz,
        }
        clips.append(clip)
        start += len(mono)
    np.save(data, np.concatenate(pieces))
    index.write_text(json.dumps(clips))


def _usable_rows(root: Path) -> Iterator[dict[str, str]]:
    with (root / "MANIFEST.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            snr_db = float(row["est_snr_db"] or 99)
            if row["kind"] != "speech" or snr_db >= MIN_SPEECH_SNR_DB:
                yield row


def _to_model_rate(mono: Waveform, rate_hz: int) -> Waveform:
    """Resample as the enhancer does, so that the band above the source's is as empty in training as in use."""
    if rate_hz == SAMPLE_RATE_HZ:
        return mono
    seconds = -(-len(mono) // rate_hz) + 1
    padded = torch.from_numpy(np.pad(mono, (0, seconds * rate_hz - len(mono))))
    resampled = resample_window(padded, seconds * SAMPLE_RATE_HZ)[: round(len(mono) * SAMPLE_RATE_HZ / rate_hz)]
    return resampled.numpy()


def bandwidth_hz(mono: Waveform, rate_hz: int) -> float:
    """Return the highest frequency with energy; lossy sources end well below half their sample rate."""
    frequency_hz, power = welch(mono, rate_hz, nperseg=min(2048, len(mono)))
    level_db = 10 * np.log10(power / max(power.max(), 1e-20) + 1e-20)
    audible = np.flatnonzero(level_db > BAND_FLOOR_DB)
    return float(frequency_hz[audible[-1]]) if len(audible) else 0.0
