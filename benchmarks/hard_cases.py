"""Computed recordings that denoisers take for noise, and noise that they take for a voice; always the same.

Real voices and songs are those of the development pairs, resampled to the model's rate; everything else is made here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft
import scipy.signal

from benchmarks.hard_material import Material
from benchmarks.voice import Rng, burst, drawn_out, faded, friction, shouted, sung_hz, vowel
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Waveform
from training.mix.signals import active_rms, unit

SEED = 34
EACH = 4  # recordings of each kind
LEVEL = 0.1  # RMS of the active speech
PAUSE_S = 1.0
NOTES_HZ = (196.0, 261.6, 311.1, 392.0, 466.2, 523.3, 622.3)
BURST_TIMES = 1.5  # as loud as the vowel
EARLY_S = 0.05  # of a room's response: counts as part of the voice
DECAY_S = 0.8  # until the reverberation is 60 dB softer


@dataclass(frozen=True)
class Case:
    """One recording: `speech` is what is measured, `wanted` all that should remain, `noisy` the denoiser's input."""

    speech: Waveform
    wanted: Waveform
    noisy: Waveform


def make(folder: Path) -> dict[str, list[Case]]:
    """Return all kinds, made from the development pairs in a folder."""
    material = Material(folder)
    return {
        kind: [build(np.random.default_rng([SEED, number, turn]), material, turn) for turn in range(EACH)]
        for number, (kind, build) in enumerate(KINDS.items())
    }


def plain(rng: Rng, material: Material, turn: int) -> Case:
    """Unchanged speech, for comparison."""
    return alone(material.voice(turn))


def high_words(rng: Rng, material: Material, turn: int) -> Case:
    """Arabic words at 1.5 times their pitch, three times as long."""
    words = [scipy.signal.resample_poly(word, 2, 3) for word in material.arabic_words(turn, 3)]
    return alone(spaced([drawn_out(np.asarray(word, np.float32), 3.0) for word in words]))


def high_shouts(rng: Rng, material: Material, turn: int) -> Case:
    """Arabic words at 1.5 times their pitch, shouted, 1.5 times as long."""
    words = [scipy.signal.resample_poly(word, 2, 3) for word in material.arabic_words(turn, 4)]
    return alone(spaced([shouted(drawn_out(np.asarray(word, np.float32), 1.5)) for word in words]))


def singing(rng: Rng, material: Material, turn: int) -> Case:
    """One voice that sings long notes."""
    parts = [vowel(rng, str(rng.choice(list("aiueo"))), sung_hz(rng, float(rng.choice(NOTES_HZ)), 1.1))]
    parts += [vowel(rng, str(rng.choice(list("aiueo"))), sung_hz(rng, float(rng.choice(NOTES_HZ)), 1.1)) for _ in "123"]
    return alone(spaced(parts, pause_s=0.08))


def over_drone(rng: Rng, material: Material, turn: int) -> Case:
    """Speech over three sustained tones, equally loud."""
    voice = material.voice(turn)
    t = np.arange(len(voice)) / SAMPLE_RATE_HZ
    base_hz = rng.choice([98.0, 110.0, 130.8, 146.8])
    held = [np.sin(2 * np.pi * k * r * base_hz * t + k) / k for r in (1.0, 1.5, 2.0) for k in range(1, 20)]
    return over(voice, np.sum(held, axis=0), 0)


def over_song(rng: Rng, material: Material, turn: int) -> Case:
    """Speech over slightly softer music."""
    voice = material.voice(turn)
    return over(voice, material.song(turn, len(voice)), 3)


def bursts(rng: Rng, material: Material, turn: int) -> Case:
    """Single syllables that start with a burst."""
    parts = []
    for _ in range(3):
        length = int(rng.uniform(0.15, 0.3) * SAMPLE_RATE_HZ)
        voice = vowel(rng, str(rng.choice(list("aiueo"))), np.linspace(rng.uniform(110, 260), 100, length))
        parts.append(np.concatenate([BURST_TIMES * burst(rng), voice]))
    return alone(spaced(parts, pause_s=PAUSE_S))


def lone_words(rng: Rng, material: Material, turn: int) -> Case:
    """Words of real voices with a second of silence around them."""
    return alone(spaced(material.words(turn, 3), pause_s=PAUSE_S))


def back_fricatives(rng: Rng, material: Material, turn: int) -> Case:
    """Pharyngeal friction between vowels; only the friction is measured."""
    speech, rest = [], []
    for _ in range(4):
        a, b = (vowel(rng, "a", np.full(int(0.25 * SAMPLE_RATE_HZ), rng.uniform(100, 220))) for _ in "ab")
        f = 0.35 * friction(rng, rng.uniform(0.12, 0.22))
        pause = np.zeros(int(0.3 * SAMPLE_RATE_HZ), np.float32)
        speech += [0 * a, f, 0 * b, pause]
        rest += [a, 0 * f, b, pause]
    both = np.concatenate(speech), np.concatenate(rest)
    scale = np.float32(LEVEL / active_rms(both[0] + both[1]))
    return Case(scale * both[0], scale * (both[0] + both[1]), scale * (both[0] + both[1]))


def hum(rng: Rng, material: Material, turn: int) -> Case:
    """Speech with mains hum and its harmonics, 50 and 60 Hz in turn."""
    voice, mains_hz = material.voice(turn), (50.0, 60.0)[turn % 2]
    t = np.arange(len(voice)) / SAMPLE_RATE_HZ
    tones = [np.sin(2 * np.pi * k * mains_hz * t + k * k) / k**0.5 for k in range(1, 21)]
    return over(voice, np.sum(tones, axis=0), 5)


def babble(rng: Rng, material: Material, turn: int) -> Case:
    """Speech that stops, among six other voices that do not."""
    voice = material.voice(turn)
    silence = np.zeros(len(voice), np.float32)
    return over(np.concatenate([voice, silence]), material.babble(turn, 2 * len(voice)), 5)


def rumble(rng: Rng, material: Material, turn: int) -> Case:
    """Speech with equally loud rumble below 80 Hz, and a softer noise."""
    voice = material.voice(turn)
    frequency_hz = scipy.fft.rfftfreq(len(voice), 1 / SAMPLE_RATE_HZ)
    spectrum = scipy.fft.rfft(rng.standard_normal(len(voice)))
    low = scipy.fft.irfft(spectrum * ((frequency_hz > 15) & (frequency_hz < 80)), len(voice))
    hiss = scipy.fft.irfft(spectrum * np.maximum(frequency_hz, 80) ** -0.5, len(voice))
    return over(voice, unit(np.asarray(low)) + unit(np.asarray(hiss)) * 10 ** (-10 / 20), 0)


def room(rng: Rng, material: Material, turn: int) -> Case:
    """Speech in a room; the direct sound and early reflections should remain."""
    voice = np.pad(material.voice(turn), (0, SAMPLE_RATE_HZ))
    t = np.arange(int(1.2 * DECAY_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    response = 0.02 * rng.standard_normal(len(t)) * 10 ** (-3 * t / DECAY_S)
    response[: int(0.003 * SAMPLE_RATE_HZ)] = 0
    response[0] = 1
    early = np.where(t < EARLY_S, response, 0)
    near, far = (np.asarray(scipy.signal.fftconvolve(voice, r)[: len(voice)], np.float32) for r in (early, response))
    scale = np.float32(LEVEL / active_rms(near))
    return Case(scale * near, scale * near, scale * far)


KINDS: dict[str, Callable[[Rng, Material, int], Case]] = {
    "plain speech": plain,
    "drawn-out high words": high_words,
    "shouted high words": high_shouts,
    "solo singing": singing,
    "voice over a drone": over_drone,
    "voice over a song": over_song,
    "syllables with bursts": bursts,
    "lone words": lone_words,
    "back fricatives": back_fricatives,
    "hum of 50 and 60 Hz": hum,
    "babble after the voice": babble,
    "rumble below 80 Hz": rumble,
    "room of 0.8 s": room,
}


def alone(voice: Waveform) -> Case:
    """Return speech without noise."""
    scaled = voice * np.float32(LEVEL / active_rms(voice))
    return Case(scaled, scaled, scaled)


def over(voice: Waveform, noise: Waveform, snr_db: float) -> Case:
    """Return speech with noise at this SNR in dB."""
    scaled = voice * np.float32(LEVEL / active_rms(voice))
    added = unit(np.asarray(noise, np.float32)) * np.float32(LEVEL * 10 ** (-snr_db / 20))
    return Case(scaled, scaled, scaled + added)


def spaced(parts: list[Waveform], pause_s: float = 0.4) -> Waveform:
    """Return the parts, equally loud, with silence before, between and after them."""
    pause = np.zeros(int(pause_s * SAMPLE_RATE_HZ), np.float32)
    level = [faded(part) / max(active_rms(part), 1e-5) for part in parts]
    return np.concatenate([pause, *(x for part in level for x in (part, pause))])
