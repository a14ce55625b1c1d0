"""Aligned pairs of voices and noises that are in no training pack, in the layout of `training.evaluate`.

Every voice occurs at every input SNR; the noises are used in turn. The same recordings give the same pairs.
"""

import csv
import math
from pathlib import Path

import numpy as np
import soundfile
import torch

from munsit_denoise.engine.resample import resample_window
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Clip, Corpus, Waveform, by_group
from training.evaluate import si_sdr_db
from training.mix.signals import active_rms, unit

PAIRS = 70
SECONDS = 6
SNRS_DB = (-5.0, 0.0, 5.0, 10.0, 15.0, 20.0)
PAUSE_S = (0.1, 0.5)  # between utterances
PEAK = 0.5
NOISE_MIN_S = 1.0  # a loop of a shorter noise would sound like a tone
NARROW_BAND_HZ = 8_500.0  # a voice with a narrower band is written at 16 kHz
SEED = 2026


def make_pairs(corpus: Corpus, folder: Path, pairs: int = PAIRS) -> int:
    """Write `noisy`, `clean` and `pairs.csv`; return the number of pairs."""
    for name in ("noisy", "clean"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    voices = by_group(corpus.clips["speech"])
    noises = by_group([clip for clip in corpus.clips["noise"] if clip.samples > NOISE_MIN_S * SAMPLE_RATE_HZ])
    turns = np.random.default_rng(SEED).permutation(sorted(noises))
    rows = []
    for number in range(pairs):
        rng = np.random.default_rng([SEED, number])
        voice = sorted(voices)[number % len(voices)]
        noise = str(turns[number % len(turns)])
        snr_db = SNRS_DB[(number // len(voices) + number) % len(SNRS_DB)]
        clips = voices[voice].clips
        rate_hz = 16_000 if max(clip.band_hz for clip in clips) < NARROW_BAND_HZ else SAMPLE_RATE_HZ
        clean = at_rate(utterances(corpus, clips, rng), rate_hz)
        added = unit(at_rate(looped(corpus.waveform(noises[noise].draw(rng)), rng), rate_hz))
        noisy = np.asarray(clean + added * (active_rms(clean) * 10 ** (-snr_db / 20)), np.float32)
        scale = np.float32(PEAK / np.abs(noisy).max())
        pair: tuple[Waveform, Waveform] = (noisy * scale, clean * scale)
        row: dict[str, object] = {
            "id": f"held_{number:03d}_{voice.replace(' ', '-')}",
            "rate": rate_hz,
            "seconds": SECONDS,
        }
        row |= {"input_sisdr_db": round(si_sdr_db(*pair), 2), "speaker": voice, "noise": noise}
        rows.append(row | {"target_snr_db": snr_db, "source_speech": voice.split(" ")[0]})
        for name, x in zip(("noisy", "clean"), pair, strict=True):
            soundfile.write(folder / name / f"{row['id']}.flac", x, rate_hz, subtype="PCM_16")
    with (folder / "pairs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def utterances(corpus: Corpus, clips: list[Clip], rng: np.random.Generator) -> Waveform:
    """Return SECONDS of one voice, all utterances equally loud."""
    parts = list[Waveform]()
    while sum(len(part) for part in parts) < SECONDS * SAMPLE_RATE_HZ:
        x = corpus.waveform(clips[int(rng.integers(len(clips)))])
        pause = np.zeros(int(rng.uniform(*PAUSE_S) * SAMPLE_RATE_HZ), np.float32)
        parts += [x * (0.1 / max(active_rms(x), 1e-5)), pause]
    return np.concatenate(parts)[: SECONDS * SAMPLE_RATE_HZ]


def looped(x: Waveform, rng: np.random.Generator) -> Waveform:
    """Return SECONDS of a noise from a random place, repeated if it is shorter."""
    needed = SECONDS * SAMPLE_RATE_HZ
    repeated = np.tile(x, math.ceil(needed / len(x)) + 1)
    start = int(rng.integers(0, len(repeated) - needed))
    return repeated[start : start + needed]


def at_rate(x: Waveform, rate_hz: int) -> Waveform:
    """Return SECONDS of x at another rate."""
    resampled: Waveform = resample_window(torch.from_numpy(x), SECONDS * rate_hz).numpy()
    return resampled
