"""Makes noisy and clean pairs on the fly: speech, rooms, noises, babble, events, levels, bands, clipping.

An item depends only on the seed and its index, so a resumed run gets the same pairs as an uninterrupted one.
"""

import math

import numpy as np
import scipy.fft
import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch.utils.data import Dataset

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Choice, Clip, Corpus, Waveform, by_group
from training.mix.codecs import coded
from training.mix.signals import (
    PHRASE_S,
    active_rms,
    clipped,
    companded,
    convolved,
    low_pass,
    phrase,
    rms,
    stretched,
    unit,
    with_gaps,
)
from training.mix.synthetic import RUMBLE_DB, drift, events, hiss_and_hum, low_noise, mains_hum

Pair = tuple[torch.Tensor, torch.Tensor, float]
EQ_KNOTS = 8  # points of a random equaliser curve, at equal distances in octaves
BAND_LIMITS_HZ = (3_600.0, 5_000.0, 7_600.0, 11_000.0, 15_500.0)
SOURCE_RATES_HZ = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # rates of devices that record
PAUSE_S = (0.05, 0.6)  # between utterances
LONE_S = (0.6, 2.5)  # between lone words
WORD_S = (0.0, 0.5)  # the length of a lone word
REST_S = (0.2, 1.2)  # between phrases
CREST = 25.0  # peak to RMS; above it, the peak sets a noise's level, or a single click would drown the voice
SOFTEST_EDGE = 0.06  # of the limit: the widest transition of a resampler's low-pass


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class MixConfig:
    """Probabilities and ranges of the mixture; a value without a unit is a probability."""

    seconds: float = 3.0
    snr_db: tuple[float, float] = (-6.0, 22.0)
    level_db: tuple[float, float] = (-40.0, -14.0)
    clean_only: float = 0.06
    noise_only: float = 0.04
    full_band_speech: float = 0.35
    second_noise: float = 0.3
    babble: float = 0.08
    synthetic_noise: float = 0.1
    events: float = 0.0
    tonal_events: float = 0.4  # of the events: calls and notes, which voices resemble
    reversed_noise: float = 0.0
    room: float = 0.35
    early_s: float | None = None  # with a value, the target lacks what arrives later than this after the direct path
    rests: float = 0.0  # speech in phrases, with longer pauses between them
    vocals: float = 0.0  # singing, drawn-out and shouted speech, where the corpus holds any
    lone_words: float = 0.0  # of the rests: those with single words, seconds apart
    speech_eq: float = 0.3
    noise_eq: float = 0.5
    band_limit: float = 0.15
    narrow_noise: float = 0.75
    playback_rate: float = 0.5
    noise_rate: tuple[float, float] = (0.6, 1.6)  # factor
    speech_rate: tuple[float, float] = (0.88, 1.14)  # factor
    clipping: float = 0.05
    companding: float = 0.03
    codec: float = 0.0
    dropout: float = 0.03
    clean_drift: float = 0.0  # of the clean-only items: inaudible drift in noisy and clean alike
    rumble: float = 0.0  # of the noises: those with drift
    low_noise: float = 0.0  # of the noises: those with wind or rumble below 40 to 150 Hz
    mains_hum: float = 0.0  # of the noises: those with mains hum of up to 40 harmonics
    gap_s: tuple[float, float] = (0.005, 0.06)


class Mixer(Dataset[Pair]):
    """Items `(noisy, clean, band_hz)`: [samples], [samples], and the highest frequency that the target covers."""

    def __init__(self, corpus: Corpus, config: MixConfig, seed: int, items: int) -> None:
        """Raise ValueError for a corpus without speech or without noise."""
        self.corpus, self.config, self.seed, self.items = corpus, config, seed, items
        self.samples = int(config.seconds * SAMPLE_RATE_HZ)
        speech = corpus.clips["speech"]
        if not speech or not corpus.clips["noise"]:
            raise ValueError("the corpus holds no speech or no noise; `python -m training.prepare` makes both")
        full_band = [clip for clip in speech if clip.band_hz > 12_000]
        narrow_band = [clip for clip in speech if clip.band_hz <= 12_000]
        self.full_band = Choice(full_band or narrow_band)
        self.narrow_band = Choice(narrow_band or full_band)
        self.vocals = Choice(corpus.clips["vocal"]) if corpus.clips["vocal"] else None
        self.voices, self.noises = by_group(speech + corpus.clips["vocal"]), by_group(corpus.clips["noise"])
        self.rooms = Choice(corpus.clips["rir"]) if corpus.clips["rir"] else None
        # a class with more recordings is drawn more often, but much less than in proportion
        weights = np.sqrt([sum(clip.samples for clip in choice.clips) for choice in self.noises.values()])
        self.noise_shares = weights / weights.sum()

    def __len__(self) -> int:
        return self.items

    def __getitem__(self, index: int) -> Pair:
        draw = Draw(self, np.random.default_rng([self.seed, index]))
        noisy, clean, band_hz = draw.pair()
        return torch.from_numpy(noisy), torch.from_numpy(clean), band_hz


class Draw:
    """Makes one item, with its own random numbers."""

    def __init__(self, mixer: Mixer, rng: np.random.Generator) -> None:
        self.m, self.c, self.rng = mixer, mixer.config, rng

    def happens(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pair(self) -> tuple[Waveform, Waveform, float]:
        clean, band_hz = self.speech()
        noise, late = self.noise(), np.zeros_like(clean)  # late: reverberation that is noise
        if self.happens(self.c.room) and self.m.rooms:
            clean, late = self.in_room(clean, self.m.rooms)
            noise = np.add(*self.in_room(noise, self.m.rooms)) if self.happens(0.5) else noise
        if band_hz < 9_000 and self.happens(self.c.narrow_noise):
            noise = self.at_source_rate(noise, band_hz)
        case = self.rng.random()
        if case < self.c.clean_only:
            noise = np.zeros_like(noise)
            clean = clean + drift(self.rng, clean) if self.happens(self.c.clean_drift) else clean
        elif case < self.c.clean_only + self.c.noise_only:
            clean, late = np.zeros_like(clean), np.zeros_like(late)
            band_hz = SAMPLE_RATE_HZ / 2
        noisy, clean = self.at_snr(clean, noise)
        noisy = noisy + late
        if self.happens(self.c.band_limit):
            limit_hz, edge = float(self.rng.choice(BAND_LIMITS_HZ)), self.edge()
            noisy, clean = low_pass(noisy, limit_hz, edge), low_pass(clean, limit_hz, edge)
            band_hz = min(band_hz, limit_hz)
        if self.happens(self.c.codec):
            noisy, limit_hz = coded(noisy, self.rng)
            clean, band_hz = low_pass(clean, limit_hz), min(band_hz, limit_hz)
        noisy, clean = self.at_level(noisy, clean)
        return self.damaged(noisy), clean, band_hz

    def speech(self) -> tuple[Waveform, float]:
        """Return utterances of one voice, with pauses, and the band they were recorded in."""
        choice = self.m.full_band if self.happens(self.c.full_band_speech) else self.m.narrow_band
        choice = self.m.vocals if self.m.vocals and self.happens(self.c.vocals) else choice
        clip = choice.draw(self.rng)
        rate = self.rng.uniform(*self.c.speech_rate) if self.happens(self.c.playback_rate) else 1.0
        rests = self.happens(self.c.rests)
        lone = rests and self.happens(self.c.lone_words)
        between_s = LONE_S if lone else REST_S if rests else PAUSE_S
        phrase_s = WORD_S if lone else PHRASE_S if rests else None
        first = int(self.rng.uniform(0, between_s[1]) * SAMPLE_RATE_HZ) if rests else 0  # in a phrase or between two
        out, band_hz = self.utterance(clip, rate, phrase_s), clip.band_hz
        while len(out) < first + self.m.samples:
            pause_s = self.rng.uniform(*between_s)
            pause = np.zeros(int(pause_s * SAMPLE_RATE_HZ), np.float32)
            clip = self.m.voices[clip.group].draw(self.rng)
            band_hz = min(band_hz, clip.band_hz)
            more = self.utterance(clip, rate, phrase_s)
            more = more * (active_rms(out) / max(active_rms(more), 1e-5))
            out = np.concatenate([out, pause, more])
        out = out[first : first + self.m.samples]
        band_hz = min(band_hz * rate, SAMPLE_RATE_HZ / 2)
        return (self.equalised(out, 6.0) if self.happens(self.c.speech_eq) else out), band_hz

    def utterance(self, clip: Clip, rate: float, phrase_s: tuple[float, float] | None) -> Waveform:
        out = self.excerpt(clip, rate)
        return phrase(out, self.rng, phrase_s) if phrase_s else out

    def noise(self) -> Waveform:
        if self.happens(self.c.synthetic_noise):
            out = hiss_and_hum(self.rng, self.m.samples)
        elif self.happens(self.c.events):
            out = events(self.rng, self.m.samples, self.c.tonal_events)
            if self.happens(0.5):
                out = out + unit(self.recorded()) * 10 ** (self.rng.uniform(-20, 0) / 20)
        elif self.happens(self.c.babble):
            out = np.sum([unit(self.speech()[0]) for _ in range(self.rng.integers(3, 7))], axis=0)
        else:
            out = unit(self.recorded())
            if self.happens(self.c.second_noise):
                out = out + unit(self.recorded()) * 10 ** (self.rng.uniform(-12, 0) / 20)
        if self.happens(self.c.rumble):
            out = out + drift(self.rng, out, RUMBLE_DB)
        if self.happens(self.c.low_noise):
            out = out + low_noise(self.rng, out)
        if self.happens(self.c.mains_hum):
            out = out + mains_hum(self.rng, out)
        return self.equalised(out, 9.0) if self.happens(self.c.noise_eq) else out.astype(np.float32)

    def recorded(self) -> Waveform:
        """Return a recording of a random class of noise at a random playback speed, for more variety."""
        group = self.m.noises[str(self.rng.choice(list(self.m.noises), p=self.m.noise_shares))]
        rate = np.exp(self.rng.uniform(*np.log(self.c.noise_rate))) if self.happens(self.c.playback_rate) else 1.0
        out = np.zeros(0, np.float32)
        while len(out) < self.m.samples:
            more = self.excerpt(group.draw(self.rng), rate)
            out = np.concatenate([out, more]) if len(more) else np.zeros(self.m.samples, np.float32)
        out = out[: self.m.samples]
        return out[::-1] if self.happens(self.c.reversed_noise) else out

    def at_snr(self, clean: Waveform, noise: Waveform) -> tuple[Waveform, Waveform]:
        """Return noisy and clean at a random ratio of active speech to noise."""
        speech_rms, noise_rms = active_rms(clean), max(rms(noise), float(np.abs(noise).max()) / CREST)
        if speech_rms == 0 or noise_rms == 0:
            return clean + noise, clean
        gain = speech_rms / noise_rms * 10 ** (-self.rng.uniform(*self.c.snr_db) / 20)
        return clean + gain * noise, clean

    def at_source_rate(self, noise: Waveform, band_hz: float) -> Waveform:
        """Return the noise as a device with the sample rate of this voice would have recorded it."""
        limit_hz = next(rate for rate in SOURCE_RATES_HZ if rate / 2 > 0.97 * band_hz) / 2
        return low_pass(noise, limit_hz, self.edge())

    def edge(self) -> float:
        """Return the transition width of a low-pass relative to its frequency; zero half of the time."""
        return self.rng.uniform(0, SOFTEST_EDGE) if self.happens(0.5) else 0.0

    def at_level(self, noisy: Waveform, clean: Waveform) -> tuple[Waveform, Waveform]:
        gain = 10 ** (self.rng.uniform(*self.c.level_db) / 20) / max(rms(noisy), 1e-5)
        return (gain * noisy).astype(np.float32), (gain * clean).astype(np.float32)

    def damaged(self, noisy: Waveform) -> Waveform:
        """Return the mixture after clipping, companding and gaps, each at random."""
        if self.happens(self.c.clipping):
            noisy = clipped(noisy, self.rng.uniform(0.3, 0.9))
        if self.happens(self.c.companding):
            noisy = companded(noisy)
        if self.happens(self.c.dropout):
            noisy = with_gaps(noisy, self.rng, self.c.gap_s)
        return noisy

    def excerpt(self, clip: Clip, rate: float = 1.0) -> Waveform:
        """Return up to an item's length of a clip from a random place, played about `rate` times as fast."""
        length = self.m.samples if rate == 1 else scipy.fft.next_fast_len(int(self.m.samples * rate), real=True)
        offset = int(self.rng.integers(0, max(clip.samples - length, 0) + 1))
        x = self.m.corpus.waveform(clip, offset, length)
        if rate == 1 or not len(x):
            return x
        samples = scipy.fft.next_fast_len(math.ceil(len(x) / rate), real=True)  # primes take three times as long
        return stretched(x, samples)

    def in_room(self, dry: Waveform, rooms: Choice) -> tuple[Waveform, Waveform]:
        """Return the early and the late sound in a random room; without `early_s`, all of it is early."""
        rir = self.m.corpus.waveform(rooms.draw(self.rng))
        rir = rir[int(np.abs(rir).argmax()) :]  # with the direct path at zero, so that the timing stays
        if self.c.early_s is None:
            return convolved(dry, rir), np.zeros_like(dry)
        early = int(self.c.early_s * SAMPLE_RATE_HZ)
        return convolved(dry, rir[:early]), convolved(dry, np.r_[np.zeros(early, np.float32), rir[early:]])

    def equalised(self, x: Waveform, depth_db: float) -> Waveform:
        frequency_hz = scipy.fft.rfftfreq(len(x), 1 / SAMPLE_RATE_HZ)
        octaves = np.log2(np.maximum(frequency_hz, 60) / 60)
        gain_db = np.interp(octaves, np.linspace(0, 8.7, EQ_KNOTS), self.rng.uniform(-depth_db, depth_db, EQ_KNOTS))
        return np.asarray(
            scipy.fft.irfft(scipy.fft.rfft(x) * (10 ** (gain_db / 20)).astype(np.float32), len(x)), np.float32
        )
