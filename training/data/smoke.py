"""Two minutes of computed sound, to try the four commands without any download; no voice, no recording.

A voice here is a pulse train of varying pitch through the formants of one vowel for each syllable. It can be told from
noise, and serves no other purpose.
"""

from pathlib import Path

import numpy as np
import scipy.fft
import soundfile

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data import heldout, rooms
from training.data.corpus import Waveform, open_corpus
from training.data.recordings import write_manifest
from training.mix.signals import unit
from training.mix.synthetic import events, hiss_and_hum

CLIP_S = 5
CLIPS = 12  # of voices, and as many of noises: two minutes together
HELD_CLIPS = 2
PAIRS = 2
PITCH_HZ = (90.0, 240.0)
FORMANTS_HZ = ((250, 850), (700, 2_400), (2_200, 3_200))


def syllables(rng: np.random.Generator, seconds: float) -> Waveform:
    """Return a synthetic voice [samples] at the model's rate, with pauses between syllables."""
    pitch_hz, out = rng.uniform(*PITCH_HZ), [np.zeros(SAMPLE_RATE_HZ // 10, np.float32)]
    while sum(map(len, out)) < seconds * SAMPLE_RATE_HZ:
        length = int(rng.uniform(0.12, 0.35) * SAMPLE_RATE_HZ)
        curve_hz = pitch_hz * np.linspace(rng.uniform(0.9, 1.1), rng.uniform(0.8, 1.2), length)
        phase = 2 * np.pi * np.cumsum(curve_hz) / SAMPLE_RATE_HZ
        buzz = np.sum([np.sin(k * phase) / k for k in range(1, 40)], axis=0)
        frequency_hz = scipy.fft.rfftfreq(length, 1 / SAMPLE_RATE_HZ)
        centres_hz = [rng.uniform(*limits) for limits in FORMANTS_HZ]
        gain = np.sum([1 / (1 + ((frequency_hz - hz) / 120) ** 2) for hz in centres_hz], axis=0)
        vowel = scipy.fft.irfft(scipy.fft.rfft(buzz) * gain, length) * np.hanning(length)
        pause = np.zeros(int(rng.uniform(0.03, 0.25) * SAMPLE_RATE_HZ))
        out += [unit(np.asarray(vowel, np.float32)) * 0.08, pause.astype(np.float32)]
    return np.concatenate(out)[: int(seconds * SAMPLE_RATE_HZ)]


def noise(rng: np.random.Generator, seconds: float) -> Waveform:
    """Return steady noise or events [samples] at the model's rate."""
    made = (hiss_and_hum, events)[int(rng.integers(2))](rng, int(seconds * SAMPLE_RATE_HZ))
    return np.asarray(0.5 * made / np.abs(made).max(), np.float32)


def build(folder: Path) -> int:
    """Write the recordings for the smoke recipe, a few rooms and held-out pairs; return the number of pairs."""
    recordings(folder / "sounds", CLIPS, seed=1)
    recordings(folder / "unheard", HELD_CLIPS, seed=2)
    rooms.build(folder / "rooms", rooms=4)
    return heldout.make_pairs(open_corpus([folder / "unheard"], folder / "cache"), folder / "heldout", PAIRS)


def recordings(folder: Path, clips: int, seed: int) -> None:
    """Write an equal number of voices and noises, and MANIFEST.csv."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for kind, make in (("speech", syllables), ("noise", noise)):
        for number in range(clips):
            name = f"audio/{kind}-{number:02}.flac"
            soundfile.write(folder / name, make(np.random.default_rng([seed, number]), CLIP_S), SAMPLE_RATE_HZ)
            row = {"file": name, "kind": kind, "source": "made by rule", "licence": "CC0", "rate": SAMPLE_RATE_HZ}
            rows.append(row | {"speaker_or_class": f"{kind} {seed}-{number}", "seconds": CLIP_S, "est_snr_db": 99})
    write_manifest(rows, folder)
